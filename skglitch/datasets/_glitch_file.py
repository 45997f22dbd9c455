"""Glitches in one HDF5 file: X, and what is known of each glitch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from .._files import written_whole
from .._labels import is_labeled
from ._hdf5 import import_h5py

SUFFIXES = (".h5", ".hdf5", ".hdf")
# The first is what is written; the other is what people write by hand.
_DATA = ("data", "X")
_TEXTS = {"id": "ids", "ifo": "ifo", "label": "target"}
_TIME = "gps_time"
_DURATIONS = "durations"
_DESCR = """\
Glitches of an HDF5 file
------------------------
data: normalized Q-transform energy, uint8, 255 = 25.5, with axes glitch, view, frequency and time.
target: the class of each glitch, None for a file without labels.
"""


def save_glitches(glitches: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write glitches to an HDF5 file.

    Parameters
    ----------
    glitches : mapping
        Such as the Bunch of :func:`load_gravity_spy`, :func:`load_triggers` or
        :func:`make_glitches`. ``data``, of shape ``(n, n_views, height, width)``, is needed;
        ``target``, ``ids``, ``ifo``, ``gps`` and ``durations`` are written where they are there.
    path : path
        A file that is there is replaced, once the new one is complete.

    Raises
    ------
    ImportError
        If h5py is not installed.
    ValueError
        If ``data`` has no four axes, or there is not one value of each kind for each glitch.

    See Also
    --------
    load_glitches : Reads such a file.

    Notes
    -----
    The file has a data set ``data``, with the durations of the views in s as its attribute
    ``durations``, and data sets of one value a glitch: ``id``, ``ifo`` and ``label`` as UTF-8
    text, ``gps_time`` in s as float64. A label that is empty is none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from skglitch.datasets._glitch_file import load_glitches, save_glitches
    >>> X = np.zeros((2, 1, 14, 17), dtype=np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "glitches.h5")
    ...     save_glitches({"data": X, "target": ["Blip", "Chirp"], "durations": (4.0,)}, path)
    ...     loaded = load_glitches(path)
    >>> loaded.data.shape, loaded.target.tolist(), loaded.durations
    ((2, 1, 14, 17), ['Blip', 'Chirp'], (4.0,))
    """
    data = glitches["data"]
    if np.ndim(data) != 4:
        raise ValueError(
            f"data has shape {np.shape(data)}, which is not (n, n_views, height, width)."
        )
    columns = {name: glitches.get(key) for name, key in _TEXTS.items()}
    columns[_TIME] = glitches.get("gps")
    for name, values in columns.items():
        if values is not None and len(values) != len(data):
            raise ValueError(f"There are {len(data)} glitches and {len(values)} values of {name}.")
    with new_hdf5(Path(path).expanduser()) as file:
        dataset = file.create_dataset(_DATA[0], data=data)
        if glitches.get("durations") is not None:
            dataset.attrs[_DURATIONS] = np.asarray(glitches["durations"], dtype=np.float64)
        for name, values in columns.items():
            if values is not None:
                write_column(file, name, values)


