"""When clusters began: which glitches can tell, and what they tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ._messages import say

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..discovery import OnsetTable
    from ._discovery import Glitches

# Where nobody tells what was observed, it takes glitches at so many times.
_LEAST_TIMES = 2


def check_observing(segments: Any, runs: Any) -> None:
    """Refuse segments and runs that :func:`skglitch.discovery.onset` would refuse for any glitch.

    Parameters
    ----------
    segments, runs : object
        As in :func:`skglitch.discovery.onset`.

    Raises
    ------
    ValueError
        If they are not pairs in order, or overlap.
    """
    from ..discovery._onset_time import check_runs, check_segments

    if runs is not None:
        check_runs(runs)
    if isinstance(segments, Mapping):
        for detector in segments:
            check_segments(segments, detector)
    elif segments is not None:
        check_segments(segments)


def rows_with_onsets(glitches: Glitches, segments: Any, runs: Any) -> NDArray[np.bool_]:
    """Choose the glitches that tell when clusters began, and say how many others have a time.

    Those that are there to tell what is known only do not count: they may be from another time.

    Parameters
    ----------
    glitches : Glitches
    segments, runs : object
        As in :func:`skglitch.discovery.onset`.

    Returns
    -------
    rows : ndarray of shape (n,), dtype bool

    Raises
    ------
    ValueError
        If segments lack a detector, or segments and runs have none of the times.
    """
    from ..discovery._onset_time import check_runs, run_of

    rows = np.isfinite(glitches.gps) & ~glitches.is_reference
    is_asked_for = segments is not None or runs is not None
    if not rows.any():
        if is_asked_for:
            say("No glitch has a GPS time, so there are no onsets: --times takes a table of them.")
        return rows
    notes = []

    def leave_out(which: NDArray[np.bool_], why: str) -> None:
        if which.any():
            notes.append(f"Onsets leave out {which.sum()} glitches {why}.")
            rows[which] = False

    is_nameless = glitches.ifo == ""
    if isinstance(segments, Mapping):
        leave_out(rows & is_nameless, "without a detector, as --segments are those of detectors")
    elif (rows & is_nameless).any() and (rows & ~is_nameless).any():
        n_nameless = int((rows & is_nameless).sum())
        notes.append(f"{n_nameless} glitches without a detector have onsets of their own.")
    spans: dict[str, Any] = {"": None}
    if runs is not None:
        spans = dict(check_runs(runs))
        outside = rows & (run_of(glitches.gps, spans) < 0)
        leave_out(outside, f"in none of the runs {', '.join(spans)}")
    for number, (run, span) in enumerate(spans.items()):
        in_run = rows.copy()
        if span is not None:
            in_run &= run_of(glitches.gps, spans) == number
        for detector in np.unique(glitches.ifo[in_run]).tolist():
            here = in_run & (glitches.ifo == detector)
            name = (f" of {detector}" if detector else "") + (f" in {run}" if run else "")
            told, why = _told(glitches.gps[here], detector, segments, span)
            left_out = here.copy()
            left_out[here] = ~told
            leave_out(left_out, f"{name.strip()} {why}".strip())
    if is_asked_for and not rows.any():
        raise ValueError(" ".join(["No glitch is left for onsets.", *notes]))
    for note in notes:
        say(note)
    return rows


def _told(
    times: NDArray[np.float64], detector: str, segments: Any, span: tuple[float, float] | None
) -> tuple[NDArray[np.bool_], str]:
    """Tell which glitches of a detector and a run can be used, and why the others cannot."""
    from ..discovery._onset_time import Livetime, check_segments

    if segments is None:
        enough = len(np.unique(times)) >= _LEAST_TIMES
        return np.full(len(times), enough), "at one time, as there are no --segments"
    livetime = Livetime(check_segments(segments, detector, span))
    return livetime.has(times), "that are in none of its segments"


def find_onsets(
    glitches: Glitches,
    rows: NDArray[np.bool_],
    clusters: NDArray[np.intp],
    segments: Any,
    runs: Any,
    seed: int,
) -> OnsetTable | None:
    """Tell when each cluster began.

    Parameters
    ----------
    glitches : Glitches
    rows : ndarray of shape (n,), dtype bool
        Of :func:`rows_with_onsets`.
    clusters : ndarray of shape (n,)
        -1 for none.
    segments, runs : object
        As in :func:`skglitch.discovery.onset`.
    seed : int

    Returns
    -------
    onsets : OnsetTable or None
        None where no glitch in a cluster can tell.
    """
    from ..discovery import onset

    if (clusters[rows] < 0).all():
        return None
    ifo = glitches.ifo[rows]
    return onset(
        glitches.gps[rows],
        clusters[rows],
        detectors=ifo if (ifo != "").any() else None,
        segments=segments,
        runs=runs,
        random_state=seed,
    )
