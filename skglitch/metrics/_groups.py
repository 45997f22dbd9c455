"""Glitches that belong together, for cross-validation and bootstrap."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval

from .._validation import validated


@validated(
    {
        "times": ["array-like"],
        "gap": [Interval(Real, 0, None, closed="left")],
        "detectors": ["array-like", None],
    }
)
def group_by_time(
    times: ArrayLike, *, gap: float, detectors: ArrayLike | None = None
) -> NDArray[np.intp]:
    """Group glitches that follow each other closely.

    Parameters
    ----------
    times : array-like of shape (n_samples,)
        GPS times in s, in any order.
    gap : float
        Glitches with no more than this many seconds between one and the next are of the
        same group.
    detectors : array-like of shape (n_samples,), default=None
        The detector of each glitch, such as ``"H1"``. Glitches of different ones are never
        of the same group. With None the times alone count.

    Returns
    -------
    groups : ndarray of shape (n_samples,), dtype=intp
        The number of each glitch's group, from 0 on in the order of their first times.

    Raises
    ------
    ValueError
        If `times` are no finite numbers, one a glitch, `gap` is negative, or lengths differ.

    See Also
    --------
    paired_bootstrap : Takes the groups for an interval.
    sklearn.model_selection.StratifiedGroupKFold : Takes them for cross-validation.
    sklearn.model_selection.TimeSeriesSplit : Train on what came before.

    Notes
    -----
    Scattered light comes in arches a few seconds apart, and other glitches while the ground
    shakes or a line wanders. If one is learnt and its neighbor is a test sample, the test is
    easier than the future will be.

    Groups are chains: each link is at most `gap`, the whole may be much longer. Where glitches
    never pause for `gap`, all are one group; look at ``np.bincount(groups).max()``. To cut
    time into pieces of one length instead, take ``np.floor(times / length)``.

    Examples
    --------
    >>> from skglitch.metrics import group_by_time
    >>> times = [1264785164.2, 1264785166.0, 1264785300.0, 1264785167.5]
    >>> group_by_time(times, gap=10)
    array([0, 0, 1, 0])
    >>> group_by_time(times, gap=10, detectors=["H1", "L1", "L1", "H1"])
    array([0, 1, 2, 0])
    """
    seconds = np.asarray(times, dtype=np.float64)
    if seconds.ndim != 1 or len(seconds) == 0 or not np.isfinite(seconds).all():
        raise ValueError(
            f"times must hold one finite GPS time in s a glitch, got shape {seconds.shape}."
        )
    places = np.zeros(len(seconds), dtype=np.intp)
    if detectors is not None:
        names = np.asarray(detectors)
        if names.shape != seconds.shape:
            raise ValueError(f"detectors has shape {names.shape}, but times has {seconds.shape}.")
        places = np.unique(names, return_inverse=True)[1]
    order = np.lexsort((seconds, places))
    pauses = (np.diff(seconds[order]) > gap) | (np.diff(places[order]) != 0)
    starts = np.concatenate([[0], np.flatnonzero(pauses) + 1])
    # Numbered by detector so far: their first times give the order that is promised.
    rank = np.argsort(np.argsort(seconds[order][starts], kind="stable"))
    groups = np.empty(len(seconds), dtype=np.intp)
    groups[order] = np.repeat(rank, np.diff(np.append(starts, len(seconds))))
    return groups
