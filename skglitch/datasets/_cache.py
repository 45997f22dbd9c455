"""Parallel decoding of pictures, with a memory-mapped cache on disk."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from ._scan import Glitch, PictureFile

# Caches of another format are replaced. Increase it if decoded values or the layout of the sidecar
# change.
FORMAT = 2
_STALE_AFTER = 24 * 3600.0
_PROGRESS_AFTER = 2.0  # s

Row = tuple[PictureFile | None, ...]


@dataclass
class CachedViews:
    """Decoded views, the files of each row (None for a missing view), and why files are broken."""

    array: np.ndarray
    rows: list[Row]
    broken: dict[PictureFile, str]


class ViewCache:
    """Cache of one folder read with one set of parameters: a .json sidecar and its .npy file."""

    def __init__(self, directory: Path, key: str, item_shape: tuple[int, ...]):
        self.directory = directory
        self.key = key
        self.item_shape = item_shape
        self.sidecar = directory / f"{key}.json"

    def load(self) -> CachedViews | None:
        """Open the cache, or return None if there is none or it is damaged."""
        try:
            content = json.loads(self.sidecar.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                return None
            array = np.load(self.directory / content["array"], mmap_mode="r", allow_pickle=False)
            rows = [
                tuple(None if file is None else PictureFile(*file) for file in row)
                for row in content["rows"]
            ]
            broken = {PictureFile(*file): reason for file, reason in content["broken"]}
        except Exception:
            # Absent, being replaced by another process, or damaged.
            return None
        if array.dtype != np.uint8 or array.shape != (len(rows), *self.item_shape):
            return None
        return CachedViews(array, rows, broken)

    def new_array(self, n_rows: int) -> Path:
        """Create a file of zeros for :meth:`publish`, and return its path."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / f"{self.key}-{uuid.uuid4().hex}.npy.tmp"
        try:
            with open(path, "wb") as stream:
                write_header(stream, "|u1", (n_rows, *self.item_shape))
                # Not a sparse file: a full disk is an error here, but kills users of memory maps.
                for _ in range(n_rows):
                    stream.write(bytes(math.prod(self.item_shape)))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path

    def publish(self, made: Path, rows: list[Row], broken: dict[PictureFile, str]) -> np.ndarray:
        """Make the first ``len(rows)`` rows of a new array the cache, and open it."""
        with open(made, "r+b") as stream:
            write_header(stream, "|u1", (len(rows), *self.item_shape))
            stream.truncate(stream.tell() + len(rows) * math.prod(self.item_shape))
            os.fsync(stream.fileno())
        final = made.with_suffix("")
        content = {
            "format": FORMAT,
            "array": final.name,
            "rows": rows,
            "broken": list(broken.items()),
        }
        previous = None
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            previous = json.loads(self.sidecar.read_text(encoding="utf-8"))["array"]
        # The array, then the sidecar that names it: readers find the old pair or the new one.
        draft = final.with_suffix(".json.tmp")
        try:
            draft.write_text(json.dumps(content), encoding="utf-8")
            os.replace(made, final)
            # Opened before the sidecar names it, so that no other process removes it.
            array = np.load(final, mmap_mode="r", allow_pickle=False)
            os.replace(draft, self.sidecar)
        except OSError:
            if final.exists():
                os.replace(final, made)
            raise
        finally:
            draft.unlink(missing_ok=True)
        # Remove the replaced array, and files that have not changed for a day, which interrupted
        # processes left behind. Others may be in use.
        with contextlib.suppress(OSError):
            for path in self.directory.glob(f"{self.key}-*"):
                stale = time.time() - path.stat().st_mtime > _STALE_AFTER
                if path.name != final.name and (stale or path.name == previous):
                    path.unlink()
        return array


