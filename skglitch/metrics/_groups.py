"""Groups of glitches close in time, for cross-validation and bootstrap."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval

from .._validation import check_gps, check_ifo, validated


@validated(
    {
        "gps": ["array-like"],
        "gap": [Interval(Real, 0, None, closed="left")],
        "ifo": ["array-like", None],
    }
)
def group_by_time(gps: ArrayLike, *, gap: float, ifo: ArrayLike | None = None) -> NDArray[np.intp]:
    """Group glitches that are close in time.

    A group of many glitches can be much longer than `gap`.

    Parameters
    ----------
    gps : array-like of shape (n_samples,)
        GPS times in s, in any order.
    gap : float
        The longest time in s between consecutive glitches of a group.
    ifo : array-like of shape (n_samples,), default=None
        The interferometer of each glitch, such as ``"H1"``. Glitches in different
        interferometers are never in one group. None ignores interferometers.

    Returns
    -------
    groups : ndarray of shape (n_samples,), dtype=intp
        The group of each glitch, numbered from 0 in the order of their start times.

    Raises
    ------
    ValueError
        If `gps` is not one finite number per glitch, `gap` is negative, or lengths differ.

    Examples
    --------
    >>> from skglitch.metrics import group_by_time
    >>> gps = [1264785164.2, 1264785166.0, 1264785300.0, 1264785167.5]
    >>> group_by_time(gps, gap=10, ifo=["H1", "L1", "L1", "H1"])
    array([0, 1, 2, 0])
    """
    times = check_gps(gps)
    if times.ndim != 1 or len(times) == 0:
        raise ValueError(f"gps must hold one time in s per glitch, got shape {times.shape}.")
    wrong = np.flatnonzero(~np.isfinite(times))
    if len(wrong):
        raise ValueError(
            f"gps must hold finite times in s, got {times[wrong[0]]} in row {wrong[0]}: "
            f"leave out {len(wrong)} of {len(times)} glitches."
        )
    ifo_codes = np.zeros(len(times), dtype=np.intp)
    if ifo is not None:
        ifo_codes = np.unique(check_ifo(ifo, len(times)), return_inverse=True)[1]
    order = np.lexsort((times, ifo_codes))
    is_start = (np.diff(times[order]) > gap) | (np.diff(ifo_codes[order]) != 0)
    starts = np.concatenate([[0], np.flatnonzero(is_start) + 1])
    # Groups are sorted by interferometer first.
    rank = np.argsort(np.argsort(times[order][starts], kind="stable"))
    groups = np.empty(len(times), dtype=np.intp)
    groups[order] = np.repeat(rank, np.diff(np.append(starts, len(times))))
    return groups
