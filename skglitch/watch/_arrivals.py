"""New and complete files in a folder."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SUFFIXES = (".hdf5", ".hdf", ".h5", ".gwf")
# A file is read when it has not changed for the first time in s, and given up after the second.
_SETTLED, _PATIENCE = 0.1, 10.0
_GPS = re.compile(r"\d{9,10}")
_SPAN = re.compile(r"-(\d{9,10})-(\d+)\.\w+$")


@dataclass
class _File:
    state: tuple[int, int]
    # By time.monotonic, which never jumps.
    since: float
    given_up: bool = False


class Arrivals:
    """Strain files in a folder that were not processed yet.

    With a speed, recorded files arrive as in a replay that is faster by this factor.
    """

    def __init__(
        self, folder: Path, done: set[str], say: Callable[[str], None], speed: float | None = None
    ) -> None:
        self.folder, self.done, self.say, self.speed = folder, done, say, speed
        # Time of the first look, and the GPS time then in a replay.
        self.began, self._gps = math.inf, 0.0
        self._files: dict[str, _File] = {}

    def look(self) -> list[str]:
        """Names of files that seem complete, in order of the GPS time in their names."""
        found = {}
        for entry in os.scandir(self.folder):
            is_strain = entry.name.lower().endswith(_SUFFIXES) and entry.name[0] not in "._"
            if is_strain and entry.name not in self.done:
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue
                found[entry.name] = status.st_size, status.st_mtime_ns
        for name in self._files.keys() - found.keys():
            self.say(f"{name} was removed before it was read.")
            del self._files[name]
        now = time.monotonic()
        if now < self.began:
            self.began = now
            self._gps = min((_span(name)[0] for name in found), default=0.0) if self.speed else 0.0
        for name, state in found.items():
            if name not in self._files or self._files[name].state != state:
                self._files[name] = _File(state, self._since(name, state[1] / 1e9))
        ready = [
            name
            for name, file in self._files.items()
            if not file.given_up and now - file.since >= _SETTLED
        ]
        return sorted(ready, key=_order)

    def _since(self, name: str, changed: float) -> float:
        """Time of the last change of a file, by time.monotonic."""
        if self.speed:
            return self.began + (_span(name)[1] - self._gps) / self.speed
        # The clock of a file server may be ahead, and any clock may jump.
        return time.monotonic() - abs(time.time() - changed)

    def waited(self, name: str) -> float | None:
        """Time in s since a file arrived, None if it was there at the start."""
        since = self._files[name].since
        return time.monotonic() - since if since >= self.began else None

    def end(self, name: str) -> None:
        """Mark a file as processed."""
        self.done.add(name)
        self._files.pop(name, None)

    def fail(self, name: str, error: Exception) -> None:
        """Report a file that cannot be read, once it has stopped changing."""
        file = self._files[name]
        is_there = (self.folder / name).exists()  # look reports others
        if is_there and time.monotonic() - file.since >= _PATIENCE:
            file.given_up = True
            self.say(f"{error} It is skipped unless it changes.")

    @property
    def are_pending(self) -> bool:
        """Whether there are files that may become complete soon."""
        return not all(file.given_up for file in self._files.values())


def _order(name: str) -> tuple[float, str]:
    match = _GPS.search(name)
    return int(match[0]) if match else math.inf, name


def _span(name: str) -> tuple[int, int]:
    """GPS times of start and end in the name of a file."""
    match = _SPAN.search(name)
    if match is None:
        raise ValueError(f"A replay needs names such as H-H1_X-1126259446-32.gwf, not {name!r}.")
    return int(match[1]), int(match[1]) + int(match[2])
