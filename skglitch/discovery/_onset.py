"""When a kind of glitch began, how often it comes, and whether it still does."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp, xlogy
from sklearn.utils import check_array, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_consistent_length

from .._text import TextTable, align
from .._validation import validated
from ._clusters import NOISE

_HOUR = 3600.0
# Width of an interval for the change, as a probability.
_CREDIBLE = 0.95


@dataclass(frozen=True)
class Onset:
    """How the rate of one cluster changed, in one detector.

    Parameters
    ----------
    cluster : object
        Label of the cluster.
    detector : object
        The detector, or None where they were not told.
    n_events : int
        Number of glitches in observing time.
    rate : float
        Glitches an hour of observing time, over all of it.
    changed_at : float
        GPS time in s of the change of the rate, where it is most likely; NaN without events.
    interval : tuple of float
        GPS times in s between which the change lies with a probability of 95 %, if there is one.
    rate_before, rate_after : float
        Glitches an hour before and after that.
    p_value : float
        How often glitches of a constant rate show a change as clear, by simulation.
    active : float
        Probability of a silence as long as that at the end, at the rate after the change. A
        small one says that it has ceased.

    See Also
    --------
    onset : Compute it.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import onset
    >>> start = 1126051217
    >>> times = start + np.linspace(50_000, 100_000, 60)
    >>> record = onset(times, np.zeros(60), segments=[(start, start + 100_000)], random_state=0)[0]
    >>> record.n_events, round(record.rate, 2), record.p_value < 0.01
    (60, 2.16, True)
    """

    cluster: Any
    detector: Any
    n_events: int
    rate: float
    changed_at: float
    interval: tuple[float, float]
    rate_before: float
    rate_after: float
    p_value: float
    active: float


class OnsetTable(TextTable, tuple):
    """The records of :func:`onset`, a tuple that ``print`` shows as a table.

    Parameters
    ----------
    iterable : iterable of Onset
        The records.

    See Also
    --------
    onset : Compute them.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import onset
    >>> start = 1126051217
    >>> times = start + np.linspace(1_000, 100_000, 60)
    >>> clusters = np.repeat([0, 1], 30)
    >>> table = onset(times, clusters, segments=[(start, start + 100_000)], random_state=0)
    >>> [record.cluster for record in table if record.p_value < 0.01]
    [0, 1]
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        header = ["cluster", "detector", "events", "changed at [GPS s]", "95 % interval [GPS s]"]
        rows = [[*header, "before [1/h]", "after [1/h]", "p-value", "active"]]
        for row in self:
            rows.append(
                [
                    str(row.cluster),
                    "" if row.detector is None else str(row.detector),
                    str(row.n_events),
                    f"{row.changed_at:.0f}",
                    "{:.0f} to {:.0f}".format(*row.interval),
                    f"{row.rate_before:.3g}",
                    f"{row.rate_after:.3g}",
                    f"{row.p_value:.2g}",
                    f"{row.active:.2g}",
                ]
            )
        return align(rows, left=[0, 1])

    def to_dict(self) -> dict[str, list[Any]]:
        """Give the table as plain Python values.

        Returns
        -------
        table : dict of lists
            The fields of the records as columns, the interval as ``interval_low`` and
            ``interval_high``: fit for ``json.dump`` (but for changes of too few events, which are
            NaN) and for ``pandas.DataFrame``. ``detector`` is empty where all are taken as one.
        """
        rows = []
        for record in self:
            row = dict(vars(record))
            low, high = row.pop("interval")
            row |= {"detector": row["detector"] or "", "interval_low": low, "interval_high": high}
            rows.append(row)
        return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


