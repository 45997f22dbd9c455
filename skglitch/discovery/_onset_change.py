"""One change of a rate: where it is most likely, how surely, and how clear it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, exprel, gammaln, log_expit, logsumexp, xlogy

Floats = NDArray[np.float64]

# Width of an interval for the change, as a probability.
_CREDIBLE = 0.95
# Cells that the posterior is integrated in, and the fewest of a gap between events.
_CELLS = 4096
_CELLS_OF_A_GAP = 32
# The posterior has no bound at the ends of time. From the ends up to this part of the way to an
# event, its probability goes with the square root: a millionth of that of the gap is left out.
_END = 1e-12
# An exponential that rises by less in a cell is taken for one that rises by so much.
_LEVEL = 1e-9
# So many events are drawn at a time: 8 MB, and a few times as much to look at them.
_DRAWN = 2**20


class Change(NamedTuple):
    """Where the rate of events changed.

    Attributes
    ----------
    at : float
        The most likely time.
    n_before : int
        Number of events before.
    interval : tuple of float
        The shortest interval with `at` that has the change with a probability of 95 %.
    p_value : float
        How often constant rates show a change as clear.
    """

    at: float
    n_before: int
    interval: tuple[float, float]
    p_value: float


def find_change(
    events: Floats, total: float, n_simulations: int, random_state: np.random.RandomState
) -> Change | None:
    """Find the change of a rate that is most likely.

    Parameters
    ----------
    events : ndarray of shape (n_events,)
        Sorted times after 0 and before `total`.
    total : float
        How long was observed.
    n_simulations : int
        Number of constant rates to compare with.
    random_state : RandomState
        Draws them.

    Returns
    -------
    change : Change or None
        None of fewer than two events: one has no rate.
    """
    n = len(events)
    if n < 2:
        return None
    (gain,), (at,), (n_before,) = _best_change(events[np.newaxis], total)
    as_clear, left = 0, n_simulations
    while left:
        n_sets = min(left, max(1, _DRAWN // n))
        drawn = np.sort(random_state.uniform(0, total, (n_sets, n)), axis=1)
        as_clear += int(np.sum(_best_change(drawn, total)[0] >= gain))
        left -= n_sets
    return Change(
        at=float(at),
        n_before=int(n_before),
        interval=shortest_interval(events, total, float(at)),
        p_value=(1 + as_clear) / (1 + n_simulations),
    )


def _best_change(events: Floats, total: float) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Largest gain in log-likelihood over a constant rate, where, and events before.

    Parameters
    ----------
    events : ndarray of shape (n_sets, n_events)
        Sorted, two at least.
    total : float

    Returns
    -------
    gain, at, n_before : ndarray of shape (n_sets,)
    """
    n = events.shape[1]
    at = np.repeat(events, 2, axis=1)
    # Just before and just after each event.
    before = np.repeat(np.arange(n), 2) + np.tile([0, 1], n)
    gain = xlogy(before, before / at) + xlogy(n - before, (n - before) / (total - at))
    # A single event has no rate: the less time it is given, the likelier it gets, without bound.
    gain[:, (before == 1) | (before == n - 1)] = -np.inf
    best = gain.argmax(axis=1)
    rows = np.arange(len(events))
    return gain[rows, best] - n * np.log(n / total), at[rows, best], before[best]


def shortest_interval(events: Floats, total: float, inside: float) -> tuple[float, float]:
    """Find the shortest interval that has the change with a probability of 95 %.

    Parameters
    ----------
    events : ndarray of shape (n_events,)
        Sorted times after 0 and before `total`.
    total : float
    inside : float
        A time that the interval must have in it.

    Returns
    -------
    low, high : float
    """
    posterior = _Posterior(events, total)
    at, below = posterior.at, posterior.below
    # One end where the probability is known, the other where it then has to be.
    starts = (at <= inside) & (below <= 1 - _CREDIBLE)
    ends = (at >= inside) & (below >= _CREDIBLE)
    low = np.append(at[starts], posterior.quantiles(below[ends] - _CREDIBLE))
    high = np.append(posterior.quantiles(below[starts] + _CREDIBLE), at[ends])
    low, high = np.minimum(low, inside), np.maximum(high, inside)
    best = (high - low).argmin()
    return float(low[best]), float(high[best])


class _Posterior:
    """Posterior of the time t of a change, as a cumulative distribution.

    Its density is that of Raftery and Akman, for a uniform prior of t and priors ``1 / sqrt(rate)``
    of both rates. With m of n events before, it goes between events with
    ``t**-(m + 1/2) (total - t)**-(n - m + 1/2)``, which may fall by many orders of magnitude on a
    small part of the way to the next event. As a density of ``log(t / (total - t))`` it is nearly
    an exponential, and is taken for one in each cell.

    Attributes
    ----------
    at : ndarray of shape (n_cells + 1,)
        Rising times, the borders of cells.
    below : ndarray of shape (n_cells + 1,)
        Probability that the change is before.
    """

    def __init__(self, events: Floats, total: float) -> None:
        times, counts = np.unique(events, return_counts=True)
        before = np.append(0, counts.cumsum())[:, np.newaxis]
        after = len(events) - before
        bounds = np.log(times) - np.log(total - times)
        first, last = times[0] / total * _END, (total - times[-1]) / total * _END
        bounds = np.concatenate([[np.log(first)], bounds, [-np.log(last)]])
        n_cells = max(_CELLS_OF_A_GAP, _CELLS // len(before))
        x = np.linspace(bounds[:-1], bounds[1:], n_cells + 1, axis=1)
        density = (
            gammaln(before + 0.5)
            + gammaln(after + 0.5)
            + (0.5 - before) * log_expit(x)
            + (0.5 - after) * log_expit(-x)
        )
        width, rise = np.diff(x, axis=1), np.diff(density, axis=1)
        # exprel(-r) is (1 - exp(-r)) / r: what an exponential has on average of its largest value.
        largest = np.maximum(density[:, 1:], density[:, :-1])
        mass = largest + np.log(exprel(-np.abs(rise))) + np.log(width)
        self._x, self._width, self._rise = x[:, :-1].ravel(), width.ravel(), rise.ravel()
        self._mass = np.exp(mass - logsumexp(mass)).ravel()
        self._total = total
        self.below = np.append(0.0, self._mass.cumsum())
        self.at = np.append(total * expit(self._x), total)
        # As they were given, without the rounding of logarithms.
        self.at[:-1:n_cells] = np.append(0.0, times)

    def quantiles(self, below: Floats) -> Floats:
        """Give the times before which the change is with these probabilities."""
        cell = np.searchsorted(self.below, below, side="right") - 1
        cell = np.clip(cell, 0, len(self._mass) - 1)
        part = np.clip((below - self.below[cell]) / self._mass[cell], 0, 1)
        rise = self._rise[cell]
        # From the higher end of the cell on.
        part = np.where(rise > 0, 1 - part, part)
        fall = np.maximum(np.abs(rise), _LEVEL)
        way = np.minimum(-np.log1p(part * np.expm1(-fall)) / fall, 1)
        way = np.where(rise > 0, 1 - way, way)
        return np.asarray(self._total * expit(self._x[cell] + way * self._width[cell]))
