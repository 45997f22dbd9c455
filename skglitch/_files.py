"""Paths, atomic writing of files, and protection against zip bombs."""

from __future__ import annotations

import contextlib
import os
import secrets
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

# The ready-made model, in the package.
PRETRAINED = Path(__file__).with_name("pretrained.skglitch")
# Zip bombs: more than these bytes, at a compression ratio that no real file reaches.
_MOST_BYTES, _MOST_EXPANDED = 1 << 22, 100


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder for downloaded data and caches.

    Parameters
    ----------
    data_home : path, default=None
        The folder. None is the environment variable ``SKGLITCH_HOME`` if it is set, else
        ``$XDG_CACHE_HOME/skglitch``, else ``~/.cache/skglitch``.

    Returns
    -------
    folder : pathlib.Path
        Absolute path. The folder is not created.

    Raises
    ------
    OSError
        If the folder starts with ``~`` and there is no home directory.

    Examples
    --------
    >>> from skglitch.datasets import get_data_home
    >>> get_data_home("/data/glitches").name
    'glitches'
    """
    if data_home is None:
        data_home = os.environ.get("SKGLITCH_HOME") or None
    if data_home is None:
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        data_home = Path(caches) / "skglitch"
    try:
        return Path(data_home).expanduser().absolute()
    except RuntimeError as error:
        # A user without a home directory, as in some containers.
        raise OSError(f"{error} Set SKGLITCH_HOME to a folder") from error


def check_path(value: Any, name: str) -> Path:
    """Return the path of one file or folder, with ``~`` expanded."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(
            f"{name}={value!r} must be one path, a string or pathlib.Path, not a "
            f"{type(value).__name__}."
        )
    return Path(value).expanduser()


def check_target(path: Any) -> Path:
    """Return the path of a file to write, in a folder that exists."""
    target = check_path(path, "path")
    if target.is_dir():
        raise IsADirectoryError(f"{str(target)!r} is a folder: pass the path of a file.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(target.parent)!r} to write to.")
    return target


def list_paths(values: Any) -> list[str | os.PathLike[str]] | None:
    """Return a path, or an iterable of paths, as a list, and None for anything else."""
    if isinstance(values, str | os.PathLike):
        return [values]
    kind = getattr(getattr(values, "dtype", None), "kind", "O")
    # Mappings, tables and open files iterate over strings that are not paths.
    is_other = isinstance(values, Mapping) or hasattr(values, "columns") or hasattr(values, "read")
    if is_other or kind not in "OUT" or not isinstance(values, Iterable):
        return None
    listed = np.ravel(values).tolist() if isinstance(values, np.ndarray) else list(values)
    return listed if all(isinstance(value, str | os.PathLike) for value in listed) else None


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` atomically when it is complete."""
    # Not tempfile, whose files only their owner may read. In the same folder, as files can only be
    # renamed within a file system.
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with aside.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def refuse_bomb(archive: zipfile.ZipFile) -> None:
    """Raise ValueError if an archive is a zip bomb."""
    members = archive.infolist()
    stored = sum(member.compress_size for member in members)
    check_expansion(sum(member.file_size for member in members), stored)


def check_expansion(n_bytes: int, n_stored: int, most: float = _MOST_EXPANDED) -> None:
    """Raise ValueError if few bytes of a file expand to too many in memory."""
    if n_bytes > _MOST_BYTES + most * n_stored:
        raise ValueError(f"its {n_stored} bytes expand to {n_bytes}")
