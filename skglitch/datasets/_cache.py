"""Decoded views on disk: written once, memory-mapped afterwards."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ._scan import PictureFile

# Caches of another format are replaced. Increase it if pictures are decoded to other numbers than
# before, or if the layout of the sidecar changes.
FORMAT = 1
_STALE_AFTER = 24 * 3600.0

Row = tuple[PictureFile | None, ...]


@dataclass
class CachedViews:
    """Decoded views, the files of each row (None for a missing view), and why files are broken."""

    array: np.ndarray
    rows: list[Row]
    broken: dict[PictureFile, str]


class ViewCache:
    """Cache of one folder that is read with one set of parameters, which ``key`` stands for.

    A ``.json`` sidecar names its ``.npy`` file. The array is put in place first, and the sidecar is
    then replaced in one step: readers find the old pair or the new one, even with several writers.
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

    def new_array(self, n_rows: int) -> Path:
        """Create an array of zeros that :meth:`publish` can put in place, and return its path.

        They are written: a full disk is an error here, but kills processes that use memory maps.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / f"{self.key}-{uuid.uuid4().hex}.npy.tmp"
        try:
            with open(path, "wb") as stream:
                self._write_header(stream, n_rows)
                for _ in range(n_rows):
                    stream.write(bytes(math.prod(self.item_shape)))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path

    def _write_header(self, stream: BinaryIO, n_rows: int) -> None:
        """Write the .npy header, which has the same length for all numbers of rows."""
        stream.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (n_rows, *self.item_shape)}
        np.lib.format.write_array_header_1_0(stream, header)

    def publish(self, made: Path, rows: list[Row], broken: dict[PictureFile, str]) -> np.ndarray:
        """Make the first ``len(rows)`` rows of a new array the cache, and open it.

        If that fails with an OSError, the array keeps its temporary name.
        """
        with open(made, "r+b") as stream:
            self._write_header(stream, len(rows))
            stream.truncate(stream.tell() + len(rows) * math.prod(self.item_shape))
            os.fsync(stream.fileno())
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


def warn_no_cache(error: OSError) -> None:
    """Warn that the views are kept in memory, and why."""
    warnings.warn(
        f"The decoded views cannot be cached ({error}), so they are kept in memory and will be "
        "decoded again by the next call. Pass a folder with free space as cache=, or set "
        "SKGLITCH_HOME.",
        UserWarning,
        stacklevel=2,
    )
