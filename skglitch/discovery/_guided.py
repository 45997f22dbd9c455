"""Semi-supervised clustering, see the notes of NewClassFinder.

Step 2 groups glitches, since one glitch may look novel by chance, but not ten. Step 4 moves
glitches to a new class that were assigned to a known class before the new one was found.

The constants were chosen on simulated and real classes: see ``benchmarks/discovery.py``.
"""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.cluster import AgglomerativeClustering, MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from .._labels import UNLABELED
from ._axes import (
    MOST_AXES,
    Array,
    Codes,
    count_axes,
    fit_axes,
    subtract_class_means,
    whitening_matrix,
)

# Step 2. The number of samples per group, and the median p-value below which a group is new.
_GROUP_SIZE, _LARGEST_P_VALUE = 10, 0.2
# Step 3. Groups are joined up to this many times the distance that joins known glitches best, as
# classes that a net was not trained on are wider.
_WIDER = 1.3
# A cluster is new if more than this fraction of the nearest neighbors of its members are members.
_SMALLEST_SHARE = 0.5
# Step 4. The regularization of the classifier, which has few labels.
_C = 10.0
# A sample in no cluster joins one within this many times the largest distance in the cluster.
_REACH = 1.5
# The largest number of samples that are compared in pairs, for memory and time.
_MOST_PAIRED = 5000


