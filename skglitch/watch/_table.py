"""A table that grows, and its journal."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._files import written_whole
from .._tables import to_json

if TYPE_CHECKING:
    import pandas as pd

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


class GrowingTable:
    """Append-only table in a file, or on stdout, with a journal of steps next to the file.

    A line in the journal commits a step. It records the size of the table: bytes, or files of a
    Parquet data set. On opening, the table is truncated to the size in the last line, so that steps
    are atomic, whenever the process is killed.

    Parameters
    ----------
    path : pathlib.Path or None
        A ``.csv`` file, a ``.parquet`` folder, or a file of JSON lines. None is stdout, without a
        journal.
    settings : dict
        What the rows depend on. An existing table must have been written with the same settings.

    Attributes
    ----------
    steps : list of dict
        The steps of earlier processes.
    """

    def __init__(self, path: Path | None, settings: dict[str, Any]) -> None:
        self.path: Any = path
        self.steps: list[dict[str, Any]] = []
        self._size = 0
        self._suffix = ".jsonl" if path is None else path.suffix.lower()
        if path is None:
            return
        where = path.with_name(f"{path.name}.journal")
        if self._suffix == ".parquet":
            path.mkdir(exist_ok=True)
        else:
            path.touch()
        if self._measure() and not where.exists():
            raise FileExistsError(f"{str(path)!r} exists, but not its journal {where.name!r}.")
        # If a process was killed before its first line, the table is empty.
        self._journal = where.open("a+b", buffering=0)
        self._lock(where)
        self._journal.seek(0)
        text = self._journal.read()
        text = text[: text.rfind(b"\n") + 1]
        self._journal.truncate(len(text))
        self._read(text, settings, where)
        self._cut()

    def _lock(self, where: Path) -> None:
        try:
            if fcntl is not None:
                fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BlockingIOError(f"another process has {str(where)!r} open.") from error

    def _read(self, text: bytes, settings: dict[str, Any], where: Path) -> None:
        try:
            written, *self.steps = [json.loads(line) for line in text.splitlines()] or [None]
            self._size = self.steps[-1]["size"] if self.steps else 0
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f"{str(where)!r} is damaged: {error!r}.") from error
        if written is None:
            _write(self._journal, f"{json.dumps(settings)}\n".encode())
        elif written != settings:
            raise ValueError(f"{str(self.path)!r} was written with {written}, not {settings}.")
        if self._measure() < self._size:
            raise ValueError(f"{str(self.path)!r} is shorter than {where.name!r} says.")

    def _parts(self) -> list[Path]:
        return sorted(self.path.glob("part-*.parquet"))

    def _measure(self) -> int:
        return len(self._parts()) if self._suffix == ".parquet" else self.path.stat().st_size

    def _cut(self) -> None:
        """Remove what was not committed."""
        if self._suffix != ".parquet":
            os.truncate(self.path, self._size)
            return
        for part in [*self._parts()[self._size :], *self.path.glob(".part-*.tmp")]:
            part.unlink()

    def read(self) -> pd.DataFrame:
        """Read the rows."""
        import pandas as pd

        if self._suffix == ".csv":
            texts = {"ifo": "", "label": "", "top_5": ""}
            return pd.read_csv(self.path).fillna(texts)
        if self._suffix == ".parquet":
            return pd.read_parquet(self.path)
        if not self._size:
            return pd.DataFrame()
        return pd.read_json(self.path, lines=True, precise_float=True)

    def append(self, rows: pd.DataFrame, step: dict[str, Any]) -> None:
        """Write rows and commit their step, or raise OSError and write neither."""
        if self.path is None:
            sys.stdout.write(self._as_text(rows))
            sys.stdout.flush()
            return
        n_journal = os.fstat(self._journal.fileno()).st_size
        try:
            size = self._write_rows(rows)
            _write(self._journal, f"{json.dumps({**step, 'size': size})}\n".encode())
        except OSError as error:
            self._journal.truncate(n_journal)
            self._cut()
            raise OSError(
                f"{str(self.path)!r} cannot be written ({error.strerror}). It is complete up to "
                "the previous file, and the next start resumes from there."
            ) from error
        self._size = size

    def _write_rows(self, rows: pd.DataFrame) -> int:
        """Write rows, and return the size of the table with them."""
        if self._suffix == ".parquet":
            # The first file defines the columns.
            if len(rows) or not self._size:
                with written_whole(self.path / f"part-{self._size:08d}.parquet") as file:
                    rows.to_parquet(file, index=False)
                return self._size + 1
            return self._size
        content = self._as_text(rows).encode()
        with self.path.open("ab", buffering=0) as file:
            _write(file, content)
        return self._size + len(content)

    def _as_text(self, rows: pd.DataFrame) -> str:
        if self._suffix == ".csv":
            return rows.to_csv(index=False, header=not self._size, lineterminator="\n")
        return "".join(f"{to_json(row)}\n" for row in rows.to_dict("records"))


def _write(file: Any, content: bytes) -> None:
    """Write all content to an unbuffered file, and flush it to disk."""
    while content:
        content = content[file.write(content) :]
    os.fsync(file.fileno())
