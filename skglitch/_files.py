"""Files that are written whole or not at all, and archives that fit into the memory."""

from __future__ import annotations

import contextlib
import os
import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# Arrays hardly compress, and texts beside them to a tenth: no archive of ours expands to more.
_MOST_BYTES, _MOST_EXPANDED = 1 << 22, 20


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` only once it is complete.

    A reader never meets half a file, not even after a crash.
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


def refuse_bomb(archive: zipfile.ZipFile) -> None:
    """Raise ValueError if the members of an archive are made to fill the memory."""
    members = archive.infolist()
    expanded = sum(member.file_size for member in members)
    size = sum(member.compress_size for member in members)
    if expanded > _MOST_BYTES + _MOST_EXPANDED * size:
        raise ValueError(f"its {size} bytes expand to {expanded}")