class GuidedClustering:
    """Assign samples to known classes and to new clusters.

    `codes` are the classes of the samples, -1 without a label. `labels` use the same codes, larger
    ones for new clusters, and -1 for none.
    """

    def __init__(
        self, X: Array, codes: Codes, p_values: Array, min_cluster_size: int, seed: int
    ) -> None:
        self.codes = codes
        self.n_classes = int(codes.max()) + 1
        self.p_values = p_values
        self.min_cluster_size = min_cluster_size
        self.seed = seed
        # At most 60 whitened axes: along 30, different new classes were joined.
        self.axes, projected = fit_axes(X, count_axes(X.shape, 60))
        labeled = codes >= 0
        self.whiten = whitening_matrix(subtract_class_means(projected[labeled], codes[labeled]))
        self.embedding = self.transform(X)
        # The classifier also uses more axes, not whitened.
        self._projected = fit_axes(X, MOST_AXES)[1]
        rows = np.arange(len(X))
        names, probabilities = self._predict(rows, codes)
        self._nearest_class = np.where(labeled, codes, names[probabilities.argmax(axis=1)])
        is_new = self._find_new(rows)
        # Not from labeled glitches alone: if they are few, whitening by them brings them closer
        # together than other glitches of their classes.
        known = np.where(is_new, UNLABELED, self._nearest_class)
        self._join_distance = self._find_join_distance(known)
        self.labels = self._cluster(rows, is_new)

    def transform(self, X: Array) -> Array:
        """Project samples on the whitened axes, and scale them to length 1."""
        return normalize(self.axes.transform(X) @ self.whiten)

    def cluster(self, rows: Codes) -> Codes:
        """Cluster some of the samples, with the axes and the distance of all."""
        return self._cluster(rows, self._find_new(rows))

    def probabilities(self) -> Array:
        """Probability of the class or cluster of each sample, 0 for none."""
        rows = np.arange(len(self.labels))
        is_learned = (self.codes >= 0) | (self.labels >= self.n_classes)
        names, probabilities = self._predict(rows, np.where(is_learned, self.labels, UNLABELED))
        own = probabilities[rows, np.searchsorted(names, self.labels)]
        return np.where(self.labels != UNLABELED, own, 0.0)

    def _find_new(self, rows: Codes) -> Array:
        """Step 2: find the samples in new groups."""
        is_new = np.zeros(len(rows), dtype=bool)
        free = np.flatnonzero(self.codes[rows] < 0)
        if len(free) < 2:
            return is_new
        points = self.embedding[rows[free]]
        n_groups = max(1, min(len(points) // _GROUP_SIZE, 2000))  # k-means takes long for more
        if len(points) <= _MOST_PAIRED:
            groups = AgglomerativeClustering(n_groups).fit_predict(points)
        else:
            kmeans = MiniBatchKMeans(n_groups, n_init=1, random_state=self.seed)
            # Some groups may be empty.
            groups = np.unique(kmeans.fit_predict(points), return_inverse=True)[1]
        p_values = self.p_values[rows[free]]
        medians = [np.median(p_values[groups == group]) for group in range(groups.max() + 1)]
        is_new[free] = (np.array(medians) < _LARGEST_P_VALUE)[groups]
        return is_new

    def _find_join_distance(self, codes: Codes) -> float:
        """Step 3: find the distance up to which glitches of one class are joined."""
        rng = np.random.default_rng(self.seed)
        n_each = max(2, min(60, _MOST_PAIRED // self.n_classes))  # more give the same distance
        rows = np.concatenate(
            [rng.permutation(np.flatnonzero(codes == c))[:n_each] for c in range(self.n_classes)]
        )
        tree = linkage(self.embedding[rows], "average")
        heights = tree[:, 2]
        # Near the root of the tree, as there are many samples per class.
        distances = np.quantile(heights, np.linspace(0.8, 0.999, 40), method="lower")
        scores = [
            adjusted_rand_score(codes[rows], fcluster(tree, d, "distance")) for d in distances
        ]
        best = distances[int(np.argmax(scores))]
        larger = heights[heights > best]
        halfway = (best + larger[0]) / 2 if len(larger) else best
        return float(max(_WIDER * best, halfway))

    def _cluster(self, rows: Codes, is_new: Array) -> Codes:
        """Apply steps 3 and 4."""
        points = self.embedding[rows]
        labels = np.where(is_new, UNLABELED, self._nearest_class[rows])
        new = np.flatnonzero(is_new)
        if len(new) < self.min_cluster_size:
            return attach(points, labels)
        joined = np.full(len(rows), UNLABELED)
        joined[new] = self._join(points[new])
        # The 5 nearest after the sample itself or an exact copy of it.
        index = NearestNeighbors(n_neighbors=min(6, len(rows)), algorithm="brute").fit(points)
        nearest = index.kneighbors(points[new], return_distance=False)[:, 1:]
        share_own = (joined[nearest] == joined[new][:, None]).mean(axis=1)
        for cluster in range(joined.max() + 1):
            own = joined[new] == cluster
            if own.sum() < self.min_cluster_size:
                continue
            if share_own[own].mean() > _SMALLEST_SHARE:
                labels[new[own]] = max(labels.max() + 1, self.n_classes)
            else:
                labels[new[own]] = self._nearest_class[rows[new[own]]]
        return attach(points, self._reassign(rows, labels))

    def _join(self, points: Array) -> Codes:
        """Average linkage, of a random subset if there are many; the others join the nearest."""
        drawn = points
        if len(points) > _MOST_PAIRED:
            rng = np.random.default_rng(self.seed)
            drawn = points[rng.choice(len(points), _MOST_PAIRED, replace=False)]
        joined = fcluster(linkage(drawn, "average"), self._join_distance, "distance") - 1
        if drawn is points:
            return joined
        return KNeighborsClassifier(1).fit(drawn, joined).predict(points)

    def _reassign(self, rows: Codes, labels: Codes) -> Codes:
        """Apply step 4."""
        labeled = self.codes[rows] >= 0
        free = ~labeled & (labels != UNLABELED)
        for _ in range(10):  # 3 rounds are typical
            is_new = labels >= self.n_classes
            # A subsample may have no labeled samples.
            if not (is_new.any() and labeled.any()):
                break
            learned = np.where(labeled | is_new, labels, UNLABELED)
            names, probabilities = self._predict(rows, learned)
            assigned = np.where(free, names[probabilities.argmax(axis=1)], labels)
            for cluster in np.unique(assigned[assigned >= self.n_classes]):
                members = np.flatnonzero(assigned == cluster)
                if np.median(self.p_values[rows[members]]) >= _LARGEST_P_VALUE:
                    assigned[members] = self._nearest_class[rows[members]]
            if (assigned == labels).all():
                break
            labels = assigned
        sizes = np.bincount(labels + 1)[labels + 1]
        is_small = (labels >= self.n_classes) & (sizes < self.min_cluster_size)
        return np.where(is_small, UNLABELED, labels)

    def _predict(self, rows: Codes, learned: Codes) -> tuple[Codes, Array]:
        """Mean probabilities of two logistic regressions, fitted where `learned` has a label."""
        inside = learned != UNLABELED
        labels = learned[inside]
        sizes = np.bincount(labels)
        # A large new cluster should not outweigh the few labeled samples of a class.
        weights = np.minimum(1.0, sizes[: self.n_classes].max() / sizes[labels])
        probabilities = []
        # Products of matrices this small are several times slower with threads.
        with threadpool_limits(1, user_api="blas"):
            for space in (self._projected, self.embedding):
                head = LogisticRegression(C=_C, max_iter=1000)
                head.fit(space[rows[inside]], labels, sample_weight=weights)
                probabilities.append(head.predict_proba(space[rows]))
        return head.classes_, np.mean(probabilities, axis=0)


def attach(points: Array, labels: Codes) -> Codes:
    """Assign samples in no cluster to that of their 3 nearest neighbors, if these are close."""
    inside, outside = np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)
    n_neighbors = min(3, len(inside) - 1)
    if len(outside) == 0 or n_neighbors < 1:
        return labels
    index = NearestNeighbors(n_neighbors=n_neighbors).fit(points[inside])
    farthest = np.zeros(labels.max() + 1)
    np.maximum.at(farthest, labels[inside], index.kneighbors()[0].mean(axis=1))
    distances, nearest = index.kneighbors(points[outside])
    best = np.array([np.bincount(votes).argmax() for votes in labels[inside][nearest]])
    is_near = distances.mean(axis=1) <= _REACH * farthest[best]
    labels = labels.copy()
    labels[outside[is_near]] = best[is_near]
    return labels
