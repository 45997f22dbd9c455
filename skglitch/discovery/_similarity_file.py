"""The file of a similarity index: arrays and no code, written whole or not at all."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._files import written_whole

PROTOCOL = 1
_FORMAT = "skglitch similarity index"
_ARRAYS = ("units", "ids", "times", "detectors")
# Only of embeddings that came in a data frame. Readers of before do not look for it.
FEATURE_NAMES = "feature_names"

Arrays = dict[str, NDArray[Any]]


def write_index(path: Path, parameters: dict[str, Any], arrays: Arrays) -> None:
    """Write parameters and arrays as a file of NumPy's npz format.

    Parameters
    ----------
    path : pathlib.Path
        What is there is replaced at the end.
    parameters : dict
        What json can write.
    arrays : dict of ndarray
        Numbers and strings, no objects.
    """
    header = {"format": _FORMAT, "protocol": PROTOCOL, "parameters": parameters}
    content: dict[str, Any] = {"header": np.array(json.dumps(header)), **arrays}
    with written_whole(path) as file:
        np.savez(file, **content)


def read_index(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Read what :func:`write_index` wrote; nothing in the file is run.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    parameters : dict
    arrays : dict of ndarray

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is another kind of file, damaged, or of a newer protocol.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{str(path)!r} is no similarity index, or was cut short.")
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"])) if "header" in file else {}
            if header.get("format") == _FORMAT and header["protocol"] <= PROTOCOL:
                names = [*_ARRAYS, *({FEATURE_NAMES} & set(file.files))]
                arrays = {name: file[name] for name in names}
                _check(arrays)
                return header["parameters"], arrays
    except Exception as error:
        # zipfile, zlib, json and numpy each have errors of their own.
        raise ValueError(f"{str(path)!r} is damaged: {error}") from error
    if header.get("format") == _FORMAT:
        raise ValueError(
            f"{str(path)!r} was written by a newer skglitch (protocol {header['protocol']}; this "
            f"one reads up to {PROTOCOL}): upgrade with pip install -U skglitch."
        )
    raise ValueError(f"{str(path)!r} is no similarity index.")


def _check(arrays: Arrays) -> None:
    units = arrays["units"]
    if units.ndim != 2 or units.dtype != np.float32 or not len(units):
        raise ValueError(f"its embeddings are {units.dtype} of shape {units.shape}")
    for name in _ARRAYS[1:]:
        if arrays[name].shape != (len(units),):
            raise ValueError(f"it has {len(units)} embeddings and {arrays[name].shape} {name}")
    names = arrays.get(FEATURE_NAMES)
    if names is not None and (names.dtype.kind != "U" or names.shape != units.shape[1:]):
        raise ValueError(f"it has {units.shape[1]} features and {names.shape} names of them")
