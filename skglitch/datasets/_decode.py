"""Pictures to arrays: many at a time, and only those that are not cached."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from ._cache import CachedViews, ViewCache, warn_no_cache
from ._scan import Glitch, PictureFile

_PROGRESS_AFTER = 2.0  # s


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
    """Load the views of glitches without broken files, from the cache as far as possible.

    Also return why files could not be decoded. With ``on_error="raise"`` these raise ValueError.
    """
    cached = cache.load() if cache else None
    if cached is not None:
        wanted = {file for glitch in glitches for file in glitch.files}
        broken = {file: reason for file, reason in cached.broken.items() if file in wanted}
        if broken and on_error == "raise":
            raise _broken_file(folder, *next(iter(broken.items())))
        rows = [g.files for g in glitches if broken.keys().isdisjoint(g.files)]
        if rows == cached.rows:
            return cached.array, broken

    known = _known_views(cached)
    broken, rows = {}, []
    path = _new_array(cache, len(glitches))
    if path is None:
        array = np.zeros((len(glitches), *item_shape), dtype=np.uint8)
    else:
        array = np.load(path, mmap_mode="r+")
    # Threads: Pillow and numpy release the GIL for most of the time.
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


def _known_views(cached: CachedViews | None) -> dict[PictureFile, np.ndarray]:
    """Return the views of an outdated cache that are still valid, by file."""
    if cached is None:
        return {}
    # A plain array on the same memory: slicing a memmap returns memmaps, slowly.
    array = np.asarray(cached.array)
    return {
        file: view
        for row, views in zip(cached.rows, array, strict=True)
        for file, view in zip(row, views, strict=True)
        if file is not None
    }


def _decode(
    folder: Path,
    glitch: Glitch,
    item_shape: tuple[int, int, int],
    known: dict[PictureFile, np.ndarray],
) -> tuple[np.ndarray, dict[PictureFile, str]]:
    """Read the views of a glitch, and find out what is wrong with its files."""
    # Imported here: a call that the cache answers decodes nothing and does not need it.
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


def _new_array(cache: ViewCache | None, n_rows: int) -> Path | None:
    if cache is None:
        return None
    try:
        return cache.new_array(n_rows)
    except OSError as error:
        warn_no_cache(error)
        return None
