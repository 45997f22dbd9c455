"""Decoded views on disk: written once, mapped into memory ever after."""

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

# To be raised whenever a picture would be decoded to other numbers than before, or the
# sidecar is laid out differently: caches of any other number are made anew.
FORMAT = 1
_STALE_AFTER = 24 * 3600.0

Row = tuple[PictureFile | None, ...]


@dataclass
class CachedViews:
    """A cache that was found.

    Attributes
    ----------
    array : memmap of shape (n, n_views, height, width), dtype uint8
    rows : list of tuple
        The files that each row of ``array`` was decoded from, None for a missing view.
    broken : dict
        Why files could not be decoded, by file.
    """

    array: np.ndarray
    rows: list[Row]
    broken: dict[PictureFile, str]


class ViewCache:
    """The cache of one folder read with one set of settings.

    Two files: a ``.json`` sidecar, which names the ``.npy`` that belongs to it. The array is
    put in place first and the sidecar replaced after it, in one step: whoever reads meets
    the old pair or the new one, however many write and wherever they are interrupted.

    Parameters
    ----------
    directory : pathlib.Path
        Where the two files go. Created if need be.
    key : str
        Their name, which must tell the settings apart.
    item_shape : tuple of (n_views, height, width)
    """

    def __init__(self, directory: Path, key: str, item_shape: tuple[int, ...]):
        self.directory = directory
        self.key = key
        self.item_shape = item_shape
        self.sidecar = directory / f"{key}.json"

    def load(self) -> CachedViews | None:
        """Open what there is, or return None if that is nothing or of no use."""
        try:
            content = json.loads(self.sidecar.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                return None
            array = np.load(self.directory / content["array"], mmap_mode="r", allow_pickle=False)
            rows = [_row_from_json(row) for row in content["rows"]]
            broken = {PictureFile(*file): reason for file, reason in content["broken"]}
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            # Absent, damaged, or replaced by somebody else at this very moment.
            return None
        if array.dtype != np.uint8 or array.shape != (len(rows), *self.item_shape):
            return None
        return CachedViews(array, rows, broken)

    def new_file(self) -> Path:
        """Path for an array in the making, no two of them alike."""
        self.directory.mkdir(parents=True, exist_ok=True)
        return self.directory / f"{self.key}-{uuid.uuid4().hex}.npy.tmp"

    def publish(self, made: Path, rows: list[Row], broken: dict[PictureFile, str]) -> np.ndarray:
        """Make a finished array the cache and open it.

        Raises
        ------
        OSError
            If that fails. The array then has its temporary name as before.
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
            # Opened while nobody knows of it yet and so nobody can remove it.
            array = np.load(final, mmap_mode="r", allow_pickle=False)
            os.replace(draft, self.sidecar)
        except OSError:
            if final.exists():
                os.replace(final, made)
            raise
        finally:
            draft.unlink(missing_ok=True)
        self._sweep(final.name, previous)
        return array

    def _array_name(self) -> str | None:
        """Read the name of the array that the sidecar now belongs to."""
        try:
            return str(json.loads(self.sidecar.read_text(encoding="utf-8"))["array"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _sweep(self, current: str, previous: str | None) -> None:
        """Remove the array that was replaced, and the remains of interruptions.

        Any other file may be another process's in the making: only one that nobody has
        touched for a day is taken for remains.
        """
        with contextlib.suppress(OSError):
            for path in self.directory.glob(f"{self.key}-*"):
                stale = time.time() - path.stat().st_mtime > _STALE_AFTER
                if path.name != current and (stale or path.name == previous):
                    path.unlink()


class RowSink:
    """Takes rows one by one, into a file or, where that fails, into memory.

    Rows are written with plain writes: a full disk then is an error to act upon, while
    through a memory map it would kill the process.

    Parameters
    ----------
    max_rows : int
        Upper bound of the number of rows.
    item_shape : tuple of int
        Shape of a row.
    file : pathlib.Path or None
        File to write to; None is memory from the start.
    """

    def __init__(self, max_rows: int, item_shape: tuple[int, ...], file: Path | None):
        self.max_rows = max_rows
        self.item_shape = item_shape
        self.path = file
        self.n_rows = 0
        self._memory: np.ndarray | None = None
        self._stream: io.FileIO | None = None
        self._offset = 0
        if file is None:
            self._memory = self._new_memory()
            return
        try:
            self._stream = open(file, "w+b", buffering=0)  # noqa: SIM115 (closed in close)
            self._offset = self._write_header(max_rows)
        except OSError as error:
            self._to_memory(error)

    def append(self, row: np.ndarray) -> None:
        """Take the next row."""
        if self._stream is not None:
            try:
                _write_all(self._stream, np.ascontiguousarray(row).data.cast("B"))
            except OSError as error:
                self._to_memory(error)
        if self._memory is not None:
            self._memory[self.n_rows] = row
        self.n_rows += 1

    def finish(self) -> Path | None:
        """Complete the file and return its path, or None if the rows are in memory."""
        if self._stream is not None:
            try:
                if self._write_header(self.n_rows) != self._offset:
                    raise OSError("the header of the array changed its length")
                os.fsync(self._stream.fileno())
            except OSError as error:
                self._to_memory(error)
            else:
                self._stream.close()
                self._stream = None
                return self.path
        return None

    def array(self) -> np.ndarray:
        """Rows in memory, whether they went there or to the file."""
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
        """Write the .npy header and return its length, the same for any number of rows."""
        assert self._stream is not None
        self._stream.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (n_rows, *self.item_shape)}
        np.lib.format.write_array_header_1_0(self._stream, header)
        return self._stream.tell()

    def _to_memory(self, error: OSError) -> None:
        """Read back what was written and go on without the file."""
        warn_no_cache(error)
        self._memory = self._new_memory()
        if self._stream is not None and self.n_rows:
            self._stream.seek(self._offset)
            written = self._memory[: self.n_rows].data.cast("B")
            while written:
                n_read = self._stream.readinto(written)
                if not n_read:
                    raise OSError(f"{self.path} ended before its time") from error
                written = written[n_read:]
        self.close()


def warn_no_cache(error: OSError) -> None:
    """Tell that the views stay in memory and why."""
    warnings.warn(
        f"The decoded views cannot be cached ({error}), so they are kept in memory and will be "
        "decoded again by the next call. Give a folder with room as cache=, or set SKGLITCH_HOME.",
        UserWarning,
        stacklevel=2,
    )


def _write_all(stream: io.FileIO, content: memoryview) -> None:
    # An unbuffered write may take a part only.
    while content:
        content = content[stream.write(content) :]


def _row_from_json(row: list[list[Any] | None]) -> Row:
    return tuple(None if file is None else PictureFile(*file) for file in row)
