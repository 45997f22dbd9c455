"""Files of embeddings, which ``skglitch embed`` writes and other commands read."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._output import HDF5, TABLES

if TYPE_CHECKING:
    import numpy as np

EMBEDDINGS = (".npz", ".npy", *TABLES)
_COLUMNS = ("id", "ifo", "gps_time", "label")
# Missing labels of other programs, as text.
_NO_LABEL = ("-1", "-1.0", "nan", "None", "<NA>")


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
    """Read what :func:`write_embeddings` wrote.

    Returns
    -------
    embeddings : ndarray of shape (n, d)
    columns : dict of str to ndarray of shape (n,)
        ``id``, and ``ifo``, ``gps_time`` (float) and ``label`` (empty without) where they exist.

    Raises
    ------
    ValueError
        If it is another kind of file.
    """
    import numpy as np
    import pandas as pd

    try:
        embeddings, table = _read(path)
        columns = {name: np.asarray(table[name]) for name in _COLUMNS if name in table}
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{str(path)!r} is not a file of embeddings: {error}") from error
    columns.setdefault("id", np.arange(len(embeddings)))
    for name, values in columns.items():
        if embeddings.ndim != 2 or len(values) != len(embeddings):
            raise ValueError(
                f"{str(path)!r} has embeddings of shape {embeddings.shape}, but {len(values)} "
                f"values of {name}."
            )
        if name == "gps_time":
            numbers = pd.Series(values).replace("", np.nan)
            columns[name] = numbers.to_numpy(dtype=np.float64)
        else:
            texts = np.where(pd.isna(pd.Series(values, dtype=object)), "", values.astype(str))
            if name == "label":
                texts = np.where(np.isin(texts, _NO_LABEL), "", texts)
            columns[name] = texts.astype(str)
    return embeddings, columns


def _read(path: Path) -> tuple[np.ndarray, Any]:
    import numpy as np
    import pandas as pd

    from .._tables import import_pyarrow, open_hdf5, read_texts

    suffix = path.suffix.lower()
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        return arrays.pop("embeddings"), arrays
    if suffix in HDF5:
        with open_hdf5(path) as file:
            texts = {name: read_texts(file, name) for name in _COLUMNS if name in file}
            return file["embeddings"][()], texts
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
