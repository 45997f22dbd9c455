"""Onset and end of each cluster of glitches."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from .._labels import as_labels, is_labeled, sort_labels
from .._validation import check_gps, check_ifo, check_segments, find_positions, validated
from ._change_point import find_change
from ._livetime import Livetime, check_runs, find_runs

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_HOUR = 3600.0
# A cluster has ended if the probability of its final silence is below the first, and is active from
# the second on.
_ENDED, _ACTIVE = 0.01, 0.1


@validated(
    {
        "gps": ["array-like"],
        "clusters": ["array-like"],
        "ifo": ["array-like", str, None],
        "segments": ["array-like", dict, None],
        "runs": [dict, StrOptions({"LIGO"}), None],
        "min_events": [Interval(Integral, 2, None, closed="left")],
        "n_simulations": [Interval(Integral, 1, None, closed="left")],
        "outside": [StrOptions({"raise", "warn"})],
        "random_state": ["random_state"],
    }
)
def find_onsets(
    gps: ArrayLike,
    clusters: ArrayLike,
    *,
    ifo: ArrayLike | str | None = None,
    segments: ArrayLike | Mapping[str, ArrayLike] | None = None,
    runs: Mapping[str, tuple[float, float]] | Literal["LIGO"] | None = None,
    min_events: int = 3,
    n_simulations: int = 999,
    outside: Literal["raise", "warn"] = "raise",
    random_state: int | np.random.RandomState | None = None,
) -> pd.DataFrame:
    """Find when the rate of each cluster of glitches changed, and whether it is still active.

    The model is a Poisson process in livetime whose rate changes once, up or down [1]_. Gaps
    between segments do not count as silence.

    Parameters
    ----------
    gps : array-like of shape (n_samples,)
        GPS times of the glitches in s, in any order.
    clusters : array-like of shape (n_samples,)
        Cluster of each glitch, such as ``NewClassFinder.labels_``. Glitches in no cluster (-1, an
        empty string or a missing value) have no row, but count for the default `segments`.
    ifo : array-like of shape (n_samples,) or str, default=None
        Interferometer of each glitch, such as "H1". Interferometers are analyzed separately, as
        are glitches without one.
    segments : array-like of shape (n_segments, 2) or dict of str to array-like, default=None
        GPS times of the start and end of the observing segments in s, for all glitches or for
        each interferometer. By default, from its first to its last glitch in each run.
    runs : dict of str to (float, float) or "LIGO", default=None
        GPS times of the start and end of each observing run in s. Runs are analyzed separately,
        as interferometers change in between. "LIGO" is O1, O2, O3a, O3b and O4a.
    min_events : int, default=3
        The number of glitches in an interferometer and run below which a cluster has only a rate.
    n_simulations : int, default=999
        The number of simulations of a constant rate. The smallest p-value is
        ``1 / (n_simulations + 1)``.
    outside : {"raise", "warn"}, default="raise"
        Whether glitches outside of segments and runs are an error, or left out with a warning.
    random_state : int, RandomState instance or None, default=None
        The seed of the simulations.

    Returns
    -------
    onsets : pandas.DataFrame
        One row per run, interferometer and cluster, with the columns

        - `run`, `ifo`: empty where `runs` or `ifo` is None;
        - `cluster`, `n_events`;
        - `rate`: events per hour of livetime;
        - `gps`: the most likely time of the change, NaN if there is none;
        - `gps_low`, `gps_high`: the shortest 95 % credible interval that contains `gps`, for a
          uniform prior of the time and priors ``1 / sqrt(rate)``;
        - `rate_before`, `rate_after`: events per hour before and after `gps`;
        - `p_value`: probability of as clear a change if the rate is constant;
        - `p_silence`: probability of no event after the last one, at the last rate;
        - `still_active`: "no" for `p_silence` below 0.01, "yes" from 0.1 on, else "unclear";
          "unclear" with fewer than `min_events`.

    Raises
    ------
    ValueError
        If lengths differ, times are not finite GPS times, segments or runs are not pairs in
        order, overlap, or lack an interferometer, or glitches are outside of them.

    Notes
    -----
    Changes with a single event on one side are not considered, as its rate is unbounded. Events at
    the start or end of the livetime, which may define it, are not used to find the change. If fewer
    than `min_events` remain, there is no change, and the p-value is 1.

    References
    ----------
    .. [1] A. E. Raftery, V. E. Akman, "Bayesian analysis of a Poisson process with a
       change-point", Biometrika 73, 85 (1986).

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import find_onsets
    >>> start, end = 1126051217, 1126151217
    >>> gps = np.random.default_rng(0).uniform(start + 50_000, end, 60)
    >>> onsets = find_onsets(gps, np.zeros(60), segments=[(start, end)], random_state=0)
    >>> onsets[["n_events", "rate_before", "p_value", "still_active"]]
       n_events  rate_before  p_value still_active
    0        60          0.0    0.001          yes
    """
    import pandas as pd

    gps = check_gps(gps)
    if gps.ndim != 1:
        raise ValueError(f"gps must have one dimension, got shape {gps.shape}.")
    n_bad = int((~np.isfinite(gps)).sum())
    if n_bad:
        raise ValueError(f"gps is not finite for {n_bad} of {len(gps)} glitches: leave these out.")
    values = as_labels(clusters, "clusters")
    if len(values) != len(gps):
        raise ValueError(f"clusters has {len(values)} samples, but gps has {len(gps)}.")
    labeled = is_labeled(values)
    names = sort_labels({values[row] for row in np.flatnonzero(labeled)}, "clusters")
    codes = np.where(labeled, find_positions(values, names), -1)
    ifo = check_ifo("" if ifo is None else ifo, len(gps))
    generator = check_random_state(random_state)
    rows = []
    for run, name, group, livetime in _split(gps, ifo, segments, runs, outside):
        events = livetime.from_gps(gps[group])
        for code in np.unique(codes[group][codes[group] >= 0]):
            of_cluster = np.sort(events[codes[group] == code])
            rows.append(
                {"run": run, "ifo": name, "cluster": names[code]}
                | _describe(of_cluster, livetime, min_events, n_simulations, generator)
            )
    return pd.DataFrame(rows, columns=_COLUMNS)


_COLUMNS = [
    *("run", "ifo", "cluster", "n_events", "rate", "gps", "gps_low", "gps_high"),
    *("rate_before", "rate_after", "p_value", "p_silence", "still_active"),
]


def _split(
    gps: Floats, ifo: NDArray[np.str_], segments: Any, runs: Any, outside: str
) -> Iterator[tuple[str, str, NDArray[np.intp], Livetime]]:
    """Yield each run and interferometer with the rows of its glitches and its livetime."""

    def exclude(n: int, reason: str, what_to_do: str) -> None:
        message = f"gps: {n} of {len(gps)} glitches{reason}"
        if outside == "raise":
            raise ValueError(f"{message}. Leave them out, or {what_to_do}.")
        warnings.warn(f"{message} and are left out.", UserWarning, stacklevel=5)

    runs = {"": (-np.inf, np.inf)} if runs is None else check_runs(runs)
    per_ifo = isinstance(segments, Mapping)
    if per_ifo:
        segments = {name: check_segments(s, f"segments[{name!r}]") for name, s in segments.items()}
        lacking = sorted(set(ifo.tolist()) - set(segments) - {""})
        if lacking:
            raise ValueError(f"segments lacks the ifo {lacking}; it has {list(segments)}.")
    elif segments is not None:
        segments = check_segments(segments)
    of_run = find_runs(gps, runs)
    if (of_run < 0).any():
        listed = ", ".join(map(str, runs))
        exclude(int((of_run < 0).sum()), f" are in none of the runs {listed}", "add a run")
    for number, (run, span) in enumerate(runs.items()):
        for name in np.unique(ifo[of_run == number]).tolist():
            group = np.flatnonzero((of_run == number) & (ifo == name))
            title = "".join([f" of {name}" if name else "", f" in {run}" if run else ""])
            if per_ifo and name not in segments:
                exclude(len(group), f"{title} lack an ifo to find their segments", "give ifo")
                continue
            if segments is None:
                livetime = Livetime(np.array([[gps[group].min(), gps[group].max()]]))
                if livetime.total == 0:
                    exclude(len(group), f"{title} are at one time", "give segments")
                    continue
            else:
                clipped = np.clip(segments[name] if per_ifo else segments, *span)
                livetime = Livetime(clipped[clipped[:, 0] < clipped[:, 1]])
            observed = livetime.contains(gps[group])
            if not observed.all():
                n_outside = int((~observed).sum())
                exclude(n_outside, f"{title} are in none of its segments", "add segments")
            yield run, name, group[observed], livetime


def _describe(
    events: Floats,
    livetime: Livetime,
    min_events: int,
    n_simulations: int,
    random_state: np.random.RandomState,
) -> dict[str, Any]:
    """One row of the table, from sorted events in livetime."""
    n, total = len(events), livetime.total
    row = dict.fromkeys(_COLUMNS[3:], np.nan) | {"n_events": n, "rate": n / total * _HOUR}
    last_rate = n / total
    # Without events that may define the start or end of the livetime.
    inside = events[(events > 0) & (events < total)]
    if len(inside) >= min_events:
        change = find_change(inside, total, n_simulations, random_state)
        n_before = change.n_before + int(np.sum(events <= 0))
        before, after = n_before / change.time, (n - n_before) / (total - change.time)
        # With no event after the change, the last rate is 0: use the rate before.
        last_rate = after if n_before < n else before
        row |= {
            "gps": livetime.to_gps(change.time),
            "gps_low": livetime.to_gps(change.interval[0]),
            "gps_high": livetime.to_gps(change.interval[1]),
            "rate_before": before * _HOUR,
            "rate_after": after * _HOUR,
            "p_value": change.p_value,
        }
    elif n >= min_events:
        row["p_value"] = 1.0
    p_silence = float(np.exp(-last_rate * (total - events[-1])))
    is_clear = n >= min_events and not _ENDED <= p_silence < _ACTIVE
    verdict = ("yes" if p_silence >= _ACTIVE else "no") if is_clear else "unclear"
    return row | {"p_silence": p_silence, "still_active": verdict}
