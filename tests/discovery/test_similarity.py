"""Similarity index: against comparing all, filters, ids, and the approximate search."""

import pickle
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.estimator_checks import parametrize_with_checks

from skglitch.discovery import SimilarityIndex, _cosine, _similarity_index

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 8))
GPS = 1e9 + np.arange(300.0)
IFO = np.array(["H1", "L1", "V1"])[np.arange(300) % 3]


@pytest.fixture
def index():
    return SimilarityIndex().fit(X, gps=GPS, ifo=IFO)


@parametrize_with_checks([SimilarityIndex()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def by_hand(query, k, allowed):
    """Rows of the highest cosine, in float64, one at a time."""
    cosines = [
        row @ query / np.sqrt((row @ row) * (query @ query)) if ok else -np.inf
        for row, ok in zip(X, allowed, strict=True)
    ]
    order = np.argsort(-np.array(cosines), kind="stable")[:k]
    return order, np.array(cosines)[order]


class TestKneighbors:
    def test_as_scikit_learn_does(self, index):
        queries = RNG.standard_normal((40, 8))
        theirs = NearestNeighbors(metric="cosine", algorithm="brute").fit(X)
        for arguments in ((queries, 7), (None, 3)):
            distances, rows = index.kneighbors(*arguments)
            expected, expected_rows = theirs.kneighbors(*arguments)
            np.testing.assert_array_equal(rows, expected_rows)
            np.testing.assert_allclose(distances, expected, atol=1e-6)

    def test_blocks_change_nothing(self, index, monkeypatch):
        expected = index.kneighbors(n_neighbors=5)
        monkeypatch.setattr(_cosine, "_BLOCK", 2000)
        found = index.kneighbors(n_neighbors=5)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_allclose(found[0], expected[0], atol=1e-6)

    def test_takes_the_number_of_the_constructor(self):
        rows = SimilarityIndex(n_neighbors=4).fit(X).kneighbors(X[:2], return_distance=False)
        assert rows.shape == (2, 4)

    @pytest.mark.parametrize(("arguments", "n"), [((X[:1], 301), 300), ((None, 300), 299)])
    def test_too_many(self, index, arguments, n):
        with pytest.raises(ValueError, match=f"than the {n} "):
            index.kneighbors(*arguments)

    def test_lengths_do_not_count(self, index):
        rows = index.kneighbors(1e30 * X[:3], 1, return_distance=False)
        assert rows.ravel().tolist() == [0, 1, 2]
        tiny = SimilarityIndex().fit(1e-30 * X)
        assert tiny.kneighbors(X[:3], 1, return_distance=False).ravel().tolist() == [0, 1, 2]

    @pytest.mark.parametrize("scale", [1e200, 1e300, 1e-200, 1e-300])
    def test_what_float32_cannot_hold(self, index, scale):
        huge = SimilarityIndex().fit(scale * X)
        np.testing.assert_array_equal(huge.embeddings_, index.embeddings_)
        found = huge.search(scale * X[3], n_neighbors=2)
        assert found.index.tolist() == index.search(X[3], n_neighbors=2).index.tolist()

    @pytest.mark.parametrize("method", ["exact", "approximate"])
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_infinity_is_refused(self, method, bad):
        broken = X.copy()
        broken[7, 2] = bad
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for call in (SimilarityIndex(method).fit, FITTED[method].kneighbors):
                with pytest.raises(ValueError, match=r"NaN .*row 7"):
                    call(broken)
            with pytest.raises(ValueError, match="X has NaN"):
                FITTED[method].search(broken[7])

    @pytest.mark.parametrize("n", [5, 13, 1000])
    def test_equal_ones_have_equal_similarities(self, n):
        # Rounding in products of matrices depends on where a row is.
        rng = np.random.default_rng(n)
        index = SimilarityIndex("exact").fit(np.tile(rng.standard_normal(200), (n, 1)))
        found = index.search(rng.standard_normal(200), n_neighbors=5)
        assert found.similarity.nunique() == 1
        assert found.index.is_monotonic_increasing
        assert found.index.is_unique

    def test_filters_make_room_for_the_next(self):
        near = np.array([1.0, 0.01])
        rows = np.repeat([[0.0, 1.0], near, [1.0, 0.0], near], 20, axis=0)
        index = SimilarityIndex("exact").fit(rows, ifo=np.tile(["H1", "L1"], 40))
        found = index.search(near, n_neighbors=20, ifo="L1")
        assert found.index.tolist() == [*range(21, 40, 2), *range(61, 80, 2)]

    def test_zeros_are_similar_to_nothing(self):
        index = SimilarityIndex().fit([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
        assert index.search([2.0, 0.0]).similarity.tolist() == [1, 0, -1]

    def test_similarity_is_at_most_1(self):
        units = np.random.default_rng(0).standard_normal((500, 64))
        for method in ("exact", "approximate"):
            index = SimilarityIndex(method).fit(units)
            for row in range(50):
                assert index.search(units[row]).similarity.max() <= 1
                assert index.search(-units[row], n_neighbors=500).similarity.min() >= -1

    def test_duplicates_come_in_their_order(self):
        index = SimilarityIndex().fit(np.ones((4, 2)))
        assert index.kneighbors([[1, 1]], 4, return_distance=False).tolist() == [[0, 1, 2, 3]]
        rows = index.kneighbors(None, 3, return_distance=False)
        assert rows.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


class TestSearch:
    @settings(max_examples=40)
    @given(
        start=st.integers(-5, 305),
        length=st.integers(1, 300),
        ifo=st.sampled_from([None, "H1", ["L1", "V1"]]),
        k=st.integers(1, 20),
        method=st.sampled_from(["exact", "approximate"]),
        few=st.booleans(),
    )
    def test_filters_as_by_hand(self, start, length, ifo, k, method, few):
        index = FITTED[method]
        window = (1e9 + start, 1e9 + start + length)
        allowed = (window[0] <= GPS) & (window[1] > GPS)
        if ifo is not None:
            allowed &= np.isin(IFO, ifo)
        rows, cosines = by_hand(X[5], min(k, allowed.sum()), allowed)
        limit = 100_000 if few else 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_similarity_index, "_EXACT_UP_TO", limit)
            found = index.search(X[5], n_neighbors=k, gps_range=window, ifo=ifo)
        assert len(found) == len(rows)
        assert allowed[found.index].all()
        assert len(set(found.index.tolist())) == len(found)
        if method == "exact" or few:
            np.testing.assert_array_equal(found.index, rows)
            np.testing.assert_allclose(found.similarity, cosines, atol=1e-6)

    def test_by_id_without_itself(self, index):
        found = index.search(id=5, n_neighbors=3)
        expected, _ = by_hand(X[5], 4, np.ones(300, dtype=bool))
        assert expected[0] == 5
        assert found["id"].tolist() == expected[1:].tolist()
        assert found.gps.tolist() == GPS[expected[1:]].tolist()
        assert found.ifo.tolist() == IFO[expected[1:]].tolist()

    def test_by_id_that_does_not_pass_the_filter(self, index):
        found = index.search(id=5, n_neighbors=300, ifo="H1")
        assert IFO[5] != "H1"
        assert len(found) == 100

    def test_nothing_passes(self, index):
        found = index.search(X[0], gps_range=(0, 1))
        assert len(found) == 0
        assert found.columns.tolist() == ["id", "ifo", "gps", "similarity"]

    def test_gps_range_has_its_start_and_not_its_end(self, index):
        found = index.search(X[0], gps_range=(1e9 + 3, 1e9 + 5), n_neighbors=9)
        assert sorted(found.index.tolist()) == [3, 4]

    def test_open_range_leaves_unknown_gps_out(self):
        index = SimilarityIndex().fit(X[:3], gps=[1.0, np.nan, 3.0])
        found = index.search(X[0], gps_range=(-np.inf, np.inf))
        assert sorted(found.index.tolist()) == [0, 2]

    def test_table(self):
        index = SimilarityIndex().fit([[1, 0], [3, 4]], ids=["a", "b"], ifo="H1")
        found = index.search(id="a")
        assert found.index.name == "index"
        assert found.loc[1, ["id", "ifo"]].tolist() == ["b", "H1"]
        assert found.loc[1, "similarity"] == np.float32(0.6)
        assert np.isnan(found.loc[1, "gps"])

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "either X, an embedding, or id"),
            ({"X": X[0], "id": 1}, "either X, an embedding, or id"),
            ({"X": X[:2]}, "use kneighbors"),
            ({"id": 1, "n_neighbors": 0}, "at least 1, got 0"),
            ({"id": 1, "gps_range": (5, 5)}, "gps_range must be a start and a later end"),
            ({"id": 1, "gps_range": 5}, "gps_range must be .* got 5"),
            ({"id": 1, "ifo": "K1"}, r"ifo='K1' .* has \['H1', 'L1', 'V1'\]"),
            ({"id": 1, "ifo": 3}, "ifo must be a string or a list of strings, got 3"),
            ({"id": 1, "ifo": ["H1", None]}, "ifo must be a string or a list of str"),
            ({"id": 1, "gps_range": (np.float32(5), 6.0)}, "gps_range .*float32"),
            (
                {"id": 1, "gps_range": pd.to_datetime(["2019", "2020"])},
                "gps_range must be GPS times in s",
            ),
        ],
    )
    def test_errors(self, index, arguments, message):
        with pytest.raises(ValueError, match=message):
            index.search(**arguments)

    @pytest.mark.parametrize("id_", ["5", 300, "nobody", -1, True, np.True_, [5], (5,)])
    def test_unknown_id(self, index, id_):
        with pytest.raises(KeyError, match="not in the index"):
            index.search(id=id_)

    @pytest.mark.parametrize(
        ("ids", "id_", "message"),
        [
            (["g0", "g1"], np.str_("x"), "id='x' is not in the index, whose ids are like g0."),
            ([4, 5], np.int64(6), "id=6 is not in the index, whose ids are like 4."),
        ],
    )
    def test_unknown_id_is_told_as_it_is(self, ids, id_, message):
        with pytest.raises(KeyError) as error:
            SimilarityIndex().fit(X[:2], ids=ids).search(id=id_)
        assert error.value.args == (message,)

    def test_data_frames_without_a_warning(self):
        frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(8)])
        index = SimilarityIndex().fit(frame)
        again = pickle.loads(pickle.dumps(index))
        expected = index.search(id=3, n_neighbors=4).index.tolist()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for one in (index, again):
                assert one.search(frame.iloc[[3]], n_neighbors=5).index.tolist() == [3, *expected]
                assert one.search(frame.iloc[3], n_neighbors=5).index.tolist() == [3, *expected]
                assert one.kneighbors(frame.iloc[:2])[1].shape == (2, 5)
                one.partial_fit(frame.iloc[:1])
                with pytest.raises(ValueError, match="feature names should match"):
                    one.search(frame.iloc[3, ::-1])

    def test_gps_range_without_times(self):
        with pytest.raises(ValueError, match="gps_range"):
            SimilarityIndex().fit(X).search(id=1, gps_range=(0, 1))


