"""Decoded views on disk: written once, memory-mapped afterwards."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ._scan import PictureFile

# Caches of another format are replaced. Increase it if pictures are decoded to other numbers than
# before, or if the layout of the sidecar changes.
FORMAT = 1
_STALE_AFTER = 24 * 3600.0

Row = tuple[PictureFile | None, ...]


@dataclass
class CachedViews:
    """Content of a cache.

    Attributes
    ----------
    array : memmap of shape (n, n_views, height, width), dtype uint8
    rows : list of tuple
        Files that each row of ``array`` was decoded from, None for a missing view.
    broken : dict
        Why a file could not be decoded.
    """

    array: np.ndarray
    rows: list[Row]
    broken: dict[PictureFile, str]


class ViewCache:
    """Cache of one folder that is read with one set of parameters.

    A ``.json`` sidecar names the ``.npy`` file that belongs to it. The array is put in place
    first, and the sidecar is then replaced in one step: readers find the old pair or the new
    one, even with several writers and after interruptions.

    Parameters
    ----------
    directory : pathlib.Path
        Folder of the two files. Created if necessary.
    key : str
        Name of the files, different for each set of parameters.
    item_shape : tuple of (n_views, height, width)
    """

    def __init__(self, directory: Path, key: str, item_shape: tuple[int, ...]):
        self.directory = directory
        self.key = key
        self.item_shape = item_shape
        self.sidecar = directory / f"{key}.json"

    def load(self) -> CachedViews | None:
        """Open the cache, or return None if there is none or it is damaged."""
        try:
            content = json.loads(self.sidecar.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                return None
            array = np.load(self.directory / content["array"], mmap_mode="r", allow_pickle=False)
            rows = [
                tuple(None if file is None else PictureFile(*file) for file in row)
                for row in content["rows"]
            ]
            broken = {PictureFile(*file): reason for file, reason in content["broken"]}
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            # Absent, damaged, or being replaced by another process.
            return None
        if array.dtype != np.uint8 or array.shape != (len(rows), *self.item_shape):
            return None
        return CachedViews(array, rows, broken)

    def new_file(self) -> Path:
        """Return a unique path for a new array."""
        self.directory.mkdir(parents=True, exist_ok=True)
        return self.directory / f"{self.key}-{uuid.uuid4().hex}.npy.tmp"

    def publish(self, made: Path, rows: list[Row], broken: dict[PictureFile, str]) -> np.ndarray:
        """Make a complete array the cache, and open it.

        If that fails with an OSError, the array keeps its temporary name.
        """
        final = made.with_suffix("")
        content = {
            "format": FORMAT,
            "array": final.name,
            "rows": rows,
            "broken": list(broken.items()),
        }
        previous = self._array_name()
        draft = final.with_suffix(".json.tmp")
        try:
            draft.write_text(json.dumps(content), encoding="utf-8")
            os.replace(made, final)
            # Opened before the sidecar names it, so that no other process removes it.
            array = np.load(final, mmap_mode="r", allow_pickle=False)
            os.replace(draft, self.sidecar)
        except OSError:
            if final.exists():
                os.replace(final, made)
            raise
        finally:
            draft.unlink(missing_ok=True)
        # The replaced array goes, and files of interrupted processes. Others may be in use:
        # only files that have not changed for a day count as such.
        with contextlib.suppress(OSError):
            for path in self.directory.glob(f"{self.key}-*"):
                stale = time.time() - path.stat().st_mtime > _STALE_AFTER
                if path.name != final.name and (stale or path.name == previous):
                    path.unlink()
        return array

    def _array_name(self) -> str | None:
        try:
            return str(json.loads(self.sidecar.read_text(encoding="utf-8"))["array"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


class RowSink:
    """Rows of an array that are appended one by one, to a file or in memory.

    If the file cannot be written, a warning says so and the rows are kept in memory. Rows are
    written with plain writes: a full disk is then an error, whereas it kills a process that writes
    through a memory map.

    Parameters
    ----------
    max_rows : int
        Largest number of rows.
    item_shape : tuple of int
        Shape of a row.
    path : pathlib.Path or None
        File to write to. None keeps the rows in memory.
    """

    def __init__(self, max_rows: int, item_shape: tuple[int, ...], path: Path | None):
        self.max_rows = max_rows
        self.item_shape = item_shape
        self.path = path
        self.n_rows = 0
        self._memory: np.ndarray | None = None
        self._stream: io.FileIO | None = None
        self._offset = 0
        if path is None:
            self._memory = self._new_memory()
            return
        try:
            self._stream = open(path, "w+b", buffering=0)  # noqa: SIM115 (closed in close)
            self._offset = self._write_header(max_rows)
        except OSError as error:
            self._move_to_memory(error)

    def append(self, row: np.ndarray) -> None:
        """Append a row."""
        if self._stream is not None:
            try:
                _write_all(self._stream, np.ascontiguousarray(row).data.cast("B"))
            except OSError as error:
                self._move_to_memory(error)
        if self._memory is not None:
            self._memory[self.n_rows] = row
        self.n_rows += 1

    def finish(self) -> Path | None:
        """Complete the file and return its path, or None if the rows are in memory."""
        if self._stream is None:
            return None
        try:
            if self._write_header(self.n_rows) != self._offset:
                raise OSError("the header of the array has another length")
            os.fsync(self._stream.fileno())
        except OSError as error:
            self._move_to_memory(error)
            return None
        self._stream.close()
        self._stream = None
        return self.path

    def array(self) -> np.ndarray:
        """All rows, in memory."""
        if self._memory is None:
            assert self.path is not None
            return np.load(self.path)
        return self._memory[: self.n_rows]

    def close(self) -> None:
        """Close the file, and remove it if it still has its temporary name."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _new_memory(self) -> np.ndarray:
        return np.zeros((self.max_rows, *self.item_shape), dtype=np.uint8)

    def _write_header(self, n_rows: int) -> int:
        """Write the .npy header and return its length, which is the same for all numbers."""
        assert self._stream is not None
        self._stream.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (n_rows, *self.item_shape)}
        np.lib.format.write_array_header_1_0(self._stream, header)
        return self._stream.tell()

    def _move_to_memory(self, error: OSError) -> None:
        """Read the written rows back, and continue without the file."""
        warn_no_cache(error)
        self._memory = self._new_memory()
        if self._stream is not None and self.n_rows:
            self._stream.seek(self._offset)
            written = self._memory[: self.n_rows].data.cast("B")
            while written:
                n_read = self._stream.readinto(written)
                if not n_read:
                    raise OSError(f"{self.path} is shorter than what was written to it") from error
                written = written[n_read:]
        self.close()


def warn_no_cache(error: OSError) -> None:
    """Warn that the views are kept in memory, and why."""
    warnings.warn(
        f"The decoded views cannot be cached ({error}), so they are kept in memory and will be "
        "decoded again by the next call. Pass a folder with free space as cache=, or set "
        "SKGLITCH_HOME.",
        UserWarning,
        stacklevel=2,
    )


def _write_all(stream: io.FileIO, content: Any) -> None:
    # An unbuffered write may write a part only.
    while content:
        content = content[stream.write(content) :]
