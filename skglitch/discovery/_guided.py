"""Clusters by what is known: classes from their labels, and new kinds among what is novel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.cluster import AgglomerativeClustering, MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from ._clusters import NOISE, attach
from ._novelty import NoveltyDetector
from ._novelty_combined import Axes, PrincipalAxes

# Samples a group that is judged as a whole: one glitch may look novel by chance, ten do not.
_GROUP = 10
# A group is new if half of it is odder than all but this share of known glitches.
_MOST_FAMILIAR = 0.2
# New groups are joined up to this many times the distance that puts known glitches into their
# classes: kinds that a net did not learn are wider than those that it did.
_WIDER = 1.3
# So many distances are tried, and so many glitches of a class are looked at, for that distance.
_TRIED, _EACH = 40, 60
# Beyond so many samples, all distances between them take too much memory and time.
_MOST_PAIRED = 5000
_MOST_GROUPS = 2000
# The rim of a class is no cluster: most of the nearest samples of its members are not members.
_NEAREST, _LEAST_OWN = 5, 0.5
# Few labels want little regularisation.
_INVERSE_REGULARISATION = 10.0
# Groups are joined by their distances along these: along 30 of them new kinds ran together.
_MOST_AXES = 60
# Principal axes of the classifier: all of them are slower and tell hardly more.
_MOST_AXES_TO_CHOOSE = 200
# So often may samples choose anew between classes and new clusters; mostly some three rounds do.
_MOST_ROUNDS = 10


class GuidedClusterer:
    """Give samples to known classes or to new clusters, with the labels of some as a guide.

    1. Principal axes of the samples are whitened by the spread within the labeled classes.
    2. Samples without a label are parted into groups of some ten by Ward's method. A group is new
       if :class:`NoveltyDetector` finds most of it novel.
    3. New groups are joined by average linkage, up to a distance that would put known glitches
       into their classes: labeled ones and those of the other groups. One whose members are not
       most of each other's nearest samples is the rim of a class.
    4. A classifier learns the classes and the new clusters, and gives each sample without a label
       to one of them, again and again until none changes. So a new kind gets those members back
       that looked like a known class as long as there was no other choice. A cluster that grows
       into what is familiar, by the measure of step 2, is no new one.

    The classifier is the mean of two logistic regressions, on the axes as they are and whitened.

    Parameters
    ----------
    min_cluster_size : int
        What is new and forms a smaller cluster is in none,
    reach : float
        unless it is within reach of a cluster, see :func:`attach`.
    random_state : int

    Attributes
    ----------
    places_ : ndarray of shape (n_samples, n_axes)
        Directions among the whitened axes.
    p_values_ : ndarray of shape (n_samples,)
        How often a known glitch looks at least as odd; of labeled samples, when held out.
    labels_ : ndarray of shape (n_samples,), dtype int
        Code of the class, or a number beyond for a new cluster, or -1.
    membership_ : ndarray of shape (n_samples,)
        Probability of the class or new cluster, 0 in none.
    """

    def __init__(self, min_cluster_size: int, reach: float, random_state: int) -> None:
        self.min_cluster_size = min_cluster_size
        self.reach = reach
        self.random_state = random_state

    def fit(self, X: NDArray[Any], known: NDArray[np.intp]) -> GuidedClusterer:
        """Cluster samples.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Embeddings.
        known : ndarray of shape (n_samples,), dtype int
            Code of the class of each sample, -1 for those without a label.
        """
        self.known = known
        self.axes = Axes(_MOST_AXES).fit(X, known)
        self.places_ = self.transform(X)
        self._directions = PrincipalAxes(_MOST_AXES_TO_CHOOSE).fit_transform(X)
        self.p_values_ = self._judge(X)
        everything = np.arange(len(X))
        self.classes_of_samples = np.where(known >= 0, known, self._chosen(everything, known))
        is_novel = self._is_novel(everything)
        # Few labeled glitches are closer to each other, where they whitened the axes, than others
        # of their classes are.
        familiar = np.where(is_novel, NOISE, self.classes_of_samples)
        self.join_distance_ = self._distance_to_join(familiar)
        self.labels_ = self._cluster(everything, is_novel)
        self.membership_ = self._membership()
        return self

    def _judge(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Tell how often a known glitch looks at least as odd as each sample."""
        labeled = self.known >= 0
        detector = NoveltyDetector(random_state=self.random_state)
        detector.fit(X[labeled], self.known[labeled])
        held_out = detector.held_out_scores_
        p_values = np.empty(len(X))
        p_values[labeled] = np.searchsorted(np.sort(held_out), held_out, side="right")
        p_values[labeled] /= len(held_out)
        if not labeled.all():
            p_values[~labeled] = detector.p_values(X[~labeled])
        return p_values

    def _membership(self) -> NDArray[np.float64]:
        """Give the probability of what each sample was given to."""
        is_learnt = (self.known >= 0) | (self.labels_ > self.known.max())
        names, probabilities = self._probabilities(
            np.arange(len(self.labels_)), np.where(is_learnt, self.labels_, NOISE)
        )
        membership = np.zeros(len(self.labels_))
        inside = np.flatnonzero(self.labels_ != NOISE)
        own = np.searchsorted(names, self.labels_[inside])
        membership[inside] = probabilities[inside, own]
        return membership

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Give the places of samples."""
        return normalize(self.axes.transform(X))

    def cluster(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Cluster some of the samples, with what was learnt of all."""
        return self._cluster(rows, self._is_novel(rows))

    def _is_novel(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Tell which samples without a label are in groups that are novel as a whole."""
        is_novel = np.zeros(len(rows), dtype=bool)
        free = np.flatnonzero(self.known[rows] < 0)
        if len(free) < 2:
            return is_novel
        groups = self._groups(self.places_[rows[free]])
        p_values = self.p_values_[rows[free]]
        novel = [
            np.median(p_values[groups == group]) < _MOST_FAMILIAR
            for group in range(groups.max() + 1)
        ]
        is_novel[free] = np.array(novel)[groups]
        return is_novel

    def _cluster(self, rows: NDArray[np.intp], is_novel: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Cluster some of the samples, with those that are in novel groups told."""
        labels = np.where(is_novel, NOISE, self.classes_of_samples[rows])
        new = np.flatnonzero(is_novel)
        if len(new) < self.min_cluster_size:
            return attach(self.places_[rows], labels, self.reach)
        joined = np.full(len(rows), NOISE)
        joined[new] = self._join(self.places_[rows[new]])
        own = self._share_of_own(self.places_[rows], joined)
        number = self.known.max()
        for cluster in range(joined.max() + 1):
            members = np.flatnonzero(joined == cluster)
            if len(members) < self.min_cluster_size:
                continue
            if own[members].mean() > _LEAST_OWN:
                number += 1
                labels[members] = number
            else:
                labels[members] = self.classes_of_samples[rows[members]]
        return attach(self.places_[rows], self._choose(rows, labels), self.reach)

    def _choose(self, rows: NDArray[np.intp], labels: NDArray[np.intp]) -> NDArray[np.intp]:
        """Let samples without a label choose between classes and new clusters."""
        labeled = self.known[rows] >= 0
        free = ~labeled & (labels != NOISE)
        for _ in range(_MOST_ROUNDS):
            is_new = labels > self.known.max()
            # A subsample may have lost all labeled ones.
            if not (is_new.any() and labeled.any()):
                break
            learnt = np.where(labeled | is_new, labels, NOISE)
            chosen = np.where(free, self._chosen(rows, learnt), labels)
            chosen = self._without_familiar(rows, chosen)
            if (chosen == labels).all():
                break
            labels = chosen
        sizes = np.bincount(labels + 1)[labels + 1]
        too_small = (labels > self.known.max()) & (sizes < self.min_cluster_size)
        return np.where(too_small, NOISE, labels)

    def _without_familiar(
        self, rows: NDArray[np.intp], labels: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Give new clusters back to known classes that have grown into what is familiar."""
        labels = labels.copy()
        for cluster in np.unique(labels[labels > self.known.max()]):
            members = np.flatnonzero(labels == cluster)
            if np.median(self.p_values_[rows[members]]) >= _MOST_FAMILIAR:
                labels[members] = self.classes_of_samples[rows[members]]
        return labels

    def _chosen(self, rows: NDArray[np.intp], learnt: NDArray[np.intp]) -> NDArray[np.intp]:
        names, probabilities = self._probabilities(rows, learnt)
        return names[probabilities.argmax(axis=1)]

    def _probabilities(
        self, rows: NDArray[np.intp], learnt: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Learn the labels of some rows; give all these labels, and their probabilities by row.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,)
        learnt : ndarray of shape (n_rows,)
            Label of each row to learn from, -1 for the others.
        """
        inside = learnt != NOISE
        labels = learnt[inside]
        sizes = np.bincount(labels)
        # Thousands in a new cluster are not to outweigh the few labeled ones of a class.
        most = sizes[: self.known.max() + 1].max()
        weights = np.minimum(1.0, most / sizes[labels])
        probabilities = []
        # Products of matrices this small are several times slower with threads.
        with threadpool_limits(1, user_api="blas"):
            for space in (self._directions, self.places_):
                head = LogisticRegression(C=_INVERSE_REGULARISATION, max_iter=1000)
                head.fit(space[rows[inside]], labels, sample_weight=weights)
                probabilities.append(head.predict_proba(space[rows]))
        return head.classes_, np.mean(probabilities, axis=0)

    def _share_of_own(
        self, places: NDArray[Any], clusters: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Tell how many of the nearest samples of each one in a cluster are in the same."""
        inside = np.flatnonzero(clusters >= 0)
        n_neighbors = min(_NEAREST, len(places) - 1)
        index = NearestNeighbors(n_neighbors=n_neighbors + 1, algorithm="brute").fit(places)
        # Each is its own nearest, or an exact copy of it is, which says as little.
        nearest = index.kneighbors(places[inside], return_distance=False)[:, 1:]
        share = np.zeros(len(places))
        share[inside] = (clusters[nearest] == clusters[inside][:, None]).mean(axis=1)
        return share

    def _groups(self, places: NDArray[Any]) -> NDArray[np.intp]:
        n_groups = max(1, min(len(places) // _GROUP, _MOST_GROUPS))
        if n_groups == 1:
            return np.zeros(len(places), dtype=np.intp)
        if len(places) <= _MOST_PAIRED:
            return AgglomerativeClustering(n_groups).fit_predict(places)
        means = MiniBatchKMeans(n_groups, n_init=1, random_state=self.random_state)
        codes = means.fit_predict(places)
        # Some may be empty.
        return np.unique(codes, return_inverse=True)[1]

    def _join(self, places: NDArray[Any]) -> NDArray[np.intp]:
        """Join samples by average linkage; of very many, the rest goes with the nearest ones."""
        if len(places) <= _MOST_PAIRED:
            return self._linked(places)
        rng = np.random.default_rng(self.random_state)
        drawn = rng.choice(len(places), _MOST_PAIRED, replace=False)
        vote = KNeighborsClassifier(1).fit(places[drawn], self._linked(places[drawn]))
        return vote.predict(places)

    def _linked(self, places: NDArray[Any]) -> NDArray[np.intp]:
        return fcluster(linkage(places, "average"), self.join_distance_, "distance") - 1

    def _draw_examples(self, classes: NDArray[np.intp]) -> NDArray[np.intp]:
        """Draw some glitches of each class."""
        rng = np.random.default_rng(self.random_state)
        n_classes = self.known.max() + 1
        each = max(2, min(_EACH, _MOST_PAIRED // n_classes))
        drawn = [
            rng.permutation(np.flatnonzero(classes == code))[:each] for code in range(n_classes)
        ]
        return np.concatenate(drawn)

    def _distance_to_join(self, classes: NDArray[np.intp]) -> float:
        """Tell how far apart samples of one kind may be, by the classes of some.

        It is the least distance at which a cut through their tree puts them into their classes
        best, by the adjusted Rand index, and some more; or halfway from there to where two of
        these parts would be joined next, if that is farther.
        """
        rows = self._draw_examples(classes)
        tree = linkage(self.places_[rows], "average")
        heights = tree[:, 2]
        # Near the top of the tree: there are many samples a class.
        tried = np.quantile(heights, np.linspace(0.8, 0.999, _TRIED), method="lower")
        scores = [
            adjusted_rand_score(classes[rows], fcluster(tree, distance, "distance"))
            for distance in tried
        ]
        best = tried[int(np.argmax(scores))]
        following = heights[heights > best]
        halfway = (best + following[0]) / 2 if len(following) else best
        return float(max(_WIDER * best, halfway))
