"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that gets its name only once it is complete.

    A reader, or a crash half-way, never meets half a file, and what was there under this name
    stays until then.

    Parameters
    ----------
    path : pathlib.Path

    Yields
    ------
    file : binary file
    """
    # Not tempfile, whose files only their owner may read. The same folder, since a file can
    # only be renamed within its file system.
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with aside.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