@validated(
    {
        "times": ["array-like"],
        "clusters": ["array-like"],
        "detectors": ["array-like", None],
        "segments": ["array-like", dict, None],
        "n_simulations": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "least_events": [Interval(Real, 1, None, closed="left")],
    }
)
def onset(
    times: Any,
    clusters: Any,
    *,
    detectors: Any = None,
    segments: Any = None,
    least_events: int = 3,
    n_simulations: int = 999,
    random_state: Any = None,
) -> OnsetTable:
    """Tell when each cluster of glitches began, and whether it still goes on.

    The rate is taken for constant but for one change, up or down [1]_. Time that was not
    observed counts nowhere, so that a gap is not taken for silence.

    Parameters
    ----------
    times : array-like of shape (n_samples,)
        GPS times in s of the glitches.
    clusters : array-like of shape (n_samples,)
        Cluster of each. Those of -1, in no cluster, are left out.
    detectors : array-like of shape (n_samples,), default=None
        Detector of each, as "H1"; each is looked at alone. None looks at all as one.
    segments : array-like of shape (n_segments, 2) or dict of such, default=None
        GPS times in s of start and stop of the observing segments; a dict has those of each
        detector. None takes all time from the first to the last glitch of a detector, of all
        clusters, for observed.
    least_events : int, default=3
        Clusters with fewer events in a detector have a rate, and NaN for the change.
    n_simulations : int, default=999
        Number of constant rates that are simulated for the p-value, which is never below
        ``1 / (n_simulations + 1)``.
    random_state : int, RandomState instance or None, default=None
        Seed of the simulations.

    Returns
    -------
    onsets : OnsetTable of Onset
        A tuple, by detector and cluster, which prints as a table.

    Raises
    ------
    ValueError
        If lengths differ, times are not finite, segments are not pairs in order, overlap or
        lack a detector, or a glitch is outside of them.

    See Also
    --------
    NewClassFinder : Finds the clusters.

    Notes
    -----
    With n events in observing time T, m of them in the time t before a change, the logarithm of
    the likelihood of the two rates at their best is, up to a constant,
    ``m log(m / t) + (n - m) log((n - m) / (T - t))``. It is largest just before or just after
    an event, so that only these are tried. The p-value compares its largest value with that of
    as many events spread evenly: the number of events is given, so the test is exact whatever
    the rate.

    The interval is that of the posterior of the change for a uniform prior of its time and
    priors ``1 / sqrt(rate)`` of both rates, which are integrated out; between events it is
    integrated in steps.

    References
    ----------
    .. [1] A. E. Raftery, V. E. Akman, "Bayesian analysis of a Poisson process with a
       change-point", Biometrika 73, 85 (1986).

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import onset
    >>> rng = np.random.default_rng(0)
    >>> times = 1126051217 + np.sort(rng.uniform(50_000, 100_000, 60))
    >>> table = onset(
    ...     times, np.zeros(60), segments=[(1126051217, 1126151217)], random_state=0
    ... )
    >>> abs(table[0].changed_at - 1126101217) < 2000, table[0].p_value < 0.01
    (True, True)
    """
    times = check_array(times, ensure_2d=False, dtype=np.float64, input_name="times")
    clusters = column_or_1d(clusters)
    names = np.full(len(times), None) if detectors is None else column_or_1d(detectors)
    check_consistent_length(times, clusters, names)
    random_state = check_random_state(random_state)
    records = []
    for name in [None] if detectors is None else np.unique(names).tolist():
        here = np.ones(len(times), dtype=bool) if name is None else names == name
        livetime = Livetime(_segments_of(segments, name, times[here]))
        elapsed = livetime.elapsed(times[here])
        for cluster in np.unique(clusters[here]).tolist():
            if cluster == NOISE:
                continue
            events = np.sort(elapsed[clusters[here] == cluster])
            change = _change(events, livetime, int(least_events), n_simulations, random_state)
            records.append(Onset(cluster=cluster, detector=name, n_events=len(events), **change))
    return OnsetTable(records)


