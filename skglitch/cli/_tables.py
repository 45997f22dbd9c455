"""Files of embeddings, and CSV tables of GPS times, observing segments and observing runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._output import HDF5, TABLES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

EMBEDDINGS = (".npz", ".npy", *TABLES)
_COLUMNS = ("id", "ifo", "gps_time", "label")
# Missing labels of other programs, as text.
_NO_LABEL = ("-1", "-1.0", "nan", "None", "<NA>")
# Usual names of columns in lower case; the first one that exists is used.
_IDS = ("gravityspy_id", "id", "unique_id", "uniqueid")
_GPS = ("gps_time", "gps", "event_time", "peak_time", "trigger_time", "time")
_IFO = ("ifo", "detector")


def ids_path(path: Path) -> Path:
    """Return the path of the table that describes the rows of a ``.npy`` file."""
    return path.with_name(f"{path.stem}_ids.csv")


def write_embeddings(path: Path, embeddings: np.ndarray, columns: dict[str, Any]) -> None:
    """Write embeddings with columns that describe their rows, in the format of the suffix."""
    import numpy as np
    import pandas as pd

    from .._files import written_whole
    from .._tables import write_hdf5, write_table

    suffix = path.suffix.lower()
    if suffix in HDF5:
        write_hdf5({"embeddings": embeddings, **columns}, path)
    elif suffix in TABLES:
        features = pd.DataFrame(embeddings, columns=[f"x{n}" for n in range(embeddings.shape[1])])
        write_table(pd.concat([pd.DataFrame(columns), features], axis=1), path)
    elif suffix == ".npz":
        with written_whole(path) as file:
            np.savez(file, allow_pickle=False, embeddings=embeddings, **columns)
    else:
        with written_whole(path) as file:
            np.save(file, embeddings, allow_pickle=False)
        write_table(columns, ids_path(path))


def read_embeddings(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Read embeddings, and the columns that describe their rows.

    These are ``id``, and ``ifo``, ``gps_time`` (float) and ``label`` (empty without) where they
    exist.
    """
    try:
        embeddings, table = _read_arrays(path)
        return embeddings, _read_columns(embeddings, table)
    except (BlockingIOError, ImportError, PermissionError):
        # Nothing is wrong with the file.
        raise
    except Exception as error:
        # What is damaged makes each of the libraries raise errors of many types.
        raise ValueError(f"{str(path)!r} is not a file of embeddings: {error}") from error


def _read_columns(embeddings: np.ndarray, table: Any) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    if embeddings.ndim != 2 or embeddings.dtype.kind not in "fiu":
        raise ValueError(f"it has embeddings of shape {embeddings.shape} and {embeddings.dtype}.")
    columns = {name: np.atleast_1d(table[name]) for name in _COLUMNS if name in table}
    columns.setdefault("id", np.arange(len(embeddings)))
    for name, values in columns.items():
        if values.shape != embeddings.shape[:1]:
            raise ValueError(
                f"it has embeddings of shape {embeddings.shape}, but {name} of {values.shape}."
            )
        if name == "gps_time":
            numbers = pd.Series(values).replace("", np.nan)
            columns[name] = numbers.to_numpy(dtype=np.float64)
        else:
            texts = np.where(pd.isna(pd.Series(values, dtype=object)), "", values.astype(str))
            if name == "label":
                texts = np.where(np.isin(texts, _NO_LABEL), "", texts)
            columns[name] = texts.astype(str)
    return columns


def _read_arrays(path: Path) -> tuple[np.ndarray, Any]:
    import numpy as np
    import pandas as pd

    from .._files import refuse_bomb
    from .._hdf5 import open_hdf5, read_array, read_texts
    from .._tables import import_pyarrow

    suffix = path.suffix.lower()
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            refuse_bomb(file.zip)
            arrays = dict(file)
        return arrays.pop("embeddings"), arrays
    if suffix in HDF5:
        with open_hdf5(path) as file:
            texts = {name: read_texts(file, name) for name in _COLUMNS}
            embeddings = read_array(file, "embeddings")
        if not isinstance(embeddings, np.ndarray):
            raise ValueError("it has no data set 'embeddings'.")
        return embeddings, {name: values for name, values in texts.items() if values is not None}
    options: dict[str, Any] = {"keep_default_na": False, "dtype": dict.fromkeys(_COLUMNS, str)}
    if suffix == ".npy":
        embeddings = np.load(path, allow_pickle=False)
        if not ids_path(path).is_file():
            return embeddings, {}
        return embeddings, pd.read_csv(ids_path(path), **options)
    if suffix == ".csv":
        table = pd.read_csv(path, **options)
    elif suffix == ".parquet":
        import_pyarrow()
        table = pd.read_parquet(path)
    else:
        raise ValueError(f"its name does not end in {', '.join(EMBEDDINGS)}.")
    names = [f"x{n}" for n in range(sum(name.startswith("x") for name in table))]
    if not names:
        raise ValueError("it has no column 'x0'.")
    return np.ascontiguousarray(table[names].to_numpy(dtype=np.float32)), table


def read_gps(path: Path, ids: np.ndarray) -> np.ndarray:
    """Look up the GPS times of glitches by their ids; NaN for ids that are not in the table."""
    import pandas as pd

    table = _read_csv(path)
    id_column, gps_column = _find_column(path, table, _IDS), _find_column(path, table, _GPS)
    gps = pd.Series(_to_gps(path, table[gps_column]), index=table[id_column])
    found = gps[~gps.index.duplicated(keep="last")].reindex(ids.astype(str)).to_numpy()
    if pd.isna(found).all():
        raise ValueError(
            f"{str(path)!r} has none of the {len(ids)} glitches in its column {id_column!r}; the "
            f"first is {str(ids[0])!r}."
        )
    return found


def read_segments(path: Path) -> Any:
    """Read observing segments, as :func:`skglitch.discovery.find_onsets` takes them."""
    table = _read_csv(path)
    pairs = _read_pairs(path, table)
    ifo = next((name for name in _IFO if name in table), None)
    if ifo is None:
        return pairs
    return {name: [pairs[row] for row in rows] for name, rows in table.groupby(ifo).indices.items()}


def read_runs(path: Path) -> dict[str, tuple[float, float]]:
    """Read observing runs, as :func:`skglitch.discovery.find_onsets` takes them."""
    table = _read_csv(path)
    names = table[_find_column(path, table, ("run", "name"))]
    if names.duplicated().any():
        raise ValueError(f"{str(path)!r} has the run {names[names.duplicated()].iloc[0]!r} twice.")
    return dict(zip(names, _read_pairs(path, table), strict=True))


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not a CSV table: {error}") from error
    return table.rename(columns=lambda name: name.strip().casefold())


def _read_pairs(path: Path, table: pd.DataFrame) -> list[tuple[float, float]]:
    starts = _to_gps(path, table[_find_column(path, table, ("start",))])
    stops = _to_gps(path, table[_find_column(path, table, ("stop", "end"))])
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _find_column(path: Path, table: pd.DataFrame, names: tuple[str, ...]) -> str:
    for name in names:
        if name in table:
            return name
    raise ValueError(
        f"{str(path)!r} has no column {' or '.join(map(repr, names))}; it has "
        f"{', '.join(map(repr, table))}."
    )


def _to_gps(path: Path, texts: pd.Series) -> np.ndarray:
    import numpy as np

    numbers = np.empty(len(texts))
    for row, text in enumerate(texts):
        try:
            numbers[row] = float(text)
        except ValueError:
            raise ValueError(
                f"{str(path)!r}, line {row + 2}: {text!r} is not a GPS time."
            ) from None
    return numbers
