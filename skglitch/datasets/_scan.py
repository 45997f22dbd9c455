"""Which glitches a folder of Gravity Spy pictures holds, from names and stat alone."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ._messages import shorten

_NAME = re.compile(
    r"(?P<ifo>[A-Z]\d)_(?P<id>.+)_spectrogram_(?P<duration>\d+(?:\.\d+)?)\.png", re.IGNORECASE
)
_PATTERN = "<ifo>_<id>_spectrogram_<duration>.png"
# Only PNG is read, but a picture of any kind is worth a word; a table or a text is not.
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".webp")


class PictureFile(NamedTuple):
    """A file as the cache knows it.

    Attributes
    ----------
    name : str
        Path below the data folder, with forward slashes.
    size : int
        In bytes.
    mtime_ns : int
        Time of the last change in ns.
    """

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Glitch:
    """One glitch and the files of its views, None where a view is missing."""

    label: str | None
    ifo: str
    id: str
    files: tuple[PictureFile | None, ...]

    @property
    def is_complete(self) -> bool:
        """Whether no view is missing."""
        return None not in self.files

    def lacks(self, durations: Sequence[float]) -> str:
        """Tell which views are missing."""
        pairs = zip(durations, self.files, strict=True)
        return ", ".join(f"{duration} s" for duration, file in pairs if file is None)

    def __str__(self) -> str:
        name = f"{self.ifo}_{self.id}"
        return name if self.label is None else f"{self.label}/{name}"


@dataclass
class Scan:
    """What a folder holds.

    Attributes
    ----------
    views : dict
        Files by (label, ifo, id), then by duration in s.
    problems : dict
        What is wrong, by the name of the file or glitch that is left out for it.
    labeled : bool
        Whether the pictures are in class folders.
    """

    views: dict[tuple[str, str, str], dict[float, PictureFile]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    labeled: bool = True

    @property
    def durations(self) -> Counter[float]:
        """Count how many glitches have a picture of each duration in s."""
        return Counter(duration for views in self.views.values() for duration in views)

    def glitches(self, durations: Sequence[float]) -> list[Glitch]:
        """List the glitches with their views, sorted by class, id and detector."""
        found = [
            Glitch(label if self.labeled else None, ifo, id_, tuple(map(views.get, durations)))
            for (label, ifo, id_), views in self.views.items()
        ]
        return sorted(found, key=lambda glitch: (glitch.label or "", glitch.id, glitch.ifo))


def scan_folder(folder: Path) -> Scan:
    """Group the pictures of a folder by glitch.

    Parameters
    ----------
    folder : pathlib.Path
        With a folder for each class, or with the pictures themselves.

    Returns
    -------
    scan : Scan

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    ValueError
        If it holds no Gravity Spy picture.
    """
    if not folder.exists():
        raise FileNotFoundError(f"folder={str(folder)!r} does not exist.")
    if not folder.is_dir():
        raise NotADirectoryError(f"folder={str(folder)!r} is a file: give the folder it is in.")
    scan = Scan()
    for entry in _sorted_entries(folder):
        if entry.is_dir():
            for inner in _sorted_entries(entry.path):
                _add(scan, inner, label=entry.name)
    loose = [entry for entry in _sorted_entries(folder) if not entry.is_dir()]
    if scan.views:
        for entry in loose:
            if entry.name.lower().endswith(_PICTURES):
                scan.problems[entry.name] = "lies beside the class folders, so it has no label"
    else:
        scan.labeled = False
        for entry in loose:
            _add(scan, entry, label="")
    if not scan.views:
        raise ValueError(_nothing_found(folder, scan))
    _drop_conflicts(scan)
    return scan


def _sorted_entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Entries in order of name, without the hidden ones (such as macOS's ``._`` twins)."""
    with os.scandir(folder) as entries:
        return sorted(
            (entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name
        )


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
        # A dangling link, or a file removed since the folder was listed.
        scan.problems[name] = f"cannot be read ({error.strerror})"
        return
    duration = float(match["duration"])
    views = scan.views.setdefault((label, match["ifo"].upper(), match["id"]), {})
    if duration in views:
        scan.problems[name] = f"shows the same view as {views[duration].name}"
        return
    views[duration] = PictureFile(name, stat.st_size, stat.st_mtime_ns)


def _drop_conflicts(scan: Scan) -> None:
    """Take out glitches that are in several classes: which label holds, nobody can tell."""
    labels: dict[tuple[str, str], list[str]] = {}
    for label, ifo, id_ in scan.views:
        labels.setdefault((ifo, id_), []).append(label)
    for (ifo, id_), several in labels.items():
        if len(several) > 1:
            scan.problems[f"{ifo}_{id_}"] = f"is in several classes ({', '.join(several)})"
            for label in several:
                del scan.views[label, ifo, id_]


def _nothing_found(folder: Path, scan: Scan) -> str:
    message = (
        f"folder={str(folder)!r} holds no picture named {_PATTERN}, neither in class folders "
        "nor directly."
    )
    if scan.problems:
        message += f" Left aside: {shorten(scan.problems)}."
    deeper = next((path for path in sorted(folder.glob("*/*/*")) if _fits(path)), None)
    if deeper is not None:
        message += f" Did you mean {str(deeper.parent.parent)!r}?"
    return message


def _fits(path: Path) -> bool:
    return not path.name.startswith(".") and _NAME.fullmatch(path.name) is not None
