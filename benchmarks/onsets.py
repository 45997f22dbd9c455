"""Can the Bayesian blocks of astropy take the place of the change-point scan of find_onsets?

Series of events in a livetime of 1 are simulated with a constant rate and with a rate that begins,
ends or triples at a time between 0.2 and 0.8. The table shows the fraction of series with a change
at a false-alarm probability of 5 %. Where both the scan and "blocks + ends" find one, it shows the
median error of its time, for blocks with the nearest edge. Blocks extend from the first event to
the last. "+ ends" adds events at both ends of the livetime, so that intervals without events count.

    pip install astropy
    OMP_NUM_THREADS=1 python benchmarks/onsets.py [--series 400]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from _common import table
from astropy.stats import bayesian_blocks

from skglitch.discovery._change_point import find_change

FALSE_ALARMS = 0.05
RATES = {"constant": (1, 1), "begins": (0, 1), "ends": (1, 0), "threefold": (1, 3)}
SIZES = (5, 10, 25, 60, 200)


def simulate(name: str, n_events: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Return sorted event times and the time at which their rate changed."""
    change = rng.uniform(0.2, 0.8)
    before, after = np.array(RATES[name]) * (change, 1 - change)
    n_before = rng.binomial(n_events, before / (before + after))
    events = np.append(
        rng.uniform(0, change, n_before), rng.uniform(change, 1, n_events - n_before)
    )
    return np.sort(events), change


def scan(events: np.ndarray, seed: int) -> np.ndarray:
    change = find_change(events, 1.0, 999, np.random.RandomState(seed))
    return np.array([change.time] if change.p_value <= FALSE_ALARMS else [])


def blocks(events: np.ndarray, seed: int) -> np.ndarray:
    return bayesian_blocks(events, fitness="events", p0=FALSE_ALARMS)[1:-1]


def blocks_with_ends(events: np.ndarray, seed: int) -> np.ndarray:
    return blocks(np.concatenate([[0.0], events, [1.0]]), seed)


METHODS = {"find_onsets": scan, "blocks": blocks, "blocks + ends": blocks_with_ends}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=400, help="per rate and number of events")
    options = parser.parse_args()
    rows = []
    for number, name in enumerate(RATES):
        for n_events in SIZES:
            errors = np.full((options.series, len(METHODS)), np.nan)
            seconds = np.zeros(len(METHODS))
            for series in range(options.series):
                rng = np.random.default_rng([number, n_events, series])
                events, change = simulate(name, n_events, rng)
                for column, method in enumerate(METHODS.values()):
                    start = time.perf_counter()
                    edges = method(events, series)
                    seconds[column] += time.perf_counter() - start
                    if len(edges):
                        errors[series, column] = np.abs(edges - change).min()
            found = np.isfinite(errors)
            common = errors[found[:, [0, 2]].all(axis=1)]
            for column, method in enumerate(METHODS):
                error = np.nanmedian(common[:, column]) if len(common) and column != 1 else np.nan
                row = {"rate": name, "events": n_events, "method": method}
                row["found"] = f"{found[:, column].mean():.1%}"
                row["error"] = "" if name == "constant" or np.isnan(error) else f"{error:.4f}"
                row["ms"] = f"{1e3 * seconds[column] / options.series:.1f}"
                rows.append(row)
                print(row, flush=True)
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
