"""NewClassFinder and describe_clusters: known and new classes, odd data, scikit-learn's checks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils.estimator_checks import parametrize_with_checks

from skglitch.datasets import load_gravity_spy
from skglitch.discovery import NewClassFinder, NoveltyDetector, describe_clusters
from skglitch.discovery._clusters import mean_jaccard
from skglitch.discovery._guided import attach

CLASSES = np.array(["Blip", "Chirp", "Tomte", "New"])
NEEDS_LABELS = "fits without labels, and the search needs those of known classes"
FEW_LABELS = "fits with fewer labels than the search needs"
EXPECTED_FAILURES = {
    "check_clustering": NEEDS_LABELS,
    "check_n_features_in_after_fitting": FEW_LABELS,
    "check_estimators_nan_inf": FEW_LABELS,
    "check_fit2d_1feature": FEW_LABELS,
}


@parametrize_with_checks(
    [NewClassFinder(n_resamples=1)],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
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


class TestFinder:
    def test_known_classes_are_named_and_the_new_one_stands_out(self, data):
        X, y, codes = data
        finder = NewClassFinder(n_resamples=2, random_state=0).fit(X, y)
        assert adjusted_rand_score(codes, finder.labels_) > 0.9
        assert finder.clusters_["class"].tolist()[:3] == sorted(CLASSES[:3])
        assert finder.clusters_["kind"].tolist() == ["known"] * 3 + ["new"]
        (label,), new = finder.new_clusters_.index, finder.new_clusters_.iloc[0]
        assert np.mean(codes[finder.labels_ == label] == 3) == 1
        assert {new["nearest_1"], new["nearest_2"]} == {"Blip", "Chirp"}
        assert np.isnan(new["purity"])
        assert new["class"] is None
        assert new["labeled"] == 0

    def test_members(self, data):
        X, y, _ = data
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        for label, cluster in finder.clusters_.iterrows():
            rows = np.flatnonzero(finder.labels_ == label)
            points = finder.embedding_[rows]
            distances = np.linalg.norm(points - points.mean(axis=0), axis=1)
            assert cluster["typical"] == rows[np.argsort(distances)[:5]].tolist()
            probabilities = finder.probabilities_[rows]
            assert cluster["borderline"] == rows[np.argsort(probabilities)[:5]].tolist()

    def test_the_largest_new_cluster_comes_first(self):
        rng = np.random.default_rng(0)
        sizes = (12, 30, 20, 15, 15)
        X = np.repeat(np.eye(8)[:5], sizes, axis=0)
        X += rng.normal(0, 0.05, X.shape)
        known = np.repeat(["", "", "", "Blip", "Tomte"], sizes)
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, known)
        assert finder.new_clusters_["size"].tolist() == [30, 20, 12]

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
        assert numbers.clusters_["class"].tolist() == [0, 1, 2, None]
        objects = np.where(y == "", None, y)
        assert len(NewClassFinder(random_state=0).fit(X, objects).new_clusters_) == 1

    def test_new_samples(self, data):
        X, y, _ = data
        finder = NewClassFinder(random_state=0).fit(X, y)
        rng = np.random.default_rng(1)
        labels = finder.predict(X + rng.normal(0, 0.01, X.shape))
        assert np.mean(labels == finder.labels_) > 0.95

    def test_fit_predict_takes_labels(self, data):
        X, y, _ = data
        finder = NewClassFinder(n_resamples=0, random_state=0)
        assert_array_equal(finder.fit_predict(X, y), finder.fit(X, y).labels_)

    def test_random_state(self, data):
        X, y, _ = data
        first, second = (NewClassFinder(random_state=3).fit(X, y) for _ in range(2))
        assert_array_equal(first.probabilities_, second.probabilities_)
        assert first.clusters_["stability"].tolist() == second.clusters_["stability"].tolist()

    def test_novelty_is_that_of_the_detector(self, data):
        X, y, _ = data
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        detector = NoveltyDetector(random_state=0).fit(X[y != ""], y[y != ""])
        assert_array_equal(finder.novelty_p_values_[y == ""], detector.p_values(X[y == ""]))
        assert_array_equal(finder.novelty_p_values_[y != ""], detector.held_out_p_values_)
        assert_array_equal(finder.is_novel_[y == ""], detector.predict(X[y == ""]) == -1)
        other = NoveltyDetector("knn", n_neighbors=2, false_alarm_probability=0.2)
        finder.set_params(detector=other).fit(X, y)
        assert not hasattr(other, "offset_")
        other.fit(X[y != ""], y[y != ""])
        assert_array_equal(finder.novelty_p_values_[y == ""], other.p_values(X[y == ""]))

    def test_too_few_labels(self, unseen):
        X, y, _codes, _labeled = unseen
        few = np.where(np.arange(len(y)) % 40 < 3, y, "")
        with pytest.raises(ValueError, match=r"20 labeled .* 3, 3, 3, 3\."):
            NewClassFinder().fit(X, few)
        with pytest.raises(ValueError, match="describe_clusters"):
            NewClassFinder().fit(X, np.repeat("", len(X)))
        with pytest.raises(ValueError, match=r"y is None.*describe_clusters"):
            NewClassFinder().fit(X, None)


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
    sizes = [np.sum(is_new[finder.labels_ == label]) for label in finder.new_clusters_.index]
    return max(sizes, default=0)


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
            (label,) = finder.new_clusters_.index
            found.append(np.sum(codes[finder.labels_ == label] == 4))
            others.append(np.sum(finder.labels_ == label) - found[-1])
        # By themselves 62 of the 80 look new, and 4 of other classes.
        assert np.mean(found) > 72
        assert np.mean(others) < 3

    def test_a_cluster_that_shrinks_is_none(self):
        rng = np.random.default_rng(6)
        X, y, _codes = lean_on_a_class(rng, 40, 80, rng.uniform(0.3, 1.5, 80))
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        (size,) = finder.new_clusters_["size"]
        # One more looks new at first.
        finder.set_params(min_cluster_size=size + 1)
        assert len(finder.fit(X, y).new_clusters_) == 0

    def test_a_doubtful_label_has_a_low_probability(self, unseen):
        X, y, _codes, _labeled = unseen
        y[0] = "b"
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        assert finder.probabilities_[0] < 0.5 < np.median(finder.probabilities_)

    def test_subsample_without_labels(self, unseen):
        X, y, _codes, labeled = unseen
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        rows = np.flatnonzero(~labeled)
        again = finder._clustering.cluster(rows)
        assert adjusted_rand_score(finder.labels_[rows], again) > 0.8

    def test_thousands_of_a_new_kind_leave_a_class_its_own(self):
        X, y, codes = lean_on_a_class(np.random.default_rng(1), 20, 2000, 0.8)
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        is_new = np.isin(finder.labels_, finder.new_clusters_.index)
        assert is_new[codes == 4].mean() > 0.95
        assert is_new[codes == 0].mean() < 0.1

    def test_new_kinds_stand_out(self, unseen):
        X, y, codes, labeled = unseen
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        assert adjusted_rand_score(codes[~labeled], finder.labels_[~labeled]) > 0.95
        assert finder.clusters_["class"].tolist() == ["a", "b", "c", "d", None, None]

    def test_labeled_glitches_keep_their_class(self, unseen):
        X, y, codes, labeled = unseen
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        assert_array_equal(finder.labels_[labeled], codes[labeled])
        assert finder.clusters_["purity"].tolist()[:4] == [1] * 4
        assert finder.new_clusters_["purity"].isna().all()

    @pytest.mark.parametrize("wider", [1.0, 1.5])
    def test_nothing_new(self, unseen, wider):
        X, y, codes, labeled = unseen
        # Of classes that a net embeds more tightly where it was trained on them.
        means = np.stack([X[labeled & (codes == code)].mean(axis=0) for code in range(4)])
        known = ~labeled & (codes < 4)
        X[known] = means[codes[known]] + wider * (X[known] - means[codes[known]])
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X[codes < 4], y[codes < 4])
        assert len(finder.new_clusters_) == 0
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
        assert finder.clusters_["class"].tolist()[:4] == list("abcd")
        assert finder.clusters_["labeled"][:4].min() < 0.1

    def test_new_samples_and_stability(self, unseen):
        X, y, _, _labeled = unseen
        finder = NewClassFinder(n_resamples=3, random_state=0).fit(X, y)
        noisy = X + np.random.default_rng(0).normal(0, 0.02, X.shape)
        assert np.mean(finder.predict(noisy) == finder.labels_) > 0.95
        assert finder.clusters_["stability"].min() > 0.75
        assert ((finder.probabilities_ >= 0) & (finder.probabilities_ <= 1)).all()

    def test_lone_oddities_are_in_no_cluster(self, unseen):
        X, y, codes, _ = unseen
        odd = X[codes == 5][:3]
        few = np.concatenate([X[codes < 4], odd])
        labels = np.concatenate([y[codes < 4], [""] * 3])
        finder = NewClassFinder(n_resamples=0, random_state=0, min_cluster_size=5)
        assert len(finder.fit(few, labels).new_clusters_) == 0
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


class TestReach:
    def test_joins_what_is_at_the_rim(self):
        points = np.concatenate([np.arange(10.0), [10.8, 14.0, 40.0], np.arange(20.0, 30)])[:, None]
        labels = np.repeat([0, -1, 1], [10, 3, 10])
        # The loneliest member is 2 away from its 3 nearest, on average: of 0, 1 and 2 and 3.
        assert attach(points, labels)[10:13].tolist() == [0, -1, -1]

    def test_nothing_to_join_to(self):
        labels = np.full(4, -1)
        assert_array_equal(attach(np.ones((4, 1)), labels), labels)


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
        with pytest.raises(ValueError, match=r"unlabeled='Nope' .*'Tomte'"):
            NewClassFinder(unlabeled="Nope").fit(X, y)

    def test_mixed_kinds(self, data):
        X, y, _ = data
        mixed = y.astype(object)
        mixed[0] = 3
        with pytest.raises(ValueError, match="int and str"):
            NewClassFinder().fit(X, mixed)


RECIPE = make_pipeline(Normalizer(), PCA(8), HDBSCAN(5, min_samples=3, copy=True))


class TestDescribe:
    @pytest.mark.parametrize(
        "clusterer",
        [RECIPE, KMeans(4, random_state=0), AgglomerativeClustering(4), DBSCAN(eps=0.2)],
        ids=lambda clusterer: type(clusterer).__name__,
    )
    def test_clusterers_of_scikit_learn(self, data, clusterer):
        X, y, codes = data
        labels = clusterer.fit_predict(X)
        assert adjusted_rand_score(codes, labels) > 0.9
        found = describe_clusters(X, labels, y, clusterer=clusterer, random_state=0)
        assert sorted(found["class"][found["kind"] == "known"]) == sorted(CLASSES[:3])
        assert found["stability"].min() > 0.8
        (new,) = found.index[found["kind"] == "new"]
        assert np.mean(codes[labels == new] == 3) == 1
        assert {found["nearest_1"][new], found["nearest_2"][new]} == {"Blip", "Chirp"}

    def test_by_hand(self, data):
        X, y, codes = data
        y[:6] = "Chirp"
        probabilities = np.random.default_rng(0).uniform(size=120)
        found = describe_clusters(X, codes, y, probabilities=probabilities)
        assert found.index.tolist() == [0, 1, 2, 3]
        assert found.index.name == "cluster"
        blip, rows = found.loc[0], np.arange(30)
        assert (blip["size"], blip["purity"], blip["labeled"]) == (30, 0.8, 1)
        assert found["labeled"].tolist() == [1, 1, 1, 0]
        assert found["stability"].isna().all()
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        distances = np.linalg.norm(X[rows] - X[rows].mean(axis=0), axis=1)
        assert blip["typical"] == np.argsort(distances)[:5].tolist()
        assert blip["borderline"] == np.argsort(probabilities[rows])[:5].tolist()
        far = describe_clusters(X, codes, y)["borderline"][0]
        assert far == np.argsort(-distances)[:5].tolist()
        a = X[rows].mean(axis=0) - X.mean(axis=0)
        b = X[y == "Tomte"].mean(axis=0) - X.mean(axis=0)
        (rank,) = [k for k in (1, 2, 3) if blip[f"nearest_{k}"] == "Tomte"]
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert blip[f"cosine_{rank}"] == pytest.approx(cosine)

    def test_thresholds(self, data):
        X, y, codes = data
        kind = lambda: describe_clusters(X, codes, y)["kind"][3]  # noqa: E731
        y[92:94] = "Chirp"
        assert kind() == "new"  # 2 of 30 are labeled
        y[94] = "Chirp"
        assert kind() == "known"
        y[93], y[94] = "Blip", "Tomte"
        assert kind() == "new"  # a third of those labeled is of one class

    def test_known_classes_in_one_cluster_are_mixed(self, data):
        X, _, codes = data
        y = np.where(codes < 3, np.arange(120) % 3, -1)
        found = describe_clusters(X, codes, y)
        assert found["kind"].tolist() == ["mixed"] * 3 + ["new"]
        assert found["class"].tolist() == [None] * 4

    def test_without_labels(self, data):
        X, _, codes = data
        found = describe_clusters(X, np.where(codes == 1, -1, 10 * codes))
        assert found.index.tolist() == [0, 20, 30]
        assert (found["kind"] == "new").all()
        assert found["nearest_1"].isna().all()

    def test_nothing_but_noise(self):
        X = np.random.default_rng(0).normal(size=(30, 5))
        found = describe_clusters(X, np.full(30, -1), clusterer=DBSCAN(eps=1e-6))
        assert len(found) == 0
        assert "stability" in found

    def test_halves_of_a_class_are_not_stable(self):
        blob = np.random.default_rng(0).normal(size=(100, 8))
        clusterer = KMeans(6, random_state=0)
        labels = clusterer.fit_predict(blob)
        found = describe_clusters(blob, labels, clusterer=clusterer, random_state=0)
        assert found["stability"].min() < 0.6

    def test_jaccard_by_hand(self):
        labels = np.repeat([0, 1], 10)
        half = mean_jaccard(lambda rows: np.where(rows < 10, 0, -1), labels, 4, 0, None)
        # The first is found whole each time, of the second nothing is found.
        assert_allclose(half, [1, 0])
        merged = mean_jaccard(lambda rows: np.zeros(len(rows), int), labels, 50, 0, None)
        assert_allclose(merged, 0.5, atol=0.05)

    def test_errors(self, data):
        X, y, codes = data
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            describe_clusters(X, codes[:-1], y)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            describe_clusters(X, codes, y[:-1])
        with pytest.raises(ValueError, match=r"labels .*integers"):
            describe_clusters(X, y)
        with pytest.raises(ValueError, match="n_resamples"):
            describe_clusters(X, codes, n_resamples=-1)


class TestData:
    def test_no_stability_is_asked_for(self, data):
        X, y, _ = data
        finder = NewClassFinder(n_resamples=0, random_state=0).fit(X, y)
        assert finder.clusters_["stability"].isna().all()

    def test_duplicates(self):
        X, codes = np.repeat(np.eye(9)[:3], 20, axis=0), np.repeat([0, 1, 2], 20)
        y = np.array(["a", "b", "c"])[codes].astype(object)
        y[::2] = None
        finder = NewClassFinder(n_resamples=2, random_state=0).fit(X, y)
        assert adjusted_rand_score(codes, finder.labels_) == 1
        labels = RECIPE.fit_predict(X)
        assert adjusted_rand_score(codes, labels) == 1
        assert (describe_clusters(X, labels, y)["purity"] == 1).all()

    def test_output_of_pandas(self, data):
        X, y, _ = data
        bare = NewClassFinder(n_resamples=1, random_state=0)
        expected = bare.fit(X, y).labels_
        with config_context(transform_output="pandas"):
            assert_array_equal(bare.fit(X, y).labels_, expected)

    def test_nan(self, data):
        X, y, _ = data
        X[2, 2] = np.nan
        with pytest.raises(ValueError, match="contains NaN"):
            NewClassFinder().fit(X, y)

    def test_lengths(self, data):
        X, y, _ = data
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            NewClassFinder().fit(X, y[:-1])
