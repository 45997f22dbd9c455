"""Groups in time, and cross-validation with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier

from skglitch.metrics import group_by_time, top_k_scorer

TIMES = st.lists(st.integers(0, 200), min_size=1, max_size=40)


def test_by_hand():
    groups = group_by_time([30, 1, 2, 12, 21], gap=9)  # 1-2, 10 s, 12-21-30
    assert groups.tolist() == [1, 0, 0, 1, 1]


def test_a_pause_of_the_gap_itself_does_not_part():
    assert group_by_time([0.0, 5.0], gap=5).tolist() == [0, 0]
    assert group_by_time([0.0, 5.001], gap=5).tolist() == [0, 1]


def test_interferometers_are_apart():
    groups = group_by_time([0, 1, 2, 3], gap=10, ifo=["L1", "H1", "L1", "H1"])
    assert groups.tolist() == [0, 1, 0, 1]


def test_gps_times_keep_their_digits():
    times = 1264785164.195310116 + np.array([0.0, 0.001, 0.0031])
    assert group_by_time(times, gap=0.002).tolist() == [0, 0, 1]


def test_gap_zero_keeps_the_same_times_together():
    assert group_by_time([7, 7, 8], gap=0).tolist() == [0, 0, 1]


@given(TIMES, st.integers(0, 20), st.booleans())
def test_groups_are_chains(times, gap, apart):
    ifo = np.resize(["H1", "L1"], len(times)) if apart else np.full(len(times), "V1")
    groups = group_by_time(times, gap=gap, ifo=ifo)
    times = np.array(times)
    firsts = []
    for group in range(groups.max() + 1):
        rows = groups == group
        assert rows.any()
        firsts.append(times[rows].min())
        assert len(set(ifo[rows])) == 1
        assert (np.diff(np.sort(times[rows])) <= gap).all()
        for other in times[~rows & (ifo == ifo[rows][0])]:
            assert np.abs(times[rows] - other).min() > gap
    assert firsts == sorted(firsts)


@given(TIMES, st.randoms(use_true_random=False))
def test_order_does_not_matter(times, random):
    order = list(range(len(times)))
    random.shuffle(order)
    times = np.array(times)
    shuffled = group_by_time(times[order], gap=5)
    assert shuffled.tolist() == group_by_time(times, gap=5)[order].tolist()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"gps": [0.0, np.nan], "gap": 1}, r"gps .*finite .*nan in row 1"),
        ({"gps": [[0.0, 1.0]], "gap": 1}, r"got shape \(1, 2\)"),
        ({"gps": np.zeros(2, np.float32), "gap": 1}, "gps .* 64 bits"),
        ({"gps": [], "gap": 1}, "gps must hold"),
        ({"gps": [0.0], "gap": -1}, "'gap' .* Got -1"),
        ({"gps": [0.0, 1.0], "gap": 1, "ifo": ["H1"]}, "ifo has 1 values for 2"),
    ],
)
def test_errors(args, message):
    with pytest.raises(ValueError, match=message):
        group_by_time(**args)


@pytest.fixture
def bursts():
    """Glitches in bursts of six that look alike, of classes that do not differ."""
    rng = np.random.default_rng(0)
    start = np.arange(40) * 1000.0
    look = rng.normal(size=(40, 5))
    label = rng.permutation(np.repeat(["Blip", "Tomte"], 20))
    times = (start[:, None] + np.arange(6)).ravel()
    X = np.repeat(look, 6, axis=0) + 0.1 * rng.normal(size=(240, 5))
    return X, np.repeat(label, 6), times


def test_grouped_folds_show_what_random_ones_hide(bursts):
    X, y, times = bursts
    groups = group_by_time(times, gap=10)
    assert np.bincount(groups).tolist() == [6] * 40
    classifier = KNeighborsClassifier(1)
    random = cross_val_score(classifier, X, y, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    grouped = cross_val_score(
        classifier,
        X,
        y,
        groups=groups,
        cv=StratifiedGroupKFold(5, shuffle=True, random_state=0),
    )
    assert random.mean() > 0.95
    assert grouped.mean() < 0.75  # 0.5 is the truth


def test_top_k_scorer_in_folds_by_time_that_lack_classes():
    # A class that only begins late: unseen in training at first, then alone in the test.
    X = np.repeat(np.eye(3), 20, axis=0)
    y = np.repeat(["Blip", "Tomte", "Fast_Scattering"], 20)
    order = np.lexsort((np.arange(60), np.arange(60) % 20 + 20 * (np.arange(60) // 40)))
    scores = cross_val_score(
        LogisticRegression(),
        X[order],
        y[order],
        cv=TimeSeriesSplit(5),
        scoring=top_k_scorer(1),
        error_score="raise",
    )
    assert scores[0] == 1
    assert scores.min() < 1
    assert np.isfinite(scores).all()
