"""NewClassFinder: clusters of known and new classes, odd data, scikit-learn's checks."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import check_random_state
from sklearn.utils.estimator_checks import parametrize_with_checks

from skglitch.datasets import load_gravity_spy
from skglitch.discovery import NewClassFinder
from skglitch.discovery._clusters import attach, mean_jaccard

CLASSES = np.array(["Blip", "Chirp", "Tomte", "New"])


@parametrize_with_checks(
    [NewClassFinder(n_resamples=1)],
    expected_failed_checks=lambda _: {},
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    """Four classes of 30, the last without labels and between the first two."""
    rng = np.random.default_rng(0)
    centers = np.eye(8)[:4]
    centers[3, :2] += 0.5
    codes = np.repeat(np.arange(4), 30)
    X = centers[codes] + rng.normal(0, 0.05, (120, 8))
    return X, np.where(codes < 3, CLASSES[codes], "").astype("U20"), codes


class TestClusters:
    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"clusterer": "guided"},
            {"clusterer": "hdbscan"},
            {"reducer": None},
            {"reducer": "tsne"},
            {"clusterer": "kmeans", "n_clusters": 4},
            {"clusterer": "agglomerative", "n_clusters": 4},
            {"clusterer": DBSCAN(eps=0.2)},
        ],
        ids=str,
    )
    def test_known_classes_are_named_and_the_new_one_stands_out(self, data, params):
        X, y, codes = data
        finder = NewClassFinder(n_resamples=2, random_state=0, **params).fit(X, y)
        assert adjusted_rand_score(codes, finder.labels_) > 0.9
        assert sorted(c.known_class for c in finder.clusters_ if not c.is_new) == sorted(
            CLASSES[:3]
        )
        (new,) = finder.new_clusters_
        assert np.mean(codes[finder.labels_ == new.label] == 3) == 1
        assert {label for label, _ in new.nearest_classes[:2]} == {"Blip", "Chirp"}
        assert np.isnan(new.purity)
        assert new.labeled == 0

    def test_labels_that_do_not_guide_name_clusters_and_do_not_move_them(self, data):
        X, y, _ = data
        bare = NewClassFinder(random_state=0).fit(X)
        named = NewClassFinder(clusterer="hdbscan", random_state=0).fit(X, y)
        assert_array_equal(bare.labels_, named.labels_)
        assert len(bare.new_clusters_) == len(bare.clusters_) == 4

    def test_records_by_hand(self, data):
        X, y, _ = data
        y[:6] = "Chirp"
        finder = NewClassFinder(reducer=None, normalize=False, random_state=0).fit(X, y)
        blip = finder.clusters_[finder.labels_[29]]
        rows = np.flatnonzero(finder.labels_ == blip.label)
        assert blip.size == len(rows)
        assert blip.purity == np.mean(y[rows] == "Blip")
        distances = np.linalg.norm(X[rows] - X[rows].mean(axis=0), axis=1)
        assert_array_equal(blip.typical, rows[np.argsort(distances)[:5]])
        assert finder.membership_[blip.borderline[0]] == finder.membership_[rows].min()
        a = X[rows].mean(axis=0) - X.mean(axis=0)
        b = X[y == "Tomte"].mean(axis=0) - X.mean(axis=0)
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert dict(blip.nearest_classes)["Tomte"] == pytest.approx(cosine)

    def test_the_largest_new_cluster_comes_first(self):
        rng = np.random.default_rng(0)
        sizes = (12, 30, 20, 15)
        X = np.repeat(np.eye(6)[:4], sizes, axis=0)
        X += rng.normal(0, 0.05, X.shape)
        known = np.repeat(["", "", "", "Blip"], sizes)
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, known)
        assert [cluster.size for cluster in finder.new_clusters_] == [30, 20, 12]

    def test_thresholds_of_what_is_known(self, data):
        X, y, _ = data
        y[92:95] = "Chirp"
        few = NewClassFinder(clusterer="hdbscan", n_resamples=0, random_state=0)
        assert len(few.fit(X, y).new_clusters_) == 0
        assert len(few.set_params(min_labeled=0.2).fit(X, y).new_clusters_) == 1
        y[92] = "Blip"
        strict = few.set_params(min_labeled=0.05, min_purity=0.9).fit(X, y)
        assert [round(c.purity, 2) for c in strict.new_clusters_] == [0.67]

    def test_known_classes_in_one_cluster_are_mixed_and_not_new(self, data):
        X, y, codes = data
        y = np.where(codes < 3, np.arange(120) % 3, -1)
        finder = NewClassFinder(clusterer="hdbscan", n_resamples=0, min_purity=0.8).fit(X, y)
        assert [c.known_class for c in finder.clusters_] == [None] * 4
        assert len(finder.new_clusters_) == 1
        assert finder.summary().count(" mixed ") == 3

    @pytest.mark.parametrize("mark", ["None_of_the_Above", ["None_of_the_Above", "?"]])
    def test_a_class_of_leftovers_counts_as_unlabeled(self, data, mark):
        X, y, _ = data
        y[y == ""] = "None_of_the_Above"
        y[:3] = "?"
        y[3:5] = ""
        if "?" not in mark:
            y[:3] = "Blip"
        finder = NewClassFinder(unlabeled=mark, random_state=0).fit(X, y)
        assert finder.classes_.tolist() == ["Blip", "Chirp", "Tomte"]
        assert len(finder.new_clusters_) == 1

    def test_numbers_and_none_as_labels(self, data):
        X, y, codes = data
        numbers = NewClassFinder(random_state=0).fit(X, np.where(codes < 3, codes, -1))
        assert numbers.classes_.tolist() == [0, 1, 2]
        objects = np.where(y == "", None, y)
        assert len(NewClassFinder(random_state=0).fit(X, objects).new_clusters_) == 1

    def test_one_class_splits_into_what_it_is_made_of(self, data):
        X, _, codes = data
        finder = NewClassFinder(random_state=0).fit(X[codes != 3])
        assert len(finder.clusters_) == 3

    def test_new_samples(self, data):
        X, y, _ = data
        finder = NewClassFinder(random_state=0).fit(X, y)
        rng = np.random.default_rng(1)
        labels = finder.predict(X + rng.normal(0, 0.01, X.shape))
        assert np.mean(labels == finder.labels_) > 0.95

    def test_random_state(self, data):
        X, y, _ = data
        first, second = (NewClassFinder(reducer="tsne", random_state=3).fit(X, y) for _ in range(2))
        assert_array_equal(first.places_, second.places_)
        assert [c.stability for c in first.clusters_] == [c.stability for c in second.clusters_]

    def test_summary(self, data):
        X, y, _ = data
        lines = NewClassFinder(random_state=0).fit(X, y).summary().splitlines()
        header = "cluster class size purity [%] stability [%] most alike"
        assert " ".join(lines[0].split()) == header
        assert sum(" new " in line for line in lines) == 1
        assert lines[-1].startswith("In no cluster: ")


@pytest.fixture
def unseen():
    """Labeled glitches of four classes, and others of these and of two new kinds, in a net's way.

    Half of the features are noise, and the labeled ones are tighter than the others.
    """
    rng = np.random.default_rng(1)
    codes = np.concatenate([np.repeat(np.arange(4), 40), np.repeat(np.arange(6), 25)])
    labeled = np.arange(len(codes)) < 160
    X = 1.5 * np.eye(6)[codes] + rng.normal(0, np.where(labeled, 0.15, 0.19)[:, None], (310, 6))
    X = np.hstack([X, rng.normal(0, 0.3, (310, 6))]) + 1
    return X, np.where(labeled, np.array(list("abcdef"))[codes], ""), codes, labeled


def lean_on_a_class(rng, n_labeled, n_new, distance):
    """Four classes, and a new kind that differs from the first by a distance along one axis."""
    codes = np.concatenate(
        [np.repeat(np.arange(4), n_labeled), np.repeat(np.arange(4), 60), np.repeat(4, n_new)]
    )
    labeled = np.arange(len(codes)) < 4 * n_labeled
    X = 1.5 * np.eye(6)[np.where(codes == 4, 0, codes)]
    X[codes == 4, 4] = distance
    X += rng.normal(0, 0.15, X.shape)
    X = np.hstack([X, rng.normal(0, 0.3, X.shape)]) + 1
    return X, np.where(labeled, np.array(list("abcde"))[codes], ""), codes


def along_lines(rng, n_labeled):
    """Four classes and a new kind, each of which differs within along an axis of its own."""
    codes = np.concatenate([np.repeat(np.arange(4), n_labeled), np.repeat(np.arange(5), 60)])
    labeled = np.arange(len(codes)) < 4 * n_labeled
    along = rng.uniform(-0.8, 0.8, len(codes))
    X = np.hstack([np.eye(5)[codes], np.eye(5)[codes] * along[:, None], np.zeros((len(codes), 20))])
    X += rng.normal(0, 0.05, X.shape)
    return X, np.where(labeled, np.array(list("abcde"))[codes], ""), codes


def beyond_the_first_axes(rng):
    """Two classes that differ along an axis that is weaker than 40 of noise."""
    codes = np.tile(np.repeat(np.arange(2), 60), 2)
    X = np.hstack([rng.normal(0, 0.7, (len(codes), 40)), 0.6 * np.eye(2)[codes]])
    X[:, 40:] += rng.normal(0, 0.1, (len(codes), 2))
    return X, np.where(np.arange(len(codes)) < 120, np.array(list("ab"))[codes], ""), codes


def most_in_one(finder, is_new):
    """Give the greatest number of new glitches that are in one new cluster."""
    return max((np.sum(is_new[finder.labels_ == c.label]) for c in finder.new_clusters_), default=0)


class TestGuided:
    @pytest.mark.parametrize("n_labeled", [5, 8])
    def test_few_labels_leave_a_new_kind_whole(self, n_labeled):
        found = []
        for seed in range(8):
            X, y, codes = along_lines(np.random.default_rng(seed), n_labeled)
            finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
            found.append(most_in_one(finder, codes == 4))
        # All 60 are. By the distances within classes alone it is 31: they come in two or three.
        assert np.mean(found) > 57

    def test_few_labels_of_real_glitches(self, gravity_spy_o1, gravity_spy_o3):
        options = {"durations": (4.0,), "return_X_y": True, "progress": False}
        sets = [load_gravity_spy(path, **options) for path in (gravity_spy_o1, gravity_spy_o3)]
        images, names = (np.concatenate(parts) for parts in zip(*sets, strict=True))
        X = images[:, 0].reshape(len(images), 14, 10, 17, 10).mean(axis=(2, 4)).reshape(-1, 238)
        found = []
        for seed in range(4):
            drawn = np.random.default_rng(seed).permutation(len(names))
            y = np.full(len(names), "", dtype=names.dtype)
            for name in set(names) - {"Fast_Scattering"}:
                few = drawn[names[drawn] == name][:5]
                y[few] = name
            finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
            found.append(most_in_one(finder, names == "Fast_Scattering"))
        assert np.mean(found) > 40

    def test_weak_axes_tell_classes_too(self):
        right = []
        for seed in range(4):
            X, y, codes = beyond_the_first_axes(np.random.default_rng(seed))
            finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
            right.append(np.mean(finder.labels_[y == ""] == codes[y == ""]))
        # By the 30 whitened axes alone it is 0.61.
        assert np.mean(right) > 0.72

    def test_members_that_look_like_a_known_class_come_back(self):
        found, others = [], []
        for seed in range(1, 5):
            rng = np.random.default_rng(seed)
            X, y, codes = lean_on_a_class(rng, 40, 80, rng.uniform(0.3, 1.5, 80))
            finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
            (new,) = finder.new_clusters_
            found.append(np.sum(codes[finder.labels_ == new.label] == 4))
            others.append(new.size - found[-1])
        # By themselves 62 of the 80 look new, and 4 of other classes.
        assert np.mean(found) > 72
        assert np.mean(others) < 3

    def test_a_cluster_that_shrinks_is_none(self):
        rng = np.random.default_rng(6)
        X, y, _codes = lean_on_a_class(rng, 40, 80, rng.uniform(0.3, 1.5, 80))
        (new,) = NewClassFinder(n_resamples=0, random_state=0).fit(X, y).new_clusters_
        # One more looks new at first.
        finder = NewClassFinder(min_cluster_size=new.size + 1, n_resamples=0, random_state=0)
        assert finder.fit(X, y).new_clusters_ == ()

    def test_a_doubtful_label_has_a_low_membership(self, unseen):
        X, y, _codes, _labeled = unseen
        y[0] = "b"
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        assert finder.membership_[0] < 0.5 < np.median(finder.membership_)

    def test_subsample_without_labels(self, unseen):
        X, y, _codes, labeled = unseen
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        rows = np.flatnonzero(~labeled)
        again = finder.clusterer_.cluster(rows)
        assert adjusted_rand_score(finder.labels_[rows], again) > 0.8

    def test_thousands_of_a_new_kind_leave_a_class_its_own(self):
        X, y, codes = lean_on_a_class(np.random.default_rng(1), 20, 2000, 0.8)
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        is_new = np.isin(finder.labels_, [cluster.label for cluster in finder.new_clusters_])
        assert is_new[codes == 4].mean() > 0.95
        assert is_new[codes == 0].mean() < 0.1

    def test_new_kinds_stand_out(self, unseen):
        X, y, codes, labeled = unseen
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        assert adjusted_rand_score(codes[~labeled], finder.labels_[~labeled]) > 0.95
        assert [c.known_class for c in finder.clusters_] == ["a", "b", "c", "d", None, None]

    def test_labeled_glitches_keep_their_class(self, unseen):
        X, y, codes, labeled = unseen
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        assert_array_equal(finder.labels_[labeled], codes[labeled])
        assert [c.purity for c in finder.clusters_[:4]] == [1] * 4
        assert np.isnan([c.purity for c in finder.new_clusters_]).all()

    @pytest.mark.parametrize("wider", [1.0, 1.5])
    def test_nothing_new(self, unseen, wider):
        X, y, codes, labeled = unseen
        # Of classes that a net embeds more tightly where it was trained on them.
        means = np.stack([X[labeled & (codes == code)].mean(axis=0) for code in range(4)])
        known = ~labeled & (codes < 4)
        X[known] = means[codes[known]] + wider * (X[known] - means[codes[known]])
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X[codes < 4], y[codes < 4])
        assert finder.new_clusters_ == ()
        assert adjusted_rand_score(codes[codes < 4], finder.labels_) > 0.95

    def test_unlabeled_copies_of_labeled_ones(self, unseen):
        X, y, codes, labeled = unseen
        X, y = np.repeat(X[labeled], 2, axis=0), np.repeat(y[labeled], 2)
        y[::2] = ""
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        assert_array_equal(finder.labels_, np.repeat(codes[labeled], 2))

    def test_few_known_among_many_unlabeled_are_a_known_class_still(self, unseen):
        X, y, _codes, labeled = unseen
        many = np.concatenate([X, *(X[~labeled] + 0.001 * i for i in range(1, 20))])
        finder = NewClassFinder(n_resamples=0, random_state=0)
        finder.fit(many, np.concatenate([y, np.repeat("", len(many) - len(y))]))
        assert [c.known_class for c in finder.clusters_[:4]] == list("abcd")
        assert min(c.labeled for c in finder.clusters_[:4]) < finder.min_labeled

    def test_new_samples_and_stability(self, unseen):
        X, y, _, _labeled = unseen
        finder = NewClassFinder(n_resamples=3, random_state=0).fit(X, y)
        noisy = X + np.random.default_rng(0).normal(0, 0.02, X.shape)
        assert np.mean(finder.predict(noisy) == finder.labels_) > 0.95
        assert min(c.stability for c in finder.clusters_) > 0.75
        assert ((finder.membership_ >= 0) & (finder.membership_ <= 1)).all()

    def test_lone_oddities_are_in_no_cluster(self, unseen):
        X, y, codes, _ = unseen
        odd = X[codes == 5][:3]
        few = np.concatenate([X[codes < 4], odd])
        labels = np.concatenate([y[codes < 4], [""] * 3])
        finder = NewClassFinder(n_resamples=0, random_state=0, min_cluster_size=5)
        assert finder.fit(few, labels).new_clusters_ == ()
        assert finder.labels_[-3:].tolist() == [-1, -1, -1]
        # Within reach of a cluster, one does belong to it.
        alone = np.concatenate([X[codes < 4], X[codes == 0].mean(axis=0)[None]])
        labels = np.concatenate([y[codes < 4], [""]])
        assert finder.fit(alone, labels).labels_[-1] == 0

    def test_many_samples_take_the_quick_way(self, unseen, monkeypatch):
        X, y, _codes, _labeled = unseen
        whole = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        monkeypatch.setattr("skglitch.discovery._guided._MOST_PAIRED", 30)
        quick = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        assert adjusted_rand_score(whole.labels_, quick.labels_) > 0.85

    def test_labels_enough(self, unseen):
        X, y, _codes, _labeled = unseen
        few = np.where(np.arange(len(y)) % 40 < 3, y, "")
        auto = NewClassFinder(n_resamples=0, random_state=0).fit(X, few)
        blind = NewClassFinder(clusterer="hdbscan", n_resamples=0, random_state=0).fit(X, few)
        assert_array_equal(auto.labels_, blind.labels_)
        with pytest.raises(ValueError, match=r"needs 20 labeled samples of two .* 3, 3, 3, 3\."):
            NewClassFinder(clusterer="guided").fit(X, few)
        with pytest.raises(ValueError, match=r"y has none"):
            NewClassFinder(clusterer="guided").fit(X)


class TestReach:
    def test_joins_what_is_at_the_rim(self):
        places = np.concatenate([np.arange(10.0), [10.8, 14.0, 40.0], np.arange(20.0, 30)])[:, None]
        labels = np.repeat([0, -1, 1], [10, 3, 10])
        # The loneliest member is 2 away from its 3 nearest, on average: of 0, 1 and 2 and 3.
        joined = attach(places, labels, 1.5)
        assert joined[10:13].tolist() == [0, -1, -1]
        assert attach(places, labels, 20.0)[10:13].tolist() == [0, 0, 1]
        assert_array_equal(attach(places, labels, 0), labels)

    def test_nothing_to_join_to(self):
        labels = np.full(4, -1)
        assert_array_equal(attach(np.ones((4, 1)), labels, 1.5), labels)


class TestLabels:
    @pytest.mark.parametrize("missing", ["", None, np.nan, -1])
    def test_what_is_no_label(self, data, missing):
        X, y, _codes = data
        given = np.array([label or missing for label in y.tolist()], dtype=object)
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, given)
        assert finder.classes_.tolist() == ["Blip", "Chirp", "Tomte"]
        assert len(finder.new_clusters_) == 1

    def test_columns_of_data_frames(self, data):
        pd = pytest.importorskip("pandas")
        X, y, codes = data
        for column in (
            pd.Series(np.where(codes < 3, codes, np.nan)),
            pd.Series(np.where(codes < 3, codes, -1)).astype("Int64").replace(-1, pd.NA),
            pd.Series(y).replace("", pd.NA).astype("string"),
            pd.Series(y).replace("", None).astype("category"),
        ):
            finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, column)
            assert len(finder.classes_) == 3
            assert len(finder.new_clusters_) == 1

    def test_unknown_mark(self, data):
        X, y, _ = data
        with pytest.raises(ValueError, match=r"unlabeled='Nope' is not among .*'Tomte'\."):
            NewClassFinder(unlabeled="Nope").fit(X, y)

    def test_mixed_kinds(self, data):
        X, y, _ = data
        mixed = y.astype(object)
        mixed[0] = 3
        with pytest.raises(ValueError, match="strings only or numbers only, found int and str"):
            NewClassFinder().fit(X, mixed)


class TestStability:
    def test_jaccard_by_hand(self):
        labels = np.repeat([0, 1], 10)
        half = mean_jaccard(
            lambda rows: np.where(rows < 10, 0, -1),
            labels,
            n_resamples=4,
            random_state=check_random_state(0),
        )
        # The first is found whole each time, of the second nothing is found.
        assert_allclose(half, [1, 0])
        merged = mean_jaccard(
            lambda rows: np.zeros(len(rows), int),
            labels,
            n_resamples=50,
            random_state=check_random_state(0),
        )
        assert_allclose(merged, 0.5, atol=0.05)

    def test_real_clusters_are_stable_and_halves_of_one_are_not(self, data):
        X, y, _ = data
        real = NewClassFinder(random_state=0).fit(X, y)
        assert min(c.stability for c in real.clusters_) > 0.8
        blob = np.random.default_rng(0).normal(size=(100, 8))
        cut = NewClassFinder(clusterer="kmeans", n_clusters=6, random_state=0).fit(blob)
        assert min(c.stability for c in cut.clusters_) < 0.6

    def test_none_drawn(self, data):
        finder = NewClassFinder(n_resamples=0).fit(data[0])
        assert np.isnan([c.stability for c in finder.clusters_]).all()


class TestData:
    def test_constant_embeddings_are_one_cluster(self):
        finder = NewClassFinder(random_state=0).fit(np.ones((30, 5)))
        assert [c.size for c in finder.clusters_] == [30]

    def test_nothing_but_noise(self):
        finder = NewClassFinder(clusterer=DBSCAN(eps=1e-6), random_state=0)
        finder.fit(np.random.default_rng(0).normal(size=(30, 5)))
        assert finder.clusters_ == ()
        assert set(finder.predict(np.ones((2, 5)))) == {-1}
        assert "In no cluster: 30 of 30" in finder.summary()

    def test_duplicates(self):
        X = np.repeat(np.eye(5)[:3], 20, axis=0)
        finder = NewClassFinder(random_state=0).fit(X)
        assert adjusted_rand_score(np.repeat([0, 1, 2], 20), finder.labels_) == 1

    def test_few_samples(self):
        assert NewClassFinder().fit([[0.0, 1.0], [1.0, 0.0]]).labels_.tolist() == [-1, -1]

    def test_clusters_as_many_as_subsamples_have_samples(self):
        NewClassFinder(n_resamples=2, random_state=0).fit(np.eye(3))
        X = np.random.default_rng(0).normal(size=(50, 4))
        NewClassFinder(clusterer="kmeans", n_clusters=45, n_resamples=2, random_state=0).fit(X)

    def test_output_of_pandas(self, data):
        pytest.importorskip("pandas")
        X, y, _ = data
        bare = NewClassFinder(n_resamples=1, random_state=0)
        for labels in (None, y):
            expected = bare.fit(X, labels).labels_
            with config_context(transform_output="pandas"):
                assert_array_equal(bare.fit(X, labels).labels_, expected)

    def test_nan(self, data):
        X, y, _ = data
        X[2, 2] = np.nan
        with pytest.raises(ValueError, match="contains NaN"):
            NewClassFinder().fit(X, y)

    def test_lengths(self, data):
        X, y, _ = data
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            NewClassFinder().fit(X, y[:-1])

    def test_number_of_clusters_is_needed(self, data):
        with pytest.raises(ValueError, match="clusterer='kmeans' needs n_clusters"):
            NewClassFinder(clusterer="kmeans").fit(data[0])

    def test_umap_that_is_not_installed(self, data, monkeypatch):
        monkeypatch.setitem(sys.modules, "umap", None)
        with pytest.raises(ImportError, match=r'pip install "skglitch\[umap\]"'):
            NewClassFinder(reducer="umap").fit(data[0])
