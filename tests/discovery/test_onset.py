"""onset: the change by hand, false alarms and intervals by Monte Carlo, gaps, runs, odd data."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import gammaln
from scipy.stats import binom

from skglitch.discovery import onset
from skglitch.discovery._onset_change import _Posterior, shortest_interval

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


def drawn(rng, change, before, after):
    """Events in a time of 1."""
    return np.concatenate(
        [
            rng.uniform(0, change, rng.poisson(before * change)),
            rng.uniform(change, 1, rng.poisson(after * (1 - change))),
        ]
    )


class TestInterval:
    @pytest.mark.parametrize(
        ("before", "after"), [(0, 60), (60, 0), (20, 60), (12, 80), (1, 60), (2, 12)]
    )
    def test_has_the_change_as_often_as_it_says(self, before, after):
        rng = np.random.default_rng(4)
        inside, n = 0, 0
        while n < 200:
            change = rng.uniform()
            events = drawn(rng, change, before, after)
            if len(events) < 3:
                continue
            (row,) = onset(
                events, np.zeros(len(events)), segments=[(0, 1)], n_simulations=1, random_state=0
            )
            low, high = row.interval
            assert low <= row.changed_at <= high
            assert high - low < 1
            inside += low <= change <= high
            n += 1
        # Outside of it by chance: once in 3,000 times at 0.95, and once in 100,000 at 0.97.
        assert 0.9 < inside / n < 1

    def test_a_new_kind_as_reviewed(self):
        rng = np.random.default_rng(1)
        for _ in range(50):
            row = one(START + rng.uniform(43_200, 86_400, 30), n_simulations=1)
            assert row.interval[0] <= row.changed_at <= row.interval[1]

    @pytest.mark.parametrize(
        "events",
        [
            [0.1, 0.15, 0.4, 0.41, 0.8, 0.99],
            [0.2, 0.2, 0.2],
            np.linspace(1e-6, 3e-6, 12),
            1 - np.linspace(1e-6, 3e-6, 12),
            [*np.linspace(1e-5, 3e-5, 5), *(1 - np.linspace(1e-5, 3e-5, 5))],
        ],
    )
    def test_posterior_against_quadrature(self, events):
        events = np.sort(events)
        borders = np.unique(np.concatenate([[0], events, [1]]))
        found = _Posterior(events, 1.0)

        def log_density(x, m):
            # Of x = log(t / (1 - t)), in which no end is infinite.
            k = len(events) - m
            weight = gammaln(m + 0.5) + gammaln(k + 0.5)
            return weight + (m - 0.5) * np.logaddexp(0, -x) + (k - 0.5) * np.logaddexp(0, x)

        with np.errstate(divide="ignore"):
            ends = np.clip(np.log(borders) - np.log1p(-borders), -45, 45)
        gaps = [
            (a, b, int((events <= t).sum()))
            for a, b, t in zip(ends[:-1], ends[1:], borders[:-1], strict=True)
        ]
        top = max(log_density(x, m) for a, b, m in gaps for x in (a, b))
        parts = [
            sum(
                quad(lambda x, m=m: np.exp(log_density(x, m) - top), lo, hi)[0]
                for lo, hi in pairwise(np.linspace(a, b, 60))
            )
            for a, b, m in gaps
        ]
        expected = np.cumsum(parts)[:-1] / np.sum(parts)
        at_events = [found.below[np.flatnonzero(found.at == t)[0]] for t in borders[1:-1]]
        assert_allclose(at_events, expected, atol=1e-5)
        share = np.linspace(0.01, 0.99, 50)
        assert (np.diff(found.quantiles(share)) > 0).all()
        assert_allclose(found.quantiles(np.array(at_events)), borders[1:-1], rtol=1e-4)

    def test_no_shorter_one_has_as_much(self):
        events = np.sort(np.random.default_rng(0).uniform(0.4, 1, 40))
        low, high = shortest_interval(events, 1.0, events[0])
        posterior = _Posterior(events, 1.0)
        below = np.linspace(0, 0.05, 2001)
        lengths = posterior.quantiles(below + 0.95) - posterior.quantiles(below)
        assert high - low == pytest.approx(lengths.min(), rel=1e-3)

    def test_the_end_of_a_burst_is_told_to_the_second(self):
        # In a year: the rate of the burst is told by 30 events, not by the steps of a grid.
        row = one(START + np.linspace(10, 100, 30), [(START, START + 3.15e7)])
        assert row.changed_at == START + 100
        assert row.interval[0] > START + 90
        assert row.interval[1] < START + 120


class TestNoChange:
    """Where no change can be told there is none: it was put in the middle."""

    @pytest.mark.parametrize(
        ("elapsed", "segments"),
        [
            *(
                ([0, middle, 86_400], segments)
                for middle in (40, 0, 43_200)
                for segments in (DAY, None)
            ),
            ([0] * 5, DAY),
            ([86_400] * 5, DAY),
        ],
    )
    def test_events_at_the_ends(self, elapsed, segments):
        row = one(START + np.array(elapsed, dtype=float), segments)
        assert np.isnan([row.changed_at, *row.interval, row.rate_before, row.rate_after]).all()
        assert row.p_value == 1
        assert row.rate == pytest.approx(len(elapsed) / 24)

    def test_all_at_the_start_have_ceased(self):
        assert one(np.full(9, START)).still_active == "no"
        assert one(np.full(9, START + 86_400)).still_active == "yes"

    def test_glitches_that_time_begins_with_are_no_burst(self):
        # The first and the last of a detector are at its ends, however even they are.
        rng = np.random.default_rng(0)
        p_values = [
            one(START + rng.uniform(0, 86_400, 8), None, n_simulations=99).p_value
            for _ in range(200)
        ]
        assert binom.sf(np.sum(np.array(p_values) <= 0.05) - 1, 200, 0.05) > 1e-3
        assert np.mean(p_values) == pytest.approx(0.5, abs=0.1)

    def test_simulations_come_in_parts_alike(self, monkeypatch):
        times = START + np.random.default_rng(0).uniform(0, 86_400, 20)
        expected = one(times)
        monkeypatch.setattr("skglitch.discovery._onset_change._DRAWN", 50)
        assert one(times) == expected


class TestStillActive:
    def test_by_the_silence_at_the_end(self):
        day = START + np.linspace(1000, 70_000, 30)
        assert one(day).still_active == "no"
        assert one(day + 16_000).still_active == "yes"
        row = one(day + 9_000)
        assert 0.01 <= row.active < 0.1
        assert row.still_active == "unclear"

    def test_too_few_events_are_unclear(self):
        row = one(START + np.array([10.0, 20.0]), [(START, START + 3e7)])
        assert row.still_active == "unclear"

    def test_what_goes_on_is_seldom_called_ceased(self):
        rng = np.random.default_rng(5)
        verdicts = [
            one(START + rng.uniform(0, 86_400, 25), n_simulations=1).still_active
            for _ in range(300)
        ]
        assert binom.sf(verdicts.count("no") - 1, 300, 0.015) > 1e-3
        assert verdicts.count("yes") / 300 == pytest.approx(0.9, abs=0.06)


class TestRuns:
    RUNS = {"separate": (START + 1e6, START + 1.1e6), "early": (START, START + 1e5)}

    def drawn(self):
        rng = np.random.default_rng(0)
        late = START + 1e6 + rng.uniform(5e4, 1e5, 20)
        times = np.concatenate([START + rng.uniform(0, 1e5, 40), late])
        return times, ["a"] * 60, ["H1", "L1"] * 30

    def test_each_has_its_own_rates(self):
        times, clusters, detectors = self.drawn()
        segments = {name: [(START + 1000, START + 1.09e6)] for name in ("H1", "L1")}
        times = np.clip(times, START + 1000, START + 1.09e6)
        table = onset(
            times,
            clusters,
            detectors=detectors,
            segments=segments,
            runs=self.RUNS,
            random_state=0,
        )
        assert [(row.run, row.detector, row.n_events) for row in table] == [
            ("early", "H1", 20),
            ("early", "L1", 20),
            ("separate", "H1", 10),
            ("separate", "L1", 10),
        ]
        # What of the segment is in the run.
        assert [row.rate for row in table] == pytest.approx(
            [20 / 99_000 * 3600] * 2 + [10 / 90_000 * 3600] * 2
        )
        assert table[0].p_value > 0.05
        assert table[2].p_value < 0.05
        alone = onset(
            times[40:],
            clusters[40:],
            detectors=detectors[40:],
            segments=[(START + 1e6, START + 1.09e6)],
        )
        assert [row.changed_at for row in alone] == [row.changed_at for row in table[2:]]

    def test_printed_as_a_table_each(self):
        times, clusters, _ = self.drawn()
        table = onset(times, clusters, runs=self.RUNS, random_state=0)
        early, late = str(table).split("\n\n")
        assert early.split("\n")[0] == "Run early"
        assert late.split("\n")[0] == "Run separate"
        assert early.split("\n")[1] == late.split("\n")[1]
        assert len(early.split("\n")) == len(late.split("\n")) == 3
        assert table.to_dict()["run"] == ["early", "separate"]
        assert onset(times, clusters).to_dict()["run"] == [""]
        # From its first glitch to its last.
        assert table[1].rate == pytest.approx(20 / np.ptp(times[40:]) * 3600)

    def test_those_of_ligo(self):
        times = [1126051300.0, 1137254000.0, 1238166100.0, 1253977000.0, 1389456018.0, 1369e6]
        table = onset(times, [0] * 6, runs="LIGO")
        assert [row.run for row in table] == ["O1", "O3a", "O4a"]

    def test_a_time_at_the_border_is_in_the_later_one(self):
        runs = {"a": (0, 10), "b": (10, 20)}
        table = onset([1, 2, 10, 20], [0] * 4, runs=runs)
        assert [row.n_events for row in table] == [2, 2]

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"runs": {"O1": (START, START + 50)}}, "1 of 3 glitches are in none of the runs O1, "),
            ({"runs": {"a": (0, START), "b": (5, 9)}}, "'a' and 'b' overlap"),
            ({"runs": {"a": (START, START)}}, r"runs\['a'\] must be a start and a later stop"),
            ({"runs": {"a": "O1"}}, r"runs\['a'\] must be GPS times"),
            ({"runs": {}}, "runs is empty"),
            ({"runs": "O9"}, "a str among {'LIGO'}"),
            (
                {"runs": {"a": (START, START + 900)}, "segments": [(1, 2)]},
                "3 of 3 glitches in a are in none of its segments",
            ),
        ],
    )
    def test_that_cannot_be(self, params, message):
        with pytest.raises(ValueError, match=message):
            onset(START + np.array([10, 20, 70.0]), [0] * 3, **params)


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
        assert columns["still_active"] == [row.still_active] == [line.split()[-1]]
        assert columns["n_events"] == [20]
        assert onset(times, np.zeros(20), segments=DAY).to_dict()["detector"] == [""]

    @pytest.mark.parametrize(
        ("segments", "message"),
        [
            ([(START + 5, START)], "does not stop after its start"),
            ([(START, START + 900), (START + 800, START + 950)], "overlap"),
            ([START, START + 5], "pairs of start and stop"),
            ([(START, START + 500)], "1 of 3 glitches of L1 are in none of its segments"),
            ({"H1": DAY}, "segments lacks detector 'L1'"),
            ([], "pairs of start and stop"),
            ([(START, np.nan)], r"segments must be pairs .* row 0 is \[1126051217.0, nan\]"),
            ([(START, None)], "segments must be pairs"),
            ([(1, 2), (3,)], "segments must be GPS times in s, got rows that differ"),
            ([("a", "b")], "segments must be GPS times in s, got 'a'"),
            (pd.to_datetime([1, 2], unit="s"), "segments must be GPS times in s"),
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

    def test_segments_of_detectors_that_nobody_told(self):
        with pytest.raises(ValueError, match=r"for each detector \(H1\), but detectors is None"):
            onset([START, START + 1], [0, 0], segments={"H1": DAY})

    DATES = pd.to_datetime([1, 2, 3], unit="s")

    @pytest.mark.parametrize(
        ("times", "message"),
        [
            ([START, np.nan, START], "times contains NaN or infinity for 1 of 3 glitches"),
            ([START, np.inf, None], "times contains NaN or infinity for 2 of 3 glitches"),
            ([START, START + 1], "clusters has 3 samples, but times has 2"),
            ([START] * 3, "all glitches are at one time"),
            (np.zeros((3, 1)), r"one GPS time a glitch, got shape \(3, 1\)"),
            (np.zeros((3, 2)), r"one GPS time a glitch, got shape \(3, 2\)"),
            ([], r"one GPS time a glitch, got shape \(0,\)"),
            (DATES, r"times must be GPS times in s, got datetime64\[.*astropy"),
            (DATES.to_numpy(), "times must be GPS times in s"),
            (pd.Series(DATES), "times must be GPS times in s"),
            (DATES.tz_localize("UTC"), "times must be GPS times in s"),
            (DATES.to_pydatetime().tolist(), r"GPS times in s, got datetime.datetime\(1970"),
            (["2019-04-01"] * 3, "times must be GPS times in s, got '2019-04-01'"),
            ([1j] * 3, "times must be GPS times in s"),
        ],
    )
    def test_times_that_cannot_be(self, times, message):
        with pytest.raises(ValueError, match=message):
            onset(times, [0, 0, 0])

    @pytest.mark.parametrize(
        "of_each",
        [
            [1, 1, None],
            [1, 1, np.nan],
            ["a", "a", None],
            ["a", "a", np.nan],
            pd.Series([1, 1, None], dtype="Int64"),
            pd.Series(["a", "a", None], dtype="string"),
            pd.Series(["a", "a", None], dtype="category"),
        ],
    )
    @pytest.mark.parametrize("name", ["clusters", "detectors"])
    def test_clusters_and_detectors_that_nobody_knows(self, of_each, name):
        with pytest.raises(ValueError, match=f"{name} lacks a value .* for 1 of 3 glitches"):
            onset([1, 2, 3], **({"clusters": [0, 0, 0]} | {name: of_each}))

    @pytest.mark.parametrize("name", ["clusters", "detectors"])
    def test_clusters_and_detectors_that_cannot_be(self, name):
        for of_each, message in (
            (np.array(["a", 1, "a"], dtype=object), f"{name} must hold strings only or numbers"),
            (["a", "b"], f"{name} has 2 samples, but times has 3"),
            (np.zeros((3, 2)), f"{name} must hold one label per sample"),
        ):
            with pytest.raises(ValueError, match=message):
                onset([1, 2, 3], **({"clusters": [0, 0, 0]} | {name: of_each}))

    @pytest.mark.parametrize(
        "clusters", [["a", "", "a"], np.array(["a", -1, "a"], dtype=object), [1.0, -1.0, 1.0]]
    )
    def test_marks_of_no_cluster(self, clusters):
        assert [row.n_events for row in onset([1, 2, 3], clusters)] == [2]

    def test_a_detector_that_is_named_0_or_nothing(self):
        table = onset([1, 2, 3, 4], [0] * 4, detectors=[0, 0, 1, 1])
        assert table.to_dict()["detector"] == [0, 1]
        table = onset([1, 2, 3, 4], [0] * 4, detectors=["", "", "H1", "H1"])
        assert [row.detector for row in table] == ["", "H1"]

    def test_gps_times_of_other_kinds(self):
        class LIGOTimeGPS:
            def __init__(self, seconds):
                self.seconds = seconds

            def __float__(self):
                return float(self.seconds)

        expected = onset([1, 2, 4, 7, 8], [0] * 5, random_state=0)
        for kind in (LIGOTimeGPS, str, np.float64, Decimal):
            times = np.array([kind(t) for t in (1, 2, 4, 7, 8)], dtype=object)
            assert onset(times, [0] * 5, random_state=0) == expected
