"""Files of embeddings: what ``skglitch embed`` writes and ``skglitch discover`` reads."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._output import HDF5, TABLES, import_pyarrow, write_table

if TYPE_CHECKING:
    import numpy as np

EMBEDDINGS = (".npz", ".npy", *TABLES)
_NUMBERS = "embeddings"
# What is kept of each glitch beside its numbers.
_TIME = "gps_time"
# What stands for no value elsewhere, as the text that it becomes.
_MISSING = ("nan", "None", "<NA>")
_NO_LABEL = ("-1", "-1.0", *_MISSING)
_ABOUT = ("id", "ifo", _TIME, "label")


def write_embeddings(path: Path, embeddings: np.ndarray, about: dict[str, np.ndarray]) -> None:
    """Write embeddings in the format that the suffix of ``path`` names.

    Parameters
    ----------
    path : pathlib.Path
        ``.csv`` and ``.parquet`` have a row for each glitch, ``.npz``, ``.h5`` and ``.hdf5`` an
        array ``embeddings`` and one of each column of ``about``. A ``.npy`` has only the numbers,
        so ``about`` goes to the file that :func:`beside` names.
    embeddings : ndarray of shape (n, d)
    about : dict
        Arrays of length n by name, such as the ids.
    """
    import numpy as np

    from .._files import written_whole

    suffix = path.suffix.lower()
    if suffix in HDF5:
        write_table(path, {_NUMBERS: embeddings, **about})
    elif suffix in TABLES:
        numbers = {f"x{n}": column for n, column in enumerate(embeddings.T)}
        write_table(path, {**about, **numbers})
    else:
        with written_whole(path) as file:
            if suffix == ".npz":
                np.savez(file, **{_NUMBERS: embeddings, **about})  # type: ignore[arg-type]
            else:
                np.save(file, embeddings, allow_pickle=False)
    if suffix == ".npy":
        write_table(beside(path), about)


def beside(path: Path) -> Path:
    """Name the table that tells which row of a ``.npy`` is which glitch.

    Examples
    --------
    >>> from pathlib import Path
    >>> from skglitch.cli._embedding_file import beside
    >>> beside(Path("out/embeddings.npy")).name
    'embeddings_ids.csv'
    """
    return path.with_name(f"{path.stem}_ids.csv")


def read_embeddings(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Read what :func:`write_embeddings` wrote.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    embeddings : ndarray of shape (n, d)
    about : dict of str to ndarray of shape (n,)
        ``id``, and of ``ifo``, ``gps_time`` and ``label`` those that there are.

    Raises
    ------
    ValueError
        If it is another kind of file.
    """
    import numpy as np

    try:
        embeddings, about = _READERS[path.suffix.lower()](path)
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, csv.Error) as error:
        raise ValueError(
            f"{str(path)!r} is no file of embeddings, such as skglitch embed writes: {error}"
        ) from error
    columns = {name: np.asarray(values) for name, values in about.items() if name in _ABOUT}
    columns.setdefault("id", np.arange(len(embeddings)))
    for name, values in columns.items():
        if embeddings.ndim != 2 or len(values) != len(embeddings):
            raise ValueError(
                f"{str(path)!r} has embeddings of shape {embeddings.shape} and {len(values)} "
                f"values of {name}: one row for each is needed."
            )
        # An empty cell of a table is a time that nobody knows.
        texts = values.astype(str)
        if name == _TIME:
            texts = np.where(np.isin(texts, ("", *_MISSING)), "nan", texts).astype(float)
        elif name != "id":
            missing = _NO_LABEL if name == "label" else _MISSING
            texts = np.where(np.isin(texts, missing), "", texts)
        columns[name] = texts
    return embeddings, columns


def _read_npz(path: Path) -> tuple[np.ndarray, Mapping[str, Any]]:
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    return arrays.pop(_NUMBERS), arrays


def _read_npy(path: Path) -> tuple[np.ndarray, Mapping[str, Any]]:
    import numpy as np

    embeddings = np.load(path, allow_pickle=False)
    return embeddings, _read_columns(beside(path)) if beside(path).is_file() else {}


def _read_hdf5(path: Path) -> tuple[np.ndarray, Mapping[str, Any]]:
    from .._tables import open_hdf5, read_texts

    with open_hdf5(path) as file:
        if _NUMBERS not in file:
            raise ValueError(f"it has no data set {_NUMBERS!r}")
        return file[_NUMBERS][()], {name: read_texts(file, name) for name in _ABOUT if name in file}


def _read_csv(path: Path) -> tuple[np.ndarray, Mapping[str, Any]]:
    return _split(_read_columns(path))


def _read_parquet(path: Path) -> tuple[np.ndarray, Mapping[str, Any]]:
    table = import_pyarrow().parquet.read_table(path)
    return _split({name: table[name].to_numpy() for name in table.column_names})


def _read_columns(path: Path) -> dict[str, list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def _split(columns: Mapping[str, Any]) -> tuple[np.ndarray, Mapping[str, Any]]:
    """Part the columns x0, x1, ... from those about glitches."""
    import numpy as np

    names: list[str] = []
    while f"x{len(names)}" in columns:
        names.append(f"x{len(names)}")
    if not names:
        raise ValueError("it has no column 'x0'")
    numbers = np.array([columns[name] for name in names], dtype=np.float32)
    return np.ascontiguousarray(numbers.T), columns


_READERS: dict[str, Callable[[Path], tuple[np.ndarray, Mapping[str, Any]]]] = {
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    **dict.fromkeys(HDF5, _read_hdf5),
}
