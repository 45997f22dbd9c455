"""onset: the change by hand, its false alarms by Monte Carlo, gaps, detectors, odd data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binom

from skglitch.discovery import onset
from skglitch.discovery._onset import _interval

START = 1_126_051_217.0
DAY = [(START, START + 86_400)]


def one(times, segments=DAY, **params):
    (row,) = onset(times, np.zeros(len(times)), segments=segments, random_state=0, **params)
    return row


class TestChange:
    def test_likelihood_by_hand(self):
        elapsed = np.array([100.0, 900.0, 950.0, 960.0, 990.0])
        row = one(START + elapsed, [(START, START + 1000)])

        def log_likelihood(t, m):
            rates = (m / t, (5 - m) / (1000 - t))
            return sum(n * np.log(r) for n, r in zip((m, 5 - m), rates, strict=True) if n)

        # Sides of one event alone are left out.
        sides = [(t, i + after) for i, t in enumerate(elapsed) for after in (0, 1)]
        best = max((s for s in sides if s[1] not in (1, 4)), key=lambda s: log_likelihood(*s))
        assert row.changed_at == START + best[0]
        assert row.rate_before == pytest.approx(best[1] / best[0] * 3600)
        assert row.rate_after == pytest.approx((5 - best[1]) / (1000 - best[0]) * 3600)
        assert row.rate == pytest.approx(5 / 1000 * 3600)

    def test_a_new_kind(self):
        times = START + np.random.default_rng(0).uniform(50_000, 86_400, 60)
        row = one(times)
        assert row.rate_before == 0
        assert row.changed_at == times.min()
        assert row.interval[0] < START + 50_000 < row.interval[1]
        assert row.p_value == 0.001
        assert row.active > 0.01

    def test_a_new_kind_of_the_last_minutes(self):
        times = START + np.random.default_rng(0).uniform(86_300, 86_400, 10)
        row = one(times)
        assert row.changed_at == times.min()
        assert row.p_value == 0.001

    def test_a_kind_that_ceased(self):
        row = one(START + np.random.default_rng(0).uniform(0, 30_000, 60))
        assert row.rate_after == 0
        assert row.rate_before > row.rate
        assert row.active < 1e-10

    def test_events_too_few_for_a_change(self):
        row = one(START + np.array([10_000.0, 80_000.0]))
        assert np.isnan([row.changed_at, *row.interval, row.rate_before, row.p_value]).all()
        # At two a day, nothing in the last 6,400 s.
        assert row.active == pytest.approx(np.exp(-2 / 86_400 * 6_400))
        assert row.rate == pytest.approx(2 / 24)

    def test_a_constant_rate_is_seldom_called_changed(self):
        rng = np.random.default_rng(3)
        times = START + np.concatenate([rng.uniform(0, 86_400, 25) for _ in range(200)])
        rows = onset(
            times, np.repeat(np.arange(200), 25), segments=DAY, n_simulations=99, random_state=0
        )
        n_alarms = sum(row.p_value <= 0.05 for row in rows)
        # Exact: a binomial of 200 and 0.05.
        assert binom.cdf(n_alarms, 200, 0.05) < 0.9999
        assert binom.sf(n_alarms - 1, 200, 0.05) < 0.9999
        assert np.mean([row.p_value for row in rows]) == pytest.approx(0.5, abs=0.1)

    def test_the_interval_has_the_change_as_often_as_it_says(self):
        rng = np.random.default_rng(4)
        inside = 0
        for _ in range(200):
            change, low, high = rng.uniform(0, 1), rng.uniform(0, 30), rng.uniform(30, 200)
            events = np.concatenate(
                [
                    rng.uniform(0, change, rng.poisson(low * change)),
                    rng.uniform(change, 1, rng.poisson(high * (1 - change))),
                ]
            )
            a, b = _interval(np.sort(events), 1.0)
            inside += a <= change <= b
        assert inside / 200 == pytest.approx(0.95, abs=0.05)


class TestSegments:
    def test_a_gap_is_no_silence(self):
        rng = np.random.default_rng(0)
        # Observed for two hours, six days apart.
        segments = [(START + 518_400, START + 522_000), (START, START + 3600)]
        elapsed = rng.uniform(0, 7200, 60)
        times = np.where(elapsed < 3600, START + elapsed, START + 514_800 + elapsed)
        row = one(times, segments)
        assert row.p_value > 0.05
        assert row.rate == pytest.approx(30)
        assert one(times, [(START, START + 522_000)]).p_value == 0.001

    def test_times_are_of_the_clock(self):
        segments = [(START, START + 3600), (START + 10_000, START + 13_600)]
        row = one(START + 11_000 + np.linspace(0, 2500, 40), segments)
        assert row.changed_at == START + 11_000

    def test_detectors_are_apart(self):
        rng = np.random.default_rng(0)
        times = START + np.concatenate([rng.uniform(0, 86_400, 50), rng.uniform(7e4, 8e4, 50)])
        detectors = np.repeat(["L1", "H1"], 50)
        table = onset(
            times,
            np.zeros(100),
            detectors=detectors,
            segments={"H1": DAY, "L1": DAY},
            random_state=0,
        )
        assert [row.detector for row in table] == ["H1", "L1"]
        assert table[0].p_value < 0.01 < table[1].p_value
        assert_allclose(table[1].rate, 50 / 24)

    def test_without_segments_all_glitches_of_a_detector_span_the_time(self):
        times = START + np.array([0, 100, 200, 900, 950, 960, 1000.0])
        table = onset(times, [0, 0, 0, 1, 1, 1, 0], random_state=0)
        assert table[1].rate == pytest.approx(3 * 3.6)


class TestData:
    def test_noise_is_left_out_and_order_does_not_matter(self):
        times = START + np.array([500, 100, 300, 900.0, 200])
        table = onset(times, [0, -1, 0, 0, -1], segments=DAY, random_state=0)
        assert [row.n_events for row in table] == [3]
        swapped = onset(times[::-1], [-1, 0, 0, -1, 0], segments=DAY, random_state=0)
        assert tuple(table) == tuple(swapped)

    def test_few_events_have_a_rate_only(self):
        row = one(START + np.array([10.0, 20.0]))
        assert row.rate == pytest.approx(2 / 24)
        assert np.isnan([row.changed_at, row.p_value, *row.interval]).all()

    def test_table(self):
        times = START + np.random.default_rng(0).uniform(0, 80_000, 20)
        table = onset(times, ["a"] * 20, detectors=["H1"] * 20, segments=DAY, random_state=0)
        header, line = str(table).splitlines()
        assert header.startswith("cluster  detector  events  changed at [GPS s]")
        assert line.split()[:3] == ["a", "H1", "20"]
        assert table._repr_html_().startswith("<pre>")
        row, columns = table[0], json.loads(json.dumps(table.to_dict()))
        assert columns["interval_low"] == [row.interval[0]]
        assert columns["interval_high"] == [row.interval[1]]
        assert {columns[name][0] for name in ("cluster", "detector")} == {"a", "H1"}
        assert columns["n_events"] == [20]
        assert onset(times, np.zeros(20), segments=DAY).to_dict()["detector"] == [""]

    @pytest.mark.parametrize(
        ("segments", "message"),
        [
            ([(START + 5, START)], "does not stop after its start"),
            ([(START, START + 900), (START + 800, START + 950)], "overlap"),
            ([START, START + 5], "pairs of start and stop"),
            ([(START, START + 500)], "1 of 3 glitches of a detector are in none"),
            ({"H1": DAY}, "segments lacks detector 'L1'"),
        ],
    )
    def test_segments_that_cannot_be(self, segments, message):
        with pytest.raises(ValueError, match=message):
            onset(
                START + np.array([100, 200, 700.0]),
                np.zeros(3),
                detectors=["L1"] * 3,
                segments=segments,
            )

    def test_times_that_cannot_be(self):
        with pytest.raises(ValueError, match="times contains NaN"):
            onset([START, np.nan, START], [0, 0, 0])
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            onset([START, START + 1], [0, 0, 0])
        with pytest.raises(ValueError, match="all glitches of a detector are at one time"):
            onset([START] * 3, [0, 0, 0])