def write_header(stream: BinaryIO, dtype: Any, shape: tuple[int, ...]) -> None:
    """Write the header of an .npy file, whose length does not depend on the number of rows."""
    stream.seek(0)
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def warn_no_cache(error: OSError) -> None:
    """Warn that the views are kept in memory, and why."""
    warnings.warn(
        f"The decoded views cannot be cached ({error}), so they are kept in memory and will be "
        "decoded again by the next call. Pass a folder with free space as cache=, or set "
        "SKGLITCH_HOME.",
        stacklevel=2,
    )


def load_views(
    folder: Path,
    glitches: list[Glitch],
    item_shape: tuple[int, int, int],
    cache: ViewCache | None,
    *,
    on_error: str,
    n_jobs: int | None,
    progress: bool,
) -> tuple[np.ndarray, dict[PictureFile, str]]:
    """Load the views of glitches without broken files, and why files are broken."""
    cached = cache.load() if cache else None
    if cached is not None:
        wanted = {file for glitch in glitches for file in glitch.files}
        broken = {file: reason for file, reason in cached.broken.items() if file in wanted}
        if broken and on_error == "raise":
            raise _broken_file(folder, *next(iter(broken.items())))
        rows = [g.files for g in glitches if broken.keys().isdisjoint(g.files)]
        if rows == cached.rows:
            return cached.array, broken

    known: dict[PictureFile, np.ndarray] = {}
    if cached is not None:
        # A plain array on the same memory: slicing a memmap returns memmaps, slowly.
        for row, views in zip(cached.rows, np.asarray(cached.array), strict=True):
            known |= {file: v for file, v in zip(row, views, strict=True) if file is not None}
    broken, rows = {}, []
    path = None
    try:
        path = cache.new_array(len(glitches)) if cache else None
    except OSError as error:
        warn_no_cache(error)
    if path is None:
        array = np.zeros((len(glitches), *item_shape), dtype=np.uint8)
    else:
        array = np.load(path, mmap_mode="r+")
    # Threads, as Pillow and numpy release the GIL most of the time.
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    # Tasks stop at an error: joblib complains if its generator is not exhausted.
    tasks = (
        delayed(_decode)(folder, glitch, item_shape, known)
        for glitch in glitches
        if not broken or on_error == "skip"
    )
    results = tqdm(
        parallel(tasks),
        total=len(glitches),
        desc="Decoding pictures",
        unit=" glitches",
        delay=_PROGRESS_AFTER,
        disable=not progress,
    )
    try:
        # Not strict, since tasks may stop; results come first to be exhausted.
        for (views, wrong), glitch in zip(results, glitches, strict=False):
            broken |= wrong
            if not wrong:
                array[len(rows)] = views
                rows.append(glitch.files)
        if broken and on_error == "raise":
            raise _broken_file(folder, *next(iter(broken.items())))
        if cache is None or path is None or not rows:
            return np.asarray(array)[: len(rows)], broken
        # Closed, since some systems do not rename open files.
        array.flush()  # type: ignore[attr-defined]
        del array
        try:
            return cache.publish(path, rows, broken), broken
        except OSError as error:
            warn_no_cache(error)
            return np.load(path)[: len(rows)], broken
    finally:
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()


def _decode(
    folder: Path,
    glitch: Glitch,
    item_shape: tuple[int, int, int],
    known: dict[PictureFile, np.ndarray],
) -> tuple[np.ndarray, dict[PictureFile, str]]:
    """Read the views of a glitch, and find out what is wrong with its files."""
    # Imported here, as cached calls do not need it.
    from ..spectrograms import PictureError, read_picture

    views = np.zeros(item_shape, dtype=np.uint8)
    broken = {}
    for view, file in zip(views, glitch.files, strict=True):
        if file in known:
            view[:] = known[file]
        elif file is not None:
            path = folder / file.name
            try:
                view[:] = read_picture(path, size=item_shape[1:])
            except PictureError as error:
                broken[file] = error.reason
    return views, broken


def _broken_file(folder: Path, file: PictureFile, reason: str) -> ValueError:
    return ValueError(f"{folder / file.name}: {reason} on_error='skip' leaves such files out.")
