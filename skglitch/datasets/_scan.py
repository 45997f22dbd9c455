"""Glitches in a folder of Gravity Spy pictures, by file names and stat alone."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ._parameters import shorten

_NAME = re.compile(
    r"(?P<ifo>[A-Z]\d)_(?P<id>.+)_spectrogram_(?P<duration>\d+(?:\.\d+)?)\.png", re.IGNORECASE
)
_PATTERN = "<ifo>_<id>_spectrogram_<duration>.png"
# Only PNG is read, but pictures in other formats are reported, unlike other files.
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".webp")


class PictureFile(NamedTuple):
    """A file as the cache identifies it, with its path relative to the data folder."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Glitch:
    """A glitch and the files of its views, None for a missing view."""

    label: str | None
    ifo: str
    id: str
    files: tuple[PictureFile | None, ...]

    def __str__(self) -> str:
        name = f"{self.ifo}_{self.id}"
        return name if self.label is None else f"{self.label}/{name}"


@dataclass
class Scan:
    """Content of a folder: files by (label, ifo, id) and duration in s, and what is left out."""

    views: dict[tuple[str, str, str], dict[float, PictureFile]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    labeled: bool = True

    @property
    def durations(self) -> Counter[float]:
        """Number of glitches that have a picture of each duration in s."""
        return Counter(duration for views in self.views.values() for duration in views)

    def glitches(self, durations: Sequence[float]) -> list[Glitch]:
        """Glitches with their views, sorted by class, id and detector."""
        found = [
            Glitch(label if self.labeled else None, ifo, id_, tuple(map(views.get, durations)))
            for (label, ifo, id_), views in self.views.items()
        ]
        return sorted(found, key=lambda glitch: (glitch.label or "", glitch.id, glitch.ifo))


def scan_folder(folder: Path) -> Scan:
    """Group the pictures of a folder by glitch, with or without class folders."""
    if not folder.exists():
        raise FileNotFoundError(f"folder={str(folder)!r} does not exist.")
    if not folder.is_dir():
        raise NotADirectoryError(f"folder={str(folder)!r} is a file: pass the folder it is in.")
    scan = Scan()
    entries = _sorted_entries(folder)
    for entry in entries:
        if entry.is_dir():
            for inner in _sorted_entries(entry.path):
                if inner.is_dir():
                    n_pictures = _count_pictures(inner.path)
                    if n_pictures:
                        scan.problems[f"{entry.name}/{inner.name}"] = (
                            f"has {n_pictures} pictures, but pictures must be directly in the "
                            "folder of their class"
                        )
                else:
                    _add(scan, inner, label=entry.name)
    scan.labeled = bool(scan.views)
    for entry in entries:
        if entry.is_dir():
            continue
        if not scan.labeled:
            _add(scan, entry, label="")
        elif entry.name.lower().endswith(_PICTURES):
            scan.problems[entry.name] = "is outside the class folders, so it has no label"
    if not scan.views:
        raise ValueError(_nothing_found(folder, scan))
    # The label of a glitch in several classes is unknown.
    labels: dict[tuple[str, str], list[str]] = {}
    for label, ifo, id_ in scan.views:
        labels.setdefault((ifo, id_), []).append(label)
    for (ifo, id_), several in labels.items():
        if len(several) > 1:
            scan.problems[f"{ifo}_{id_}"] = f"is in several classes ({', '.join(several)})"
            for label in several:
                del scan.views[label, ifo, id_]
    return scan


def _sorted_entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Entries sorted by name, without hidden ones, such as those of macOS."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted(visible, key=lambda entry: entry.name)


def _count_pictures(folder: str) -> int:
    """Count the pictures in a folder and its subfolders, without hidden ones."""
    count = 0
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        count += sum(n.lower().endswith(_PICTURES) and not n.startswith(".") for n in names)
    return count


def _add(scan: Scan, entry: os.DirEntry[str], label: str) -> None:
    if not entry.name.lower().endswith(_PICTURES):
        return
    name = f"{label}/{entry.name}" if label else entry.name
    match = _NAME.fullmatch(entry.name)
    if match is None:
        scan.problems[name] = f"is not named {_PATTERN}"
        return
    try:
        stat = entry.stat()
    except OSError as error:
        # A dangling link, or a file that was removed since the folder was listed.
        scan.problems[name] = f"cannot be read ({error.strerror})"
        return
    duration = float(match["duration"])
    views = scan.views.setdefault((label, match["ifo"].upper(), match["id"]), {})
    if duration in views:
        scan.problems[name] = f"shows the same view as {views[duration].name}"
        return
    views[duration] = PictureFile(name, stat.st_size, stat.st_mtime_ns)


def _nothing_found(folder: Path, scan: Scan) -> str:
    message = (
        f"folder={str(folder)!r} contains no picture named {_PATTERN}, neither in class folders "
        "nor directly."
    )
    if scan.problems:
        message += f" Not used: {shorten(scan.problems)}."
    for path in sorted(folder.glob("*/*/*")):
        if not path.name.startswith(".") and _NAME.fullmatch(path.name):
            return message + f" Did you mean {str(path.parent.parent)!r}?"
    return message