class TestLabels:
    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            ({"ids": ["a", "b", "a"]}, "ids must be unique, but 'a'"),
            ({"ids": [1, 2]}, r"ids has shape \(2,\), but X has 3"),
            ({"ids": ["a", 1, 2]}, "all be strings or all be integers"),
            ({"ids": [0.5, 1, 2]}, "all be strings or all be integers"),
            (
                {"ids": [1, 2, 2**63]},
                r"integers below 2\*\*63, got 9223372036854775808",
            ),
            ({"gps": [1.0]}, "gps has shape"),
            (
                {"gps": pd.to_datetime([1, 2, 3], unit="s")},
                "gps must be GPS times in s, got da",
            ),
            ({"gps": ["noon"] * 3}, "gps must be GPS times in s, got 'noon'"),
            ({"gps": np.ones(3, np.float32)}, "gps must be .* 64 bits, got float32"),
            ({"ifo": ["H1"]}, "ifo has 1 values for 3 samples"),
        ],
    )
    def test_errors(self, labels, message):
        with pytest.raises(ValueError, match=message):
            SimilarityIndex().fit(X[:3], **labels)

    def test_large_ids_keep_their_value(self):
        ids = np.arange(3, dtype=np.uint64) + 2**63 - 3
        index = SimilarityIndex().fit(X[:3], ids=ids)
        assert index.ids_.tolist() == [2**63 - 3, 2**63 - 2, 2**63 - 1]
        assert index.search(id=2**63 - 1, n_neighbors=1).id.iloc[0] != 2**63 - 1

    def test_unknown_times_and_ifos(self):
        index = SimilarityIndex().fit(X[:3], gps=[None, 1, 2], ifo=["H1", None, "L1"])
        np.testing.assert_array_equal(index.gps_, [np.nan, 1, 2])
        assert index.ifo_.tolist() == ["H1", "", "L1"]
        assert index.search(X[0], ifo="L1").index.tolist() == [2]
        with pytest.raises(ValueError, match=r"ifo='None' .*\['', 'H1', 'L1'\]"):
            index.search(X[0], ifo="None")

    def test_in_parts_as_at_once(self):
        parts = SimilarityIndex()
        for rows in (slice(0, 100), slice(100, 101), slice(101, 300)):
            parts.partial_fit(X[rows], gps=GPS[rows], ifo=IFO[rows])
        whole = SimilarityIndex().fit(X, gps=GPS, ifo=IFO)
        for name in ("embeddings_", "ids_", "gps_", "ifo_"):
            np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))

    def test_wrong_part_changes_nothing(self):
        index = SimilarityIndex().fit(X[:3], ids=["a", "b", "c"])
        with pytest.raises(ValueError, match=r"'c' .*once"):
            index.partial_fit(X[3:5], ids=["c", "d"])
        with pytest.raises(ValueError, match=r" 1 .*'a'"):
            index.partial_fit(X[3:5], ids=[1, 2])
        assert index.ids_.tolist() == ["a", "b", "c"]
        assert len(index.embeddings_) == 3


