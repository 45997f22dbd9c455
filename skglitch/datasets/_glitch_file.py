"""Spectrograms of glitches in an HDF5 file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from .._files import check_path
from .._hdf5 import open_hdf5, read_array, read_attribute, read_texts
from .._labels import strip_labels
from .._pictures import DURATIONS, resize_energy
from .._validation import check_gps
from ._parameters import check_durations, check_size


def load_glitches(
    path: str | os.PathLike[str],
    *,
    durations: Sequence[float] | None = None,
    size: tuple[int, int] | None = None,
) -> Bunch:
    """Load spectrograms of glitches from an HDF5 file.

    Parameters
    ----------
    path : path
        A file with a data set ``data`` or ``X`` of shape ``(n, n_views, height, width)`` or
        ``(n, height, width)``, whose attribute ``durations`` has the durations of the views in s.
        Optional data sets with one value per glitch are ``id``, ``ifo``, ``label`` (empty, ``nan``,
        ``None``, ``<NA>`` or -1 for no label) and ``gps_time`` in s.
    durations : sequence of float, default=None
        Durations in s of the views to load, in this order. None is all views.
    size : tuple of (height, width), default=None
        Size in pixels to which uint8 views are resized. None is their own size.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        data : ndarray of shape (n, n_views, height, width)
            In the dtype of the file.
        target : ndarray of shape (n,), dtype str, or None
            Class of each glitch, empty without a label. None without the data set ``label``.
        target_names : ndarray of shape (n_classes,), dtype str, or None
            The classes, sorted.
        ids, ifo : ndarray of shape (n,), dtype str
            Ids, by default row numbers, and detectors, by default empty.
        gps : ndarray of shape (n,), dtype float64, or None
            GPS times in s.
        durations : tuple of float or None
            Durations in s of the views. If the file does not contain them, those requested, else
            0.5, 1, 2 and 4 s for four views, and None for other numbers of views.

    Raises
    ------
    BlockingIOError, FileNotFoundError
        If another program is writing the file, or there is no such file.
    ImportError
        If h5py is not installed.
    ValueError
        If the file is not HDF5 or is damaged, lacks spectrograms or views of some durations, has
        data sets of different lengths or GPS times of fewer than 64 bits, or cannot be resized.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import h5py, numpy as np
    >>> from skglitch.datasets import load_glitches
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "glitches.h5")
    ...     with h5py.File(path, "w") as file:
    ...         file["data"] = np.zeros((2, 2, 140, 170), dtype=np.uint8)
    ...         file["data"].attrs["durations"] = [1.0, 4.0]
    ...         file["label"] = ["Blip", "Whistle"]
    ...     bunch = load_glitches(path, durations=(4.0,))
    >>> bunch.data.shape, bunch.target.tolist()
    ((2, 1, 140, 170), ['Blip', 'Whistle'])
    """
    requested = check_durations(durations)
    size = None if size is None else check_size(size)
    path = check_path(path, "path")
    with open_hdf5(path) as file:
        names = list(file)
        found = ((name, read_array(file, name)) for name in ("data", "X"))
        name, data = next((pair for pair in found if pair[1] is not None), ("", None))
        if data is not None:
            held = (read_attribute(item, "durations") for item in (file[name], file))
            in_file = next((value for value in held if value is not None), None)
            columns: dict[str, Any] = {k: read_texts(file, k) for k in ("id", "ifo", "label")}
            gps = read_array(file, "gps_time")
    if data is None:
        raise ValueError(
            f"{str(path)!r} has no data set 'data' or 'X' with spectrograms; it has "
            f"{', '.join(map(repr, names)) or 'none'}."
        )
    if gps is not None:
        columns["gps_time"] = check_gps(np.ravel(gps), f"{str(path)!r}: gps_time")
    columns = {key: values for key, values in columns.items() if values is not None}
    if "label" in columns:
        columns["label"] = np.array(strip_labels(columns["label"]), dtype=str)

    where = f"{str(path)!r}, data set {name!r},"
    if not isinstance(data, np.ndarray) or data.dtype.kind not in "uif":
        raise ValueError(f"{where} does not hold numbers.")
    if data.ndim == 3:
        data = data[:, np.newaxis]
    if data.ndim != 4 or 0 in data.shape:
        raise ValueError(
            f"{where} has shape {data.shape}, but must be (n, n_views, height, width), not empty."
        )
    for key, values in columns.items():
        if len(values) != len(data):
            raise ValueError(f"{where} has {len(data)} glitches, but {key!r} has {len(values)}.")
    n_views = data.shape[1]
    if in_file is None:
        guesses = [d for d in (requested, DURATIONS) if d is not None and len(d) == n_views]
        available = guesses[0] if guesses else None
    else:
        try:
            available = tuple(np.atleast_1d(in_file).astype(float).tolist())
        except (TypeError, ValueError):
            available = in_file
        if np.shape(available) != (n_views,):
            raise ValueError(f"{where} has {n_views} views, but durations={available!r}.")
    if requested is not None and requested != available:
        if available is None:
            raise ValueError(
                f"{where} has {n_views} views of unknown durations: set its attribute 'durations'."
            )
        missing = [str(duration) for duration in requested if duration not in available]
        if missing:
            raise ValueError(
                f"{where} has no views of {' or '.join(missing)} s, only of "
                f"{', '.join(map(str, available))} s."
            )
        data = data[:, [available.index(duration) for duration in requested]]
        available = requested
    if size is not None and data.shape[2:] != size:
        if data.dtype != np.uint8:
            raise ValueError(
                f"{where} has views of {data.shape[2]}x{data.shape[3]} pixels, and only uint8 is "
                f"resized to size={size!r}, not {data.dtype}."
            )
        data = np.stack([[resize_energy(view, size) for view in views] for views in data])
    target = columns.get("label")
    return Bunch(
        data=data,
        target=target,
        target_names=None if target is None else np.unique(target[target != ""]),
        ids=columns.get("id", np.arange(len(data)).astype(str)),
        ifo=np.char.strip(columns.get("ifo", np.full(len(data), ""))),
        gps=columns.get("gps_time"),
        durations=available,
    )