class Livetime:
    """Observing time: GPS times without the gaps.

    Parameters
    ----------
    segments : ndarray of shape (n_segments, 2)
        In order, without overlap.
    """

    def __init__(self, segments: NDArray[np.float64]) -> None:
        self.segments = segments
        lengths = segments[:, 1] - segments[:, 0]
        self.before = np.concatenate([[0.0], np.cumsum(lengths)])
        self.total = float(self.before[-1])

    def elapsed(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Observing time in s before GPS times, which must be in segments."""
        index = np.searchsorted(self.segments[:, 0], times, side="right") - 1
        outside = (index < 0) | (times > self.segments[index, 1])
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            raise ValueError(
                f"times: {outside.sum()} of {len(times)} glitches of a detector are in none of "
                f"its segments, the first at GPS {times[row]:.3f}."
            )
        return self.before[index] + times - self.segments[index, 0]

    def gps(self, elapsed: float) -> float:
        """GPS time at which so much has been observed."""
        index = min(
            int(np.searchsorted(self.before, elapsed, side="right")) - 1, len(self.segments) - 1
        )
        return float(self.segments[index, 0] + elapsed - self.before[index])


def _segments_of(segments: Any, detector: Any, times: NDArray[np.float64]) -> NDArray[np.float64]:
    if segments is None:
        if np.ptp(times) == 0:
            raise ValueError(
                "times: all glitches of a detector are at one time. Give segments, as there is no "
                "observing time between them."
            )
        return np.array([[times.min(), times.max()]])
    if isinstance(segments, dict):
        if detector not in segments:
            raise ValueError(f"segments lacks detector {detector!r}, it has {list(segments)}.")
        segments = segments[detector]
    pairs = np.asarray(segments, dtype=np.float64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) == 0 or not np.isfinite(pairs).all():
        raise ValueError(f"segments must be pairs of start and stop, got shape {pairs.shape}.")
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    wrong = np.flatnonzero(pairs[:, 1] <= pairs[:, 0])
    if len(wrong):
        raise ValueError(f"segments: {pairs[wrong[0]].tolist()} does not stop after its start.")
    overlap = np.flatnonzero(pairs[1:, 0] < pairs[:-1, 1])
    if len(overlap):
        i = overlap[0]
        raise ValueError(f"segments: {pairs[i].tolist()} and {pairs[i + 1].tolist()} overlap.")
    return pairs


def _change(
    events: NDArray[np.float64],
    livetime: Livetime,
    least_events: int,
    n_simulations: int,
    random_state: np.random.RandomState,
) -> dict[str, Any]:
    """Give what Onset says of sorted events in observing time."""
    n, total = len(events), livetime.total
    rate = n / total
    if n < least_events:
        silence = float(np.exp(-rate * (total - events[-1])))
        nan = float("nan")
        return {
            **{"rate": rate * _HOUR, "changed_at": nan, "interval": (nan, nan)},
            **{"rate_before": nan, "rate_after": nan, "p_value": nan, "active": silence},
        }
    gain, at, n_before = _best_change(events[None], total)
    spread = np.sort(random_state.uniform(0, total, (n_simulations, n)), axis=1)
    as_clear = np.sum(_best_change(spread, total)[0] >= gain[0])
    low, high = _interval(events, total)
    before, after = n_before[0] / at[0], (n - n_before[0]) / (total - at[0])
    # What went on at the end: after a change downwards to nothing that is the silence itself.
    current = after if n_before[0] < n else before
    return {
        "rate": rate * _HOUR,
        "changed_at": livetime.gps(at[0]),
        "interval": (livetime.gps(low), livetime.gps(high)),
        "rate_before": before * _HOUR,
        "rate_after": after * _HOUR,
        "p_value": float((1 + as_clear) / (1 + n_simulations)),
        "active": float(np.exp(-current * (total - events[-1]))),
    }


def _best_change(
    events: NDArray[np.float64], total: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Largest gain in log-likelihood over a constant rate, where, and events before.

    Parameters
    ----------
    events : ndarray of shape (n_sets, n_events)
        Sorted.
    total : float

    Returns
    -------
    gain, at, n_before : ndarray of shape (n_sets,)
    """
    n_sets, n = events.shape
    at = np.repeat(events, 2, axis=1)
    # Just before and just after each event.
    n_before = np.broadcast_to(np.repeat(np.arange(n), 2) + np.tile([0, 1], n), at.shape)
    # A single event has no rate: the less time it is given, the likelier it gets, without bound.
    allowed = (at > 0) & (at < total) & (n_before != 1) & (n - n_before != 1)
    at = np.where(allowed, at, total / 2)
    gain = (
        xlogy(n_before, n_before / at)
        + xlogy(n - n_before, (n - n_before) / (total - at))
        - xlogy(n, n / total)
    )
    gain = np.where(allowed, gain, -np.inf)
    best = gain.argmax(axis=1)
    rows = np.arange(n_sets)
    return gain[rows, best], at[rows, best], n_before[rows, best]


def _interval(
    events: NDArray[np.float64], total: float, n_steps: int = 4096
) -> tuple[float, float]:
    """Central credible interval of the time of a change."""
    # Midpoints of even steps, and of each gap between events, however short.
    edges = np.unique(np.concatenate([np.linspace(0, total, n_steps + 1), events]))
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    m = np.searchsorted(events, middle) + 0.5
    k = len(events) + 1 - m
    log_density = gammaln(m) - m * np.log(middle) + gammaln(k) - k * np.log(total - middle)
    weight = log_density + np.log(width)
    cumulative = np.exp(weight - logsumexp(weight)).cumsum()
    tail = (1 - _CREDIBLE) / 2
    low, high = np.interp([tail, 1 - tail], np.concatenate([[0], cumulative]), edges)
    return float(low), float(high)
