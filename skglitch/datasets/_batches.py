"""Arrays written batch by batch to a folder, from which an interrupted job resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from .._files import check_path
from .._version import __version__
from ._cache import write_header


class Batches:
    """Finished batches, in memory or, with a folder, in an ``.npy`` file for each array.

    After its arrays, a batch is recorded as a line of JSON with a note. Arrays and lines of an
    unfinished batch are overwritten. The first line has the settings.
    """

    def __init__(self, n_most: int, folder: Any, settings: Mapping[str, Any]) -> None:
        self.n_most = n_most
        self.n_rows = 0
        self.notes: list[Any] = []
        self._arrays: dict[str, np.ndarray] = {}
        self._folder = None if folder is None else check_path(folder, "checkpoint")
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        # Released when this object or its process ends.
        self._lock = FileLock(self._folder / "lock", is_singleton=True)
        self._lock.acquire(timeout=0)
        self._log = self._folder / "batches.jsonl"
        self._log.touch()
        lines = self._log.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        os.truncate(self._log, len(b"".join(whole)))
        wanted = json.loads(json.dumps({"version": __version__, **settings}))
        found, *batches = [json.loads(line) for line in whole] or [None]
        if found is None:
            self._write_line(wanted)
        elif found != wanted:
            differing = [
                f"{name}={found.get(name)!r} and not {value!r}"
                for name, value in wanted.items()
                if found.get(name) != value
            ]
            raise ValueError(
                f"checkpoint={str(self._folder)!r} was made with {', '.join(differing)}: pass "
                "another folder, or delete this one."
            )
        self.n_rows = sum(n_rows for n_rows, _ in batches)
        self.notes = [note for _, note in batches]

    def append(self, note: Any, **arrays: np.ndarray) -> None:
        """Add the rows of a batch to each array."""
        n_new = max(map(len, arrays.values()), default=0)
        rows = slice(self.n_rows, self.n_rows + n_new)
        for name, values in arrays.items():
            if self._folder is not None:
                self._write_rows(self._folder / f"{name}.npy", values)
                continue
            if name not in self._arrays:
                # Allocated at once: concatenating batches at the end takes twice the memory.
                self._arrays[name] = np.empty((self.n_most, *values.shape[1:]), values.dtype)
            self._arrays[name][rows] = values
        if self._folder is not None:
            self._write_line([n_new, note])
        self.n_rows += n_new
        self.notes.append(note)

    def load(self, name: str) -> np.ndarray:
        """Return an array: a memory map if it is in a folder."""
        if self._folder is not None:
            return np.load(self._folder / f"{name}.npy", mmap_mode="r")[: self.n_rows]
        return self._arrays[name][: self.n_rows]

    def _write_rows(self, path: Path, values: np.ndarray) -> None:
        with path.open("r+b" if self.n_rows else "wb") as file:
            write_header(file, values.dtype, (self.n_rows + len(values), *values.shape[1:]))
            file.seek(self.n_rows * values[0].nbytes, os.SEEK_CUR)
            file.write(np.ascontiguousarray(values).data)
            file.flush()
            os.fsync(file.fileno())

    def _write_line(self, content: Any) -> None:
        with self._log.open("a") as file:
            file.write(json.dumps(content) + "\n")
            file.flush()
            os.fsync(file.fileno())