def load_glitches(path: str | os.PathLike[str]) -> Bunch:
    """Read glitches from an HDF5 file.

    Parameters
    ----------
    path : path
        A file that :func:`save_glitches` wrote, or another one of that form. X may be called
        ``X`` in place of ``data``, and needs no axis of views if there is one only.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        With

        data : ndarray of shape (n, n_views, height, width)
            The numbers as they are in the file.
        target : ndarray of shape (n,), dtype str, or None
            Class of each glitch, empty where it has none; None without the data set ``label``.
        target_names : ndarray of shape (n_classes,), dtype str, or None
            The classes, sorted.
        ids, ifo : ndarray of shape (n,), dtype str
            Without a data set ``id``, the numbers of the rows from 0 on; without ``ifo``, empty.
        gps : ndarray of shape (n,), dtype float64, or None
            GPS times in s.
        durations : tuple of float or None
            Durations in s of the views, where the file tells them.
        DESCR : str
            What the numbers mean.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If h5py is not installed.
    ValueError
        If it is another kind of file, lacks X, or has data sets of different lengths.

    See Also
    --------
    save_glitches : Writes such a file.
    load_gravity_spy : Reads pictures.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from skglitch.datasets._glitch_file import load_glitches, save_glitches
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "glitches.h5")
    ...     save_glitches({"data": np.zeros((2, 1, 14, 17)), "ids": ["a", "b"]}, path)
    ...     bunch = load_glitches(path)
    >>> bunch.ids.tolist(), bunch.target is None
    (['a', 'b'], True)
    """
    path = Path(path).expanduser()
    with open_hdf5(path) as file:
        name = next((name for name in _DATA if name in file), None)
        if name is None:
            raise ValueError(
                f"{str(path)!r} has no data set 'data' or 'X' with spectrograms; it has "
                f"{', '.join(map(repr, file)) or 'none'}."
            )
        data = file[name][()]
        durations = file[name].attrs.get(_DURATIONS, file.attrs.get(_DURATIONS))
        texts = {key: read_column(file, key) for key in _TEXTS if key in file}
        times = np.asarray(file[_TIME][()], dtype=np.float64) if _TIME in file else None
    data = _checked_data(data, f"{str(path)!r}, data set {name!r}")
    for key, values in (*texts.items(), (_TIME, times)):
        if values is not None and len(values) != len(data):
            raise ValueError(
                f"{str(path)!r} has {len(data)} spectrograms in {name!r} and {len(values)} values "
                f"in {key!r}."
            )
    target = texts.get("label")
    return Bunch(
        data=data,
        target=target,
        target_names=None if target is None else np.unique(target[is_labeled(target)]),
        ids=texts.get("id", np.arange(len(data)).astype(str)),
        ifo=texts.get("ifo", np.full(len(data), "")),
        gps=times,
        durations=_checked_durations(durations, data.shape[1], path),
        DESCR=_DESCR,
    )


def _checked_data(data: Any, where: str) -> np.ndarray:
    if not isinstance(data, np.ndarray) or data.dtype.kind not in "uif":
        raise ValueError(f"{where} holds no numbers.")
    if data.ndim == 3:
        data = data[:, np.newaxis]
    if data.ndim != 4 or 0 in data.shape:
        raise ValueError(
            f"{where} has shape {data.shape}; needed is (n, n_views, height, width), with one "
            "glitch or more."
        )
    return data


def _checked_durations(durations: Any, n_views: int, path: Path) -> tuple[float, ...] | None:
    if durations is None:
        return None
    told = tuple(np.atleast_1d(durations).astype(float).tolist())
    if len(told) != n_views:
        raise ValueError(
            f"{str(path)!r} has {n_views} views, but its attribute durations names {len(told)}."
        )
    return told


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file to read, or say in one sentence why that fails."""
    h5py = import_h5py()
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if not h5py.is_hdf5(path):
        raise ValueError(f"{str(path)!r} is not an HDF5 file.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError) as error:
        # What h5py raises of a file that is cut short, or has bytes that do not unpack.
        raise ValueError(f"{str(path)!r} is damaged: {error}.") from error


@contextlib.contextmanager
def new_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file that gets its name only once it is complete."""
    h5py = import_h5py()
    with written_whole(path) as whole, h5py.File(whole, "w") as file:
        yield file


def write_column(file: Any, name: str, values: Sequence[Any] | np.ndarray) -> None:
    """Write one value a glitch: numbers and booleans as they are, all else as text."""
    array = np.asarray(values)
    if array.dtype.kind in "uifb":
        file.create_dataset(name, data=array)
    else:
        texts = ["" if value is None else str(value) for value in array.tolist()]
        file.create_dataset(name, data=texts, dtype=import_h5py().string_dtype())


def read_column(file: Any, name: str) -> np.ndarray:
    """Read one value a glitch as text, whatever way it was written."""
    values = np.atleast_1d(file[name][()]).tolist()
    return np.array(
        [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values], dtype=str
    )
