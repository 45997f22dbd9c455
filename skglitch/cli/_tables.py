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
    """Read embeddings, and the columns that describe their rows; a missing label is ""."""
    try:
        embeddings, table = _read_arrays(path)
        return embeddings, _read_columns(embeddings, table)
    except (BlockingIOError, ImportError, PermissionError):
        # Nothing is wrong with the file.
        raise
    except Exception as error:
        # For damaged files, the libraries raise errors of many types.
        raise ValueError(f"{str(path)!r} is not a file of embeddings: {error}") from error


def _read_columns(embeddings: np.ndarray, table: Any) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    from .._labels import strip_labels
    from .._validation import check_gps

    if embeddings.ndim != 2 or embeddings.dtype.kind not in "fiu":
        raise ValueError(f"it has embeddings of shape {embeddings.shape} and {embeddings.dtype}.")
    if not len(embeddings):
        raise ValueError("it has no glitches.")
    columns = {name: np.atleast_1d(table[name]) for name in _COLUMNS if name in table}
    columns.setdefault("id", np.arange(len(embeddings)))
    for name, values in columns.items():
        if values.shape != embeddings.shape[:1]:
            raise ValueError(f"{name} has shape {values.shape}, but embeddings {embeddings.shape}.")
        if name == "gps_time":
            is_text = values.dtype.kind in "OSU"
            cells: Any = [v if str(v).strip() else None for v in values] if is_text else values
            columns[name] = check_gps(cells, "gps_time")
        else:
            texts = np.where(pd.isna(pd.Series(values, dtype=object)), "", values.astype(str))
            stripped = np.char.strip(texts.astype(str))
            columns[name] = np.array(strip_labels(stripped)) if name == "label" else stripped
    return columns


def _read_arrays(path: Path) -> tuple[np.ndarray, Any]:
    import numpy as np

    from .._files import refuse_bomb
    from .._hdf5 import open_hdf5, read_array, read_texts
    from .._tables import read_arrow

    suffix = path.suffix.lower()
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            refuse_bomb(file.zip)
            arrays = dict(file)
        return arrays.pop("embeddings"), arrays
    if suffix in HDF5:
        with open_hdf5(path) as file:
            columns = {name: read_texts(file, name) for name in _COLUMNS}
            embeddings, gps = read_array(file, "embeddings"), read_array(file, "gps_time")
        if not isinstance(embeddings, np.ndarray):
            raise ValueError("it has no data set 'embeddings'.")
        if np.asarray(gps).dtype.kind == "f":
            columns["gps_time"] = gps
        return embeddings, {name: v for name, v in columns.items() if v is not None}
    if suffix == ".npy":
        embeddings = np.load(path, allow_pickle=False)
        if not ids_path(path).is_file():
            return embeddings, {}
        return embeddings, _read_wide_csv(ids_path(path))
    if suffix == ".csv":
        table = _read_wide_csv(path)
    elif suffix == ".parquet":
        table = read_arrow(path)
    else:
        raise ValueError(f"its name does not end in {', '.join(EMBEDDINGS)}.")
    names = [f"x{n}" for n in range(sum(name.startswith("x") for name in table))]
    if not names:
        raise ValueError("it has no column 'x0'.")
    return np.ascontiguousarray(table[names].to_numpy(dtype=np.float32)), table


def _read_wide_csv(path: Path) -> pd.DataFrame:
    """Read numbers and the columns that describe rows, which stay text."""
    import pandas as pd

    # Explicit names, of which pandas refuses duplicates; those in the file it would rename.
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False)
    names = [name.strip() for name in header.iloc[0]]
    texts = dict.fromkeys(_COLUMNS, str)
    return pd.read_csv(path, names=names, header=0, dtype=texts, keep_default_na=False)


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
    if not set(_IFO) & set(table):
        return pairs
    ifo = _find_column(path, table, _IFO)
    return {name: [pairs[row] for row in rows] for name, rows in table.groupby(ifo).indices.items()}


def read_runs(path: Path) -> dict[str, tuple[float, float]]:
    """Read observing runs, as :func:`skglitch.discovery.find_onsets` takes them."""
    table = _read_csv(path)
    names = table[_find_column(path, table, ("run", "name"))]
    if names.duplicated().any():
        raise ValueError(f"{str(path)!r} has the run {names[names.duplicated()].iloc[0]!r} twice.")
    return dict(zip(names, _read_pairs(path, table), strict=True))


def _read_csv(path: Path) -> pd.DataFrame:
    from .._tables import read_csv

    table = read_csv(path)
    if not len(table):
        raise ValueError(f"{str(path)!r} has no rows.")
    return table.map(str.strip).rename(columns=lambda name: name.strip().casefold())


def _read_pairs(path: Path, table: pd.DataFrame) -> list[tuple[float, float]]:
    starts = _to_gps(path, table[_find_column(path, table, ("start",))])
    stops = _to_gps(path, table[_find_column(path, table, ("stop", "end"))])
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _find_column(path: Path, table: pd.DataFrame, names: tuple[str, ...]) -> str:
    for name in names:
        if list(table).count(name) > 1:
            raise ValueError(f"{str(path)!r} has more than one column {name!r}.")
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
