"""Pictures to arrays: many at a time, and only those that the cache has not got."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from ._cache import CachedViews, RowSink, ViewCache, warn_no_cache
from ._scan import Glitch, PictureFile

_PROGRESS_AFTER = 2.0  # s


class Reader:
    """Decodes glitches, several at a time.

    Parameters
    ----------
    folder : pathlib.Path
        That the names of the files are relative to.
    item_shape : tuple of (n_views, height, width)
        Shape of the views of one glitch.
    n_jobs : int or None
        Number of threads, as joblib counts.
    progress : bool
        Whether to show a bar if it takes long.
    """

    def __init__(
        self, folder: Path, item_shape: tuple[int, int, int], n_jobs: int | None, progress: bool
    ):
        self.folder = folder
        self.item_shape = item_shape
        self.n_jobs = n_jobs
        self.progress = progress
        self.stopped = False

    def read(
        self, glitches: list[Glitch], known: dict[PictureFile, np.ndarray]
    ) -> Iterator[tuple[np.ndarray, dict[PictureFile, str]]]:
        """Yield the views of each glitch and what is wrong with its files, in order."""
        # Threads: nearly all the time goes into Pillow and numpy, which work side by side,
        # and there is nothing to start up and nothing to send back and forth.
        parallel = Parallel(n_jobs=self.n_jobs, prefer="threads", return_as="generator")
        # What stops early stops here: to leave a running generator makes joblib complain.
        tasks = (delayed(self._read_one)(g, known) for g in glitches if not self.stopped)
        yield from tqdm(
            parallel(tasks),
            total=len(glitches),
            desc="Decoding pictures",
            unit=" glitches",
            delay=_PROGRESS_AFTER,
            disable=not self.progress,
        )

    def _read_one(
        self, glitch: Glitch, known: dict[PictureFile, np.ndarray]
    ) -> tuple[np.ndarray, dict[PictureFile, str]]:
        # Imported here: a call that the cache answers decodes nothing and needs none of it.
        from ..spectrograms._pictures import PictureError, read_picture

        views = np.zeros(self.item_shape, dtype=np.uint8)
        broken = {}
        for view, file in zip(views, glitch.files, strict=True):
            if file is None:
                continue
            if file in known:
                view[:] = known[file]
                continue
            path = self.folder / file.name
            try:
                view[:] = read_picture(path, size=self.item_shape[1:])
            except PictureError as error:
                broken[file] = str(error).removeprefix(f"{path}: ")
        return views, broken


def load_views(
    reader: Reader, glitches: list[Glitch], store: ViewCache | None, on_error: str
) -> tuple[np.ndarray, dict[PictureFile, str]]:
    """Get the views of glitches, from the cache as far as it goes.

    Parameters
    ----------
    reader : Reader
    glitches : list of Glitch
    store : ViewCache or None
        None keeps the views in memory.
    on_error : {"raise", "skip"}

    Returns
    -------
    views : ndarray of shape (n, n_views, height, width), dtype uint8
        Of the glitches none of whose files is broken, in their order.
    broken : dict
        What is wrong with the broken files.

    Raises
    ------
    ValueError
        If a file is broken and ``on_error="raise"``.
    """
    cached = store.load() if store else None
    known_broken: dict[PictureFile, str] = {}
    if cached is not None:
        wanted = {file for glitch in glitches for file in glitch.files}
        known_broken = {f: reason for f, reason in cached.broken.items() if f in wanted}
        if known_broken and on_error == "raise":
            raise _broken_file(reader.folder, *next(iter(known_broken.items())))
        rows = [g.files for g in glitches if known_broken.keys().isdisjoint(g.files)]
        if rows == cached.rows:
            return cached.array, known_broken
    return _decode(reader, glitches, store, _known_views(cached), on_error)


def _known_views(cached: CachedViews | None) -> dict[PictureFile, np.ndarray]:
    """Look up which views an outdated cache still has right, by file."""
    if cached is None:
        return {}
    # Plain arrays on the same memory: slicing a memmap makes a memmap, slowly.
    array = np.asarray(cached.array)
    return {
        file: view
        for row, views in zip(cached.rows, array, strict=True)
        for file, view in zip(row, views, strict=True)
        if file is not None
    }


def _decode(
    reader: Reader,
    glitches: list[Glitch],
    store: ViewCache | None,
    known: dict[PictureFile, np.ndarray],
    on_error: str,
) -> tuple[np.ndarray, dict[PictureFile, str]]:
    broken: dict[PictureFile, str] = {}
    rows = []
    sink = RowSink(len(glitches), reader.item_shape, _new_file(store))
    try:
        # Not strict: the reader stops early at an error. It comes first to be read to its end.
        for (views, wrong), glitch in zip(reader.read(glitches, known), glitches, strict=False):
            broken |= wrong
            reader.stopped = bool(broken) and on_error == "raise"
            if not wrong:
                sink.append(views)
                rows.append(glitch.files)
        if reader.stopped:
            raise _broken_file(reader.folder, *next(iter(broken.items())))
        if not rows:
            return np.empty((0, *reader.item_shape), dtype=np.uint8), broken
        made = sink.finish()
        if made is not None and store is not None:
            try:
                return store.publish(made, rows, broken), broken
            except OSError as error:
                warn_no_cache(error)
        return sink.array(), broken
    finally:
        sink.close()


def _broken_file(folder: Path, file: PictureFile, reason: str) -> ValueError:
    return ValueError(f"{folder / file.name}: {reason} on_error='skip' leaves such files out.")


def _new_file(store: ViewCache | None) -> Path | None:
    if store is None:
        return None
    try:
        return store.new_file()
    except OSError as error:
        warn_no_cache(error)
        return None
