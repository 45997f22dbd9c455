"""find_onsets: the change by hand, false alarms and intervals by simulation, gaps, runs, data."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import gammaln
from scipy.stats import binom

from skglitch.discovery import find_onsets
from skglitch.discovery._change_point import Posterior, shortest_interval

START = 1_126_051_217.0
DAY = [(START, START + 86_400)]


def one(times, segments=DAY, **params):
    table = find_onsets(times, np.zeros(len(times)), segments=segments, random_state=0, **params)
    assert len(table) == 1
    return table.loc[0]


def interval(row):
    return row.gps_low, row.gps_high


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
        assert row.gps == START + best[0]
        assert row.rate_before == pytest.approx(best[1] / best[0] * 3600)
        assert row.rate_after == pytest.approx((5 - best[1]) / (1000 - best[0]) * 3600)
        assert row.rate == pytest.approx(5 / 1000 * 3600)

    def test_a_new_kind(self):
        times = START + np.random.default_rng(0).uniform(50_000, 86_400, 60)
        row = one(times)
        assert row.rate_before == 0
        assert row.gps == times.min()
        assert row.gps_low < START + 50_000 < row.gps_high
        assert row.p_value == 0.001
        assert row.p_silence > 0.01

    def test_a_new_kind_of_the_last_minutes(self):
        times = START + np.random.default_rng(0).uniform(86_300, 86_400, 10)
        row = one(times)
        assert row.gps == times.min()
        assert row.p_value == 0.001

    def test_a_kind_that_ceased(self):
        row = one(START + np.random.default_rng(0).uniform(0, 30_000, 60))
        assert row.rate_after == 0
        assert row.rate_before > row.rate
        assert row.p_silence < 1e-10

    def test_events_too_few_for_a_change(self):
        row = one(START + np.array([10_000.0, 80_000.0]))
        assert np.isnan([row.gps, *interval(row), row.rate_before, row.p_value]).all()
        # At two a day, nothing in the last 6,400 s.
        assert row.p_silence == pytest.approx(np.exp(-2 / 86_400 * 6_400))
        assert row.rate == pytest.approx(2 / 24)

    def test_a_constant_rate_is_seldom_called_changed(self):
        rng = np.random.default_rng(3)
        times = START + np.concatenate([rng.uniform(0, 86_400, 25) for _ in range(200)])
        rows = find_onsets(
            times, np.repeat(np.arange(200), 25), segments=DAY, n_simulations=99, random_state=0
        )
        n_alarms = sum(row.p_value <= 0.05 for row in rows.itertuples())
        # Exact: a binomial of 200 and 0.05.
        assert binom.cdf(n_alarms, 200, 0.05) < 0.9999
        assert binom.sf(n_alarms - 1, 200, 0.05) < 0.9999
        assert np.mean([row.p_value for row in rows.itertuples()]) == pytest.approx(0.5, abs=0.1)


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
            row = find_onsets(
                events, np.zeros(len(events)), segments=[(0, 1)], n_simulations=1, random_state=0
            ).loc[0]
            low, high = interval(row)
            assert low <= row.gps <= high
            assert high - low < 1
            inside += low <= change <= high
            n += 1
        # Outside of it by chance: once in 3,000 times at 0.95, and once in 100,000 at 0.97.
        assert 0.9 < inside / n < 1

    def test_a_new_kind_as_reviewed(self):
        rng = np.random.default_rng(1)
        for _ in range(50):
            row = one(START + rng.uniform(43_200, 86_400, 30), n_simulations=1)
            assert row.gps_low <= row.gps <= row.gps_high

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
        found = Posterior(events, 1.0)

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
        at_events = [found.cdf[np.flatnonzero(found.times == t)[0]] for t in borders[1:-1]]
        assert_allclose(at_events, expected, atol=1e-5)
        share = np.linspace(0.01, 0.99, 50)
        assert (np.diff(found.quantiles(share)) > 0).all()
        assert_allclose(found.quantiles(np.array(at_events)), borders[1:-1], rtol=1e-4)

    def test_no_shorter_one_has_as_much(self):
        events = np.sort(np.random.default_rng(0).uniform(0.4, 1, 40))
        low, high = shortest_interval(events, 1.0, events[0])
        posterior = Posterior(events, 1.0)
        below = np.linspace(0, 0.05, 2001)
        lengths = posterior.quantiles(below + 0.95) - posterior.quantiles(below)
        assert high - low == pytest.approx(lengths.min(), rel=1e-3)

    def test_the_end_of_a_burst_is_told_to_the_second(self):
        # In a year: the rate of the burst is told by 30 events, not by the steps of a grid.
        row = one(START + np.linspace(10, 100, 30), [(START, START + 3.15e7)])
        assert row.gps == START + 100
        assert row.gps_low > START + 90
        assert row.gps_high < START + 120


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
        assert np.isnan([row.gps, *interval(row), row.rate_before, row.rate_after]).all()
        assert row.p_value == 1
        assert row.rate == pytest.approx(len(elapsed) / 24)

    def test_all_at_the_start_have_ceased(self):
        assert one(np.full(9, START)).still_active == "no"
        assert one(np.full(9, START + 86_400)).still_active == "yes"

    def test_glitches_that_time_begins_with_are_no_burst(self):
        # The first and the last of an ifo are at its ends, however even they are.
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
        monkeypatch.setattr("skglitch.discovery._change_point._BATCH", 50)
        pd.testing.assert_series_equal(one(times), expected)


class TestStillActive:
    def test_by_the_silence_at_the_end(self):
        day = START + np.linspace(1000, 70_000, 30)
        assert one(day).still_active == "no"
        assert one(day + 16_000).still_active == "yes"
        row = one(day + 9_000)
        assert 0.01 <= row.p_silence < 0.1
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
        times, clusters, ifo = self.drawn()
        segments = {name: [(START + 1000, START + 1.09e6)] for name in ("H1", "L1")}
        times = np.clip(times, START + 1000, START + 1.09e6)
        table = find_onsets(
            times,
            clusters,
            ifo=ifo,
            segments=segments,
            runs=self.RUNS,
            random_state=0,
        )
        assert [(row.run, row.ifo, row.n_events) for row in table.itertuples()] == [
            ("early", "H1", 20),
            ("early", "L1", 20),
            ("separate", "H1", 10),
            ("separate", "L1", 10),
        ]
        # What of the segment is in the run.
        assert table["rate"].tolist() == pytest.approx(
            [20 / 99_000 * 3600] * 2 + [10 / 90_000 * 3600] * 2
        )
        assert table["p_value"][0] > 0.05
        assert table["p_value"][2] < 0.05
        alone = find_onsets(
            times[40:],
            clusters[40:],
            ifo=ifo[40:],
            segments=[(START + 1e6, START + 1.09e6)],
        )
        assert alone["gps"].tolist() == table["gps"][2:].tolist()

    def test_each_spans_the_time_from_its_first_glitch_to_its_last(self):
        times, clusters, _ = self.drawn()
        table = find_onsets(times, clusters, runs=self.RUNS, random_state=0)
        assert table["run"].tolist() == ["early", "separate"]
        assert table["rate"][1] == pytest.approx(20 / np.ptp(times[40:]) * 3600)
        assert find_onsets(times, clusters)["run"].tolist() == [""]

    def test_those_of_ligo(self):
        times = [1126051300.0, 1137254000.0, 1238166100.0, 1253977000.0, 1389456018.0, 1369e6]
        table = find_onsets(times, [0] * 6, runs="LIGO")
        assert table["run"].tolist() == ["O1", "O3a", "O4a"]

    def test_a_time_at_the_border_is_in_the_later_one(self):
        runs = {"a": (0, 10), "b": (10, 20)}
        table = find_onsets([1, 2, 10, 20], [0] * 4, runs=runs)
        assert table["n_events"].tolist() == [2, 2]

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"runs": {"O1": (START, START + 50)}}, "1 of 3 glitches are in none of the runs O1"),
            ({"runs": {"a": (0, START), "b": (5, 9)}}, "'a' and 'b' overlap"),
            ({"runs": {"a": (START, START)}}, r"runs\['a'\] .* a start and a later end"),
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
            find_onsets(START + np.array([10, 20, 70.0]), [0] * 3, **params)


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
        assert row.gps == START + 11_000

    def test_ifos_are_apart(self):
        rng = np.random.default_rng(0)
        times = START + np.concatenate([rng.uniform(0, 86_400, 50), rng.uniform(7e4, 8e4, 50)])
        ifo = np.repeat(["L1", "H1"], 50)
        table = find_onsets(
            times,
            np.zeros(100),
            ifo=ifo,
            segments={"H1": DAY, "L1": DAY},
            random_state=0,
        )
        assert table["ifo"].tolist() == ["H1", "L1"]
        assert table["p_value"][0] < 0.01 < table["p_value"][1]
        assert_allclose(table["rate"][1], 50 / 24)

    def test_without_segments_all_glitches_of_an_ifo_span_the_time(self):
        times = START + np.array([0, 100, 200, 900, 950, 960, 1000.0])
        table = find_onsets(times, [0, 0, 0, 1, 1, 1, 0], random_state=0)
        assert table["rate"][1] == pytest.approx(3 * 3.6)


class TestOutside:
    GPS = START + np.array([100.0, 200, 700, 900])

    def find(self, outside="warn", **params):
        params = {"segments": [(START, START + 500)], "ifo": ["L1", "L1", "H1", ""]} | params
        return find_onsets(self.GPS, [0] * 4, outside=outside, **params)

    @pytest.mark.parametrize(
        ("params", "message", "left"),
        [
            ({"ifo": "L1"}, "gps: 2 of 4 glitches of L1 are in none of its segments", {"L1": 2}),
            ({"ifo": None}, "gps: 2 of 4 glitches are in none of its segments", {"": 2}),
            (
                {"segments": None, "ifo": ["L1", "L1", "H1", "L1"]},
                "gps: 1 of 4 glitches of H1 are at one time and are left out",
                {"L1": 3},
            ),
            (
                {"segments": {"L1": DAY, "H1": DAY}},
                "gps: 1 of 4 glitches lack an ifo to find their segments",
                {"L1": 2, "H1": 1},
            ),
            (
                {"segments": DAY, "runs": {"O1": (START, START + 300)}},
                "gps: 2 of 4 glitches are in none of the runs O1",
                {"L1": 2},
            ),
        ],
    )
    def test_is_left_out_with_a_warning_or_refused(self, params, message, left):
        with pytest.warns(UserWarning, match=message):
            table = self.find(**params)
        assert dict(zip(table["ifo"], table["n_events"], strict=True)) == left
        with pytest.raises(ValueError, match=message.removesuffix(" and are left out")):
            self.find("raise", **params)

    def test_nothing_is_left(self):
        with pytest.warns(UserWarning, match="4 of 4 glitches"):
            table = self.find(segments=[(1, 2)], ifo=None)
        assert len(table) == 0
        assert table.columns.tolist() == find_onsets([1, 2], [0, 0]).columns.tolist()

    def test_no_glitches_are_an_empty_table_of_checked_segments(self):
        assert len(find_onsets([], [], segments=DAY)) == 0
        with pytest.raises(ValueError, match="overlap"):
            find_onsets([], [], segments={"H1": [(1, 5), (4, 9)]})


class TestData:
    def test_noise_is_left_out_and_order_does_not_matter(self):
        times = START + np.array([500, 100, 300, 900.0, 200])
        table = find_onsets(times, [0, -1, 0, 0, -1], segments=DAY, random_state=0)
        assert table["n_events"].tolist() == [3]
        swapped = find_onsets(times[::-1], [-1, 0, 0, -1, 0], segments=DAY, random_state=0)
        pd.testing.assert_frame_equal(table, swapped)

    def test_few_events_have_a_rate_only(self):
        row = one(START + np.array([10.0, 20.0]))
        assert row.rate == pytest.approx(2 / 24)
        assert np.isnan([row.gps, row.p_value, *interval(row)]).all()

    def test_table(self):
        times = START + np.random.default_rng(0).uniform(0, 80_000, 20)
        table = find_onsets(times, ["a"] * 20, ifo="H1", segments=DAY, random_state=0)
        assert table.columns.tolist() == [
            *("run", "ifo", "cluster", "n_events", "rate", "gps", "gps_low", "gps_high"),
            *("rate_before", "rate_after", "p_value", "p_silence", "still_active"),
        ]
        assert table.loc[0, ["run", "ifo", "cluster", "n_events"]].tolist() == ["", "H1", "a", 20]
        assert find_onsets(times, np.zeros(20), segments=DAY)["ifo"].tolist() == [""]

    @pytest.mark.parametrize(
        ("segments", "message"),
        [
            ([(START + 5, START)], "segments must be pairs of a start and a later end"),
            ([(START, START + 900), (START + 800, START + 950)], "overlap"),
            ([START, START + 5], r"segments must be pairs .* shape \(2,\)"),
            ([(START, START + 500)], "1 of 3 glitches of L1 are in none of its segments"),
            ({"H1": DAY}, r"segments lacks the ifo \['L1'\]"),
            ({"L1": [(2, 1)]}, r"segments\['L1'\] must be pairs .* row 0 is \[2.0, 1.0\]"),
            ([], r"segments must be pairs .* shape \(0,\)"),
            ([(START, np.nan)], r"segments must be pairs .* row 0 is \[1126051217.0, nan\]"),
            ([(START, None)], "segments must be pairs"),
            ([(1, 2), (3,)], "segments must be GPS times in s, got rows that differ"),
            ([("a", "b")], "segments must be GPS times in s, got 'a'"),
            (pd.to_datetime([1, 2], unit="s"), "segments must be GPS times in s"),
            (np.array([[1, 2]], dtype=np.float32), "segments must be .* 64 bits, got float32"),
        ],
    )
    def test_segments_that_cannot_be(self, segments, message):
        with pytest.raises(ValueError, match=message):
            find_onsets(
                START + np.array([100, 200, 700.0]), np.zeros(3), ifo=["L1"] * 3, segments=segments
            )

    def test_segments_of_ifos_without_ifo(self):
        with pytest.raises(ValueError, match=r"2 of 2 .*ifo"):
            find_onsets([START, START + 1], [0, 0], segments={"H1": DAY})

    @pytest.mark.parametrize(
        ("times", "message"),
        [
            ([START, np.nan, START], "gps is not finite for 1 of 3 glitches"),
            ([START, np.inf, None], "gps is not finite for 2 of 3 glitches"),
            ([START, START + 1], "clusters has 3 samples, but gps has 2"),
            ([START] * 3, "3 of 3 glitches are at one time"),
            (np.zeros((3, 1)), r"gps .* shape \(3, 1\)"),
            (np.zeros((3, 2)), r"gps .* shape \(3, 2\)"),
            (pd.to_datetime([1, 2, 3], unit="s"), r"gps must be GPS times in s, got datetime64"),
            (["2019-04-01"] * 3, "gps must be GPS times in s, got '2019-04-01'"),
            (np.zeros(3, dtype=np.float16), "gps must be .* 64 bits, got float16"),
        ],
    )
    def test_times_that_cannot_be(self, times, message):
        with pytest.raises(ValueError, match=message):
            find_onsets(times, [0, 0, 0])

    @pytest.mark.parametrize(
        "values",
        [
            ["a", "a", "", "b"],
            ["a", "a", None, "b"],
            ["a", "a", np.nan, "b"],
            pd.Series(["a", "a", None, "b"], dtype="string"),
            pd.Series(["a", "a", None, "b"], dtype="category"),
            np.ma.array(["a", "a", "c", "b"], mask=[False, False, True, False]),
        ],
    )
    def test_missing_clusters_are_none_and_missing_ifos_a_group(self, values):
        table = find_onsets([1, 2, 3, 4], values)
        assert table["cluster"].tolist() == ["a", "b"]
        assert table["n_events"].tolist() == [2, 1]
        table = find_onsets([1, 2, 3, 4], [0] * 4, ifo=values, segments=[(0, 9)])
        assert table["ifo"].tolist() == ["", "a", "b"]
        assert table["n_events"].tolist() == [1, 2, 1]

    @pytest.mark.parametrize(
        "clusters",
        [[1, -1, 1], [1.0, -1.0, 1.0], [1, None, 1], pd.Series([1, None, 1], dtype="Int64")],
    )
    def test_marks_of_no_cluster_among_numbers(self, clusters):
        table = find_onsets([1, 2, 3], clusters)
        assert table["cluster"].tolist() == [1]
        assert table["n_events"].tolist() == [2]

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            (
                {"clusters": np.array(["a", 1, "a"], dtype=object)},
                "clusters must hold strings only",
            ),
            ({"clusters": ["a", "b"]}, "clusters has 2 samples, but gps has 3"),
            ({"clusters": np.zeros((3, 2))}, r"clusters .* shape \(3, 2\)"),
            ({"ifo": ["H1", "L1"]}, "ifo has 2 values for 3 samples"),
            ({"ifo": [1, 2, 3]}, 'ifo must hold strings such as "H1", got 1'),
            ({"min_events": 1}, "min_events"),
            ({"outside": "drop"}, "outside"),
        ],
    )
    def test_parameters_that_cannot_be(self, params, message):
        with pytest.raises(ValueError, match=message):
            find_onsets([1, 2, 3], **({"clusters": [0, 0, 0]} | params))
