"""Which files of a folder are new and complete."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SUFFIXES = (".hdf5", ".hdf", ".h5", ".gwf")
# A file is read when it has not changed for this long in s, and given up after the second.
_SETTLED, _PATIENCE = 1.0, 10.0
_GPS = re.compile(r"\d{9,10}")


@dataclass
class _File:
    state: tuple[int, int]
    # On the clock of time.monotonic, which never jumps.
    since: float
    given_up: bool = False


class Arrivals:
    """Strain files of a folder that are not done yet."""

    def __init__(self, folder: Path, done: set[str], say: Callable[[str], None]) -> None:
        self.folder, self.done, self.say = folder, done, say
        self._files: dict[str, _File] = {}

    def look(self) -> list[str]:
        """Names of files that seem complete, in order of the GPS time in their names."""
        found = {}
        for entry in os.scandir(self.folder):
            if entry.name.lower().endswith(_SUFFIXES) and entry.name[0] not in "._":
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue
                found[entry.name] = status.st_size, status.st_mtime_ns
        for name in self._files.keys() - found.keys():
            self.say(f"{name} was removed before it was read.")
            del self._files[name]
        now = time.monotonic()
        for name in found.keys() - self.done:
            if name not in self._files or self._files[name].state != found[name]:
                # The clock of a file server may be ahead.
                age = abs(time.time() - found[name][1] / 1e9)
                self._files[name] = _File(found[name], now - age)
        ready = [
            name
            for name, file in self._files.items()
            if not file.given_up and now - file.since >= _SETTLED
        ]
        return sorted(ready, key=_order)

    def end(self, name: str) -> None:
        """Note that a file is done."""
        self.done.add(name)
        self._files.pop(name, None)

    def fail(self, name: str, error: Exception) -> None:
        """Note that a file could not be read, and say so once it has stopped changing."""
        file = self._files[name]
        if time.monotonic() - file.since >= _PATIENCE:
            file.given_up = True
            self.say(f"{error} It is skipped unless it changes.")

    @property
    def are_pending(self) -> bool:
        """Whether there are files that may become complete soon."""
        return not all(file.given_up for file in self._files.values())


def _order(name: str) -> tuple[float, str]:
    match = _GPS.search(name)
    return int(match[0]) if match else math.inf, name
