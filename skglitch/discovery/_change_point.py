"""The most likely change of a Poisson rate, its p-value and its credible interval.

Raftery and Akman, "Bayesian analysis of a Poisson process with a change-point", Biometrika 73, 85
(1986). benchmarks/onsets.py compares this with the Bayesian blocks of astropy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, exprel, gammaln, log_expit, logsumexp, xlogy

Floats = NDArray[np.float64]

_CREDIBLE = 0.95
# The posterior is integrated over this many cells, and at least this many per gap between events.
_CELLS, _CELLS_PER_GAP = 4096, 32
# The posterior diverges at the ends, where its integral is the square root of the distance.
# Starting at this fraction of the first gap omits a millionth of the probability of the gap.
_END = 1e-12
# Simulated events per batch: 8 MB.
_BATCH = 2**20


class Change(NamedTuple):
    """The most likely change, and the shortest 95 % credible interval that contains it."""

    time: float
    n_before: int
    interval: tuple[float, float]
    p_value: float  # of the likelihood ratio, for a constant rate


def find_change(
    events: Floats, total: float, n_simulations: int, random_state: np.random.RandomState
) -> Change:
    """Find the most likely change of the rate of two or more sorted events in (0, total)."""
    n = len(events)
    (ratio,), (time,), (n_before,) = _maximize_likelihood(events[np.newaxis], total)
    n_as_large, n_left = 0, n_simulations
    while n_left:
        n_sets = min(n_left, max(1, _BATCH // n))
        # Given their number, events of a constant rate are uniform, whatever the rate.
        simulated = np.sort(random_state.uniform(0, total, (n_sets, n)), axis=1)
        n_as_large += int(np.sum(_maximize_likelihood(simulated, total)[0] >= ratio))
        n_left -= n_sets
    return Change(
        time=float(time),
        n_before=int(n_before),
        interval=shortest_interval(events, total, float(time)),
        p_value=(1 + n_as_large) / (1 + n_simulations),
    )


def _maximize_likelihood(events: Floats, total: float) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Find the largest log-likelihood ratio to a constant rate, its time, and the events before."""
    # The ratio is largest just before or just after an event.
    n = events.shape[1]
    times = np.repeat(events, 2, axis=1)
    before = np.repeat(np.arange(n), 2) + np.tile([0, 1], n)
    log_likelihood = xlogy(before, before / times) + xlogy(
        n - before, (n - before) / (total - times)
    )
    # The likelihood of a single event is unbounded as its part of the time shrinks.
    log_likelihood[:, (before == 1) | (before == n - 1)] = -np.inf
    best = log_likelihood.argmax(axis=1)
    sets = np.arange(len(events))
    return log_likelihood[sets, best] - n * np.log(n / total), times[sets, best], before[best]


def shortest_interval(events: Floats, total: float, time: float) -> tuple[float, float]:
    """Find the shortest interval that contains `time` and 95 % of the posterior of the change."""
    posterior = Posterior(events, total)
    times, cdf = posterior.times, posterior.cdf
    # Each candidate has one end on the grid, and the other at the corresponding quantile.
    starts = (times <= time) & (cdf <= 1 - _CREDIBLE)
    ends = (times >= time) & (cdf >= _CREDIBLE)
    low = np.append(times[starts], posterior.quantiles(cdf[ends] - _CREDIBLE))
    high = np.append(posterior.quantiles(cdf[starts] + _CREDIBLE), times[ends])
    low, high = np.minimum(low, time), np.maximum(high, time)
    best = (high - low).argmin()
    return float(low[best]), float(high[best])


class Posterior:
    """Cumulative distribution of the time t of a change.

    The priors are uniform in t and 1 / sqrt(rate) for both rates. Between two events, with m of n
    before, the density is proportional to t**-(m + 1/2) (total - t)**-(n - m + 1/2), which can fall
    by many orders of magnitude in a small part of the gap. As a density of log(t / (total - t))
    it is nearly exponential, and is treated as such in each cell.

    `cdf` holds the probability that the change is before each of the sorted `times`.
    """

    def __init__(self, events: Floats, total: float) -> None:
        borders, counts = np.unique(events, return_counts=True)
        before = np.append(0, counts.cumsum())[:, np.newaxis]
        after = len(events) - before
        bounds = np.log(borders) - np.log(total - borders)
        first, last = borders[0] / total * _END, (total - borders[-1]) / total * _END
        bounds = np.concatenate([[np.log(first)], bounds, [-np.log(last)]])
        n_cells = max(_CELLS_PER_GAP, _CELLS // len(before))
        x = np.linspace(bounds[:-1], bounds[1:], n_cells + 1, axis=1)
        log_density = (
            gammaln(before + 0.5)
            + gammaln(after + 0.5)
            + (0.5 - before) * log_expit(x)
            + (0.5 - after) * log_expit(-x)
        )
        width, rise = np.diff(x, axis=1), np.diff(log_density, axis=1)
        largest = np.maximum(log_density[:, 1:], log_density[:, :-1])
        # exprel(-r) = (1 - exp(-r)) / r is the mean of an exponential relative to its maximum.
        log_mass = largest + np.log(exprel(-np.abs(rise))) + np.log(width)
        self._x, self._width, self._rise = x[:, :-1].ravel(), width.ravel(), rise.ravel()
        self._mass = np.exp(log_mass - logsumexp(log_mass)).ravel()
        self._total = total
        self.cdf = np.append(0.0, self._mass.cumsum())
        self.times = np.append(total * expit(self._x), total)
        # The exact times of the events, without rounding by logarithms.
        self.times[:-1:n_cells] = np.append(0.0, borders)

    def quantiles(self, cdf: Floats) -> Floats:
        """Find the quantiles of the time of the change."""
        cell = np.searchsorted(self.cdf, cdf, side="right") - 1
        cell = np.clip(cell, 0, len(self._mass) - 1)
        part = np.clip((cdf - self.cdf[cell]) / self._mass[cell], 0, 1)
        rise = self._rise[cell]
        # Count from the end of the cell where the density is higher.
        part = np.where(rise > 0, 1 - part, part)
        fall = np.maximum(np.abs(rise), 1e-9)  # no division by 0
        position = np.minimum(-np.log1p(part * np.expm1(-fall)) / fall, 1)
        position = np.where(rise > 0, 1 - position, position)
        return np.asarray(self._total * expit(self._x[cell] + position * self._width[cell]))
