"""The data set of an HDF5 file, or the channel of a frame file, that holds the strain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from .._hdf5 import has_dataset, list_datasets, open_hdf5
from .._lazy import import_extra
from ._parameters import shorten

# Data set of the strain in files of GWOSC.
GWOSC = "strain/Strain"
_HDF5_SUFFIXES = (".hdf5", ".hdf", ".h5")
_HDF5_START = b"\x89HDF\r\n\x1a\n"
_FRAME_START = b"IGWD"


def find_channels(
    path: Path, dataset: str | Mapping[str, str | None] | None, ifo: str | None = None
) -> list[tuple[str, str | None]]:
    """Find the strain in a file: names of channels, and the detectors requested for them."""
    asked = dict(dataset) if isinstance(dataset, Mapping) else {ifo: dataset}
    for name in asked.values():
        if name is not None and (not isinstance(name, str) or not name):
            raise ValueError(f"dataset={dataset!r} must be the name of a data set or channel.")
    if is_frame(path):
        if isinstance(dataset, str) and ifo_of_channel(dataset):
            return [(dataset, None)]
        kind, names = "channel", _list_frame(path)
    else:
        kind, wanted = "data set", {name or GWOSC for name in asked.values()}
        with open_hdf5(path) as file:
            names = [name for name in sorted(wanted) if has_dataset(file, name)]
            if len(names) < len(wanted):
                names = list(dict.fromkeys(names + list_datasets(file)))
    found = [(name, key) for key, part in asked.items() for name in _match(names, part, key)]
    if not found and isinstance(dataset, Mapping):
        found = [(name, None) for name in _match(names, None, None)]
    if found:
        return found
    listed = shorten(map(repr, names)) or "none"
    if isinstance(dataset, str):
        raise ValueError(f"{str(path)!r} has no {kind} {dataset!r}. It has {listed}.")
    if not names:
        raise ValueError(f"{str(path)!r} is not a strain file: it has no {kind}.")
    raise ValueError(
        f"{str(path)!r} has {len(names)} {kind}s: pass one of them as dataset=, such as {listed}."
    )


def _match(names: list[str], wanted: str | None, ifo: str | None) -> list[str]:
    # None is the strain of GWOSC, the only name, or the only one apart from detectors.
    if wanted is None and (GWOSC in names or len(names) == 1):
        return [GWOSC] if GWOSC in names else names
    if wanted in names:
        return [wanted]
    found = [
        name
        for name in names
        if ifo_of_channel(name)
        and ifo in (None, ifo_of_channel(name))
        and wanted in (None, _without_ifo(name))
    ]
    return found if len({_without_ifo(name) for name in found}) == 1 else []


def ifo_of_channel(name: str) -> str:
    """Detector of a channel such as ``H1:GDS-CALIB_STRAIN``, empty if it does not name one."""
    match = re.match(r"([A-Z]\d):", name.rpartition("/")[2])
    return match[1] if match else ""


def _without_ifo(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[2]


def is_frame(path: Path) -> bool:
    """Whether a file is a frame file. Raises an error if it cannot be a strain file."""
    if not path.exists():
        raise FileNotFoundError(f"{str(path)!r} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder: pass a file in it.")
    if path.stat().st_size == 0:
        raise ValueError(f"{str(path)!r} is empty.")
    with open(path, "rb") as stream:
        begin = stream.read(len(_HDF5_START))
    suffix = path.suffix.lower()
    if begin.startswith(_FRAME_START) or suffix == ".gwf":
        return True
    # HDF5 may start after a user block, so its suffix counts, too.
    if begin != _HDF5_START and suffix not in _HDF5_SUFFIXES:
        raise ValueError(f"{str(path)!r} is not a strain file: neither HDF5 nor a frame (.gwf).")
    return False


def _list_frame(path: Path) -> list[str]:
    import_extra("gwpy", "Reading frame files", "gwpy")
    from gwpy.io.gwf import get_channel_names

    try:
        return list(get_channel_names(str(path)))
    except Exception as error:
        hint = "(pass one as dataset= to read it without a list)"
        raise frame_error(error, f"The list of channels of {str(path)!r} {hint}") from error


def frame_error(error: Exception, what: str) -> Exception:
    """Convert an error of the libraries that read frame files."""
    if isinstance(error, ImportError):
        return ImportError(f"gwpy needs a library for frame files ({error}): pip install lalsuite")
    # Each library raises its own types of errors.
    return ValueError(f"{what} cannot be read: {error}")
