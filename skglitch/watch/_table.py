"""A table that grows, and a journal of what it contains."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._tables import to_json

if TYPE_CHECKING:
    import pandas as pd

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


class GrowingTable:
    """Rows in a file, or in stdout, and a line per step in a journal beside the file.

    A step is done once its line is in the journal. The line records the length of the table. On
    opening, the table is cut to the length in the last line, so a step is done as a whole or not
    at all, whenever the process is killed.

    Parameters
    ----------
    path : pathlib.Path or None
        A ``.csv`` file, or a file of JSON lines. None is stdout, without a journal.
    settings : dict
        What the rows depend on. An existing table must have been written with the same.

    Attributes
    ----------
    steps : list of dict
        The steps of earlier processes.
    """

    def __init__(self, path: Path | None, settings: dict[str, Any]) -> None:
        self.path = path
        self.steps: list[dict[str, Any]] = []
        self._n_bytes = 0
        if path is None:
            return
        where = path.with_name(f"{path.name}.journal")
        if path.exists() and path.stat().st_size and not where.exists():
            raise FileExistsError(f"{str(path)!r} exists, but not its journal {where.name!r}.")
        # A process may have been killed before its first line: the table is empty then.
        self._journal = where.open("a+b", buffering=0)
        self._lock(where)
        self._journal.seek(0)
        text = self._journal.read()
        text = text[: text.rfind(b"\n") + 1]
        self._journal.truncate(len(text))
        self._rows = path.open("ab", buffering=0)
        self._read(text, settings, where)
        self._rows.truncate(self._n_bytes)

    def _lock(self, where: Path) -> None:
        try:
            if fcntl is not None:
                fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BlockingIOError(f"another process has {str(where)!r} open.") from error

    def _read(self, text: bytes, settings: dict[str, Any], where: Path) -> None:
        try:
            written, *self.steps = [json.loads(line) for line in text.splitlines()] or [None]
            self._n_bytes = self.steps[-1]["bytes"] if self.steps else 0
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f"{str(where)!r} is damaged: {error!r}.") from error
        if written is None:
            _write(self._journal, f"{json.dumps(settings)}\n".encode())
        elif written != settings:
            raise ValueError(f"{str(self.path)!r} was written with {written}, not {settings}.")
        n_bytes = os.fstat(self._rows.fileno()).st_size
        if n_bytes < self._n_bytes:
            raise ValueError(
                f"{str(self.path)!r} has {n_bytes} bytes, but {self._n_bytes} in {where.name!r}."
            )

    def append(self, rows: pd.DataFrame, step: dict[str, Any]) -> None:
        """Write rows and the step that they are from, or raise OSError and write neither."""
        is_csv = self.path is not None and self.path.suffix.lower() == ".csv"
        if is_csv:
            text = rows.to_csv(index=False, header=not self._n_bytes, lineterminator="\n")
        else:
            text = "".join(f"{to_json(row)}\n" for row in rows.to_dict("records"))
        if self.path is None:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        content = text.encode()
        n_bytes = self._n_bytes + len(content)
        n_journal = os.fstat(self._journal.fileno()).st_size
        try:
            _write(self._rows, content)
            _write(self._journal, f"{json.dumps({**step, 'bytes': n_bytes})}\n".encode())
        except OSError as error:
            self._journal.truncate(n_journal)
            self._rows.truncate(self._n_bytes)
            raise OSError(
                f"{str(self.path)!r} cannot be written ({error.strerror}). It is complete up to "
                "the file before, and the next start goes on from there."
            ) from error
        self._n_bytes = n_bytes


def _write(file: Any, content: bytes) -> None:
    """Write all of it to a file without a buffer, and to the disk."""
    while content:
        content = content[file.write(content) :]
    os.fsync(file.fileno())
