"""When clusters began or ended: the checks before a search, and the table after it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ._messages import say

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from ._discovery import Glitches


def check_observing(segments: Any, runs: Any) -> None:
    """Refuse segments and runs that `find_onsets` would refuse for any glitch."""
    from ..discovery import find_onsets

    find_onsets([], [], ifo=[], segments=segments, runs=runs)


def check_onsets(glitches: Glitches, segments: Any, runs: Any) -> None:
    """Print which glitches onsets leave out, before the search for clusters, which takes long.

    Parameters
    ----------
    glitches : Glitches
    segments, runs : object
        As in :func:`skglitch.discovery.find_onsets`.

    Raises
    ------
    ValueError
        If segments lack an interferometer, or segments and runs have none of the times.
    """
    rows, is_asked_for = _rows(glitches), segments is not None or runs is not None
    if not rows.any():
        if is_asked_for:
            say("No glitch has a GPS time, so there are no onsets: --times takes a table of them.")
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clusters = np.zeros(len(rows), dtype=int)
        onsets = _find(glitches, clusters, segments, runs, n_simulations=1)
    notes = [f"Onsets: {warning.message}" for warning in caught]
    n_nameless = int((glitches.ifo[rows] == "").sum())
    if 0 < n_nameless < rows.sum() and not isinstance(segments, dict):
        notes.append(f"Onsets: {n_nameless} glitches without an ifo are a group of their own.")
    if not len(onsets) and is_asked_for:
        raise ValueError(" ".join(["No glitch is left for onsets.", *notes]))
    for note in notes:
        say(note)


def tabulate_onsets(
    glitches: Glitches, clusters: ArrayLike, segments: Any, runs: Any, seed: int
) -> pd.DataFrame | None:
    """Find when each cluster began, after `check_onsets`.

    Parameters
    ----------
    glitches : Glitches
    clusters : ndarray of shape (n,)
        -1 for none.
    segments, runs : object
        As in :func:`skglitch.discovery.find_onsets`.
    seed : int

    Returns
    -------
    onsets : pandas.DataFrame or None
        None if no glitch in a cluster is in livetime.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="gps: ")
        onsets = _find(glitches, clusters, segments, runs, random_state=seed)
    return onsets if len(onsets) else None


def _find(
    glitches: Glitches, clusters: ArrayLike, segments: Any, runs: Any, **options: Any
) -> pd.DataFrame:
    from ..discovery import find_onsets

    rows = _rows(glitches)
    return find_onsets(
        glitches.gps[rows],
        np.asarray(clusters)[rows],
        ifo=glitches.ifo[rows],
        segments=segments,
        runs=runs,
        outside="warn",
        **options,
    )


def _rows(glitches: Glitches) -> NDArray[np.bool_]:
    """Glitches with a time, but not known ones, which may be from another time."""
    return np.isfinite(glitches.gps) & ~glitches.is_reference