@pytest.fixture(scope="module")
def clustered():
    rng = np.random.default_rng(1)
    centers = np.repeat(rng.standard_normal((40, 16)), 100, axis=0)
    return centers + 0.3 * rng.standard_normal((4000, 16))


class TestApproximate:
    def test_finds_nearly_all(self, clustered):
        exact = SimilarityIndex("exact").fit(clustered)
        near = SimilarityIndex("approximate").fit(clustered)
        distances, rows = near.kneighbors(None, 10)
        expected_distances, expected = exact.kneighbors(None, 10)
        hits = [np.isin(a, b).mean() for a, b in zip(rows, expected, strict=True)]
        assert np.mean(hits) > 0.95
        assert (rows != np.arange(4000)[:, np.newaxis]).all()
        assert (np.diff(distances, axis=1) >= 0).all()
        # Distances are those of the full vectors, not of the rounded ones.
        same = rows[:, 0] == expected[:, 0]
        np.testing.assert_allclose(distances[same, 0], expected_distances[same, 0], atol=1e-6)

    def test_finds_what_was_added(self, clustered):
        # Of kinds that were not there before: 25 clusters, then all 40.
        index = SimilarityIndex("approximate").fit(clustered[:2500])
        cells = index._cells
        index.partial_fit(clustered[2500:])
        assert index._cells is cells  # not made anew
        rows = index.kneighbors(clustered[3990:], 1, return_distance=False)
        assert rows.ravel().tolist() == list(range(3990, 4000))
        index.partial_fit(np.tile(clustered, (2, 1)) + 1e-3)
        assert index._cells.nlist == 109  # of 12,000

    def test_asks_for_more_than_the_cells_have(self, clustered):
        index = SimilarityIndex("approximate").fit(clustered)
        rows = index.kneighbors(clustered[:2], 3900, return_distance=False)
        assert rows.min() >= 0
        assert [len(set(row)) for row in rows.tolist()] == [3900, 3900]

    @pytest.mark.parametrize("n_samples", [1, 2, 5])
    def test_tiny_sets(self, n_samples, capfd):
        index = SimilarityIndex("approximate").fit(np.ones((n_samples, 3)))
        assert sorted(index.search([1, 1, 1]).index.tolist()) == list(range(n_samples))
        assert len(index.search(id=0)) == n_samples - 1
        assert "".join(capfd.readouterr()) == ""

    def test_automatic(self, clustered, monkeypatch):
        monkeypatch.setattr(_similarity_index, "_EXACT_UP_TO", 3000)
        assert SimilarityIndex().fit(clustered[:3000])._cells is None
        assert SimilarityIndex().fit(clustered[:3001])._cells is not None
        assert SimilarityIndex("exact").fit(clustered)._cells is None

    def test_without_faiss(self, clustered, monkeypatch):
        monkeypatch.setitem(sys.modules, "faiss", None)
        monkeypatch.setattr(_similarity_index, "_EXACT_UP_TO", 3000)
        assert SimilarityIndex().fit(clustered)._cells is None
        with pytest.raises(ImportError, match=r"skglitch\[similarity\]"):
            SimilarityIndex("approximate").fit(clustered)

    def test_state_is_plain_and_cells_are_rebuilt(self, clustered):
        index = SimilarityIndex("approximate").fit(clustered)
        expected = index.kneighbors(clustered[:9])[1]
        state = index.__getstate__()
        assert {type(value) for value in state.values()} <= {str, int, np.ndarray}
        again = pickle.loads(pickle.dumps(index))
        np.testing.assert_array_equal(again.kneighbors(clustered[:9])[1], expected)
        again = pickle.loads(pickle.dumps(index)).partial_fit(clustered[:1], ids=[9000])
        assert again.search(id=9000, n_neighbors=1)["id"].tolist() == [0]


FITTED = {
    method: SimilarityIndex(method).fit(X, gps=GPS, ifo=IFO) for method in ("exact", "approximate")
}
