"""Search for new classes with the labels of some glitches."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin, _fit_context, clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from .._labels import UNLABELED, encode_labels
from ._clusters import mean_jaccard, tabulate_clusters
from ._guided import GuidedClustering
from ._novelty import NoveltyDetector, compare_all

if TYPE_CHECKING:
    from pandas import DataFrame

# Labels that are needed: in all, and of the median class. Fewer say little about the spread within.
FEWEST_LABELS, FEWEST_PER_CLASS = 20, 5
_FEWEST_IN_CLUSTER = 5
# predict: the vote of so many samples.
_N_NEIGHBORS = 5
# Typical and borderline members in the table of clusters.
_N_MEMBERS = 5


class NewClassFinder(ClusterMixin, BaseEstimator):
    """Find new classes among glitches, some of which are labeled.

    A net that was trained on known classes embeds the glitches of a class that it was not trained
    on as a cluster of their own [1]_. Labeled glitches define the known classes. The other ones
    are assigned to these classes, or to new clusters if they are novel. Fit to the embeddings of
    both together.

    Parameters
    ----------
    detector : NoveltyDetector, default=None
        The novelty detector, which is fitted to the labeled glitches. None is
        ``NoveltyDetector(random_state=random_state)``.
    min_cluster_size : int or "auto", default="auto"
        The smallest new cluster. ``"auto"`` is a quarter of the square root of the number of
        samples, and at least 5.
    unlabeled : object or list of objects, default=None
        Labels that stand for no label, in addition to None, NaN, ``""`` and -1. Pass
        "None_of_the_Above" to look for new classes among its glitches.
    n_resamples : int, default=20
        The number of subsamples that are clustered for the stability; 0 for none.
    n_jobs : int, default=None
        The number of subsamples that are clustered in parallel.
    random_state : int, RandomState instance or None, default=None
        The seed of all random numbers.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        The cluster of each sample from 0 on, -1 for none. Known classes come first.
    probabilities_ : ndarray of shape (n_samples,)
        The probability of the known class or new cluster that the sample is assigned to, 0 in
        none.
    clusters_ : pandas.DataFrame
        One row per cluster, with the columns of :func:`describe_clusters`.
    new_clusters_ : pandas.DataFrame
        Those of a new class, the largest first.
    embedding_ : ndarray of shape (n_samples, n_axes)
        The space in which samples are clustered: directions along whitened principal axes.
    classes_ : ndarray
        The known classes.
    detector_ : NoveltyDetector
        The fitted novelty detector.
    novelty_p_values_ : ndarray of shape (n_samples,)
        The p-values of `detector_`; those of labeled samples are with regard to the others.
    is_novel_ : ndarray of shape (n_samples,), dtype bool
        Whether `detector_` classifies each sample by itself as novel.
    n_features_in_ : int
        The number of features of an embedding.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        The names of the columns of X, if X is a data frame.

    See Also
    --------
    NoveltyDetector : Classifies single glitches as known or novel.
    describe_clusters : A table of the clusters that any clusterer found.
    sklearn.cluster.HDBSCAN : Clusters without labels.

    Notes
    -----
    The algorithm, which follows the idea of generalized category discovery [2]_:

    1. The first principal axes (one for every 8 samples, from 30 to 60) are whitened by the spread
       within the labeled classes.
    2. Samples without a label are divided into groups of about ten by Ward's method. A group is
       new if the median p-value of `detector_` is below 0.2.
    3. New groups are joined by average linkage, up to 1.3 times the distance at which known
       glitches are joined to their classes best. Clusters whose members are not most of each
       other's nearest samples are the margin of a known class, and are not new.
    4. Logistic regressions are fitted to the classes and the new clusters, and each sample without
       a label is assigned to the most probable one, repeatedly until no assignment changes. A
       cluster whose median p-value rises to 0.2 is dissolved.

    Labeled glitches keep their class. The stability is that of step 2 to 4 with the axes of all
    samples.

    Without labels, cluster the embeddings with scikit-learn, and tabulate the clusters::

        clusterer = make_pipeline(
            Normalizer(), PCA(10), HDBSCAN(min_cluster_size=5, min_samples=3)
        )
        labels = clusterer.fit_predict(embeddings)
        clusters = describe_clusters(embeddings, labels, clusterer=clusterer)

    ``predict`` takes the vote of the 5 nearest samples of ``fit``, however far they are; use
    `detector_` to find those that are far.

    References
    ----------
    .. [1] D. George, H. Shen, E. A. Huerta, "Deep Transfer Learning: A New Deep Learning
       Glitch Classification Method for Advanced LIGO", 2017, arXiv:1706.07446.
    .. [2] S. Vaze, K. Han, A. Vedaldi, A. Zisserman, "Generalized Category Discovery", CVPR 2022,
       arXiv:2201.02609.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import NewClassFinder
    >>> rng = np.random.default_rng(0)
    >>> X = np.repeat(np.eye(4), 20, axis=0) + rng.normal(0, 0.05, (80, 4))
    >>> y = np.repeat(["Blip", "Chirp", "Tomte", ""], 20)
    >>> finder = NewClassFinder(random_state=0).fit(X, y)
    >>> finder.new_clusters_["size"].tolist()
    [20]
    """

    _parameter_constraints: dict = {
        "detector": [NoveltyDetector, None],
        "min_cluster_size": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
        "unlabeled": "no_validation",
        "n_resamples": [Interval(Integral, 0, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        detector: NoveltyDetector | None = None,
        min_cluster_size: int | str = "auto",
        unlabeled: Any = None,
        n_resamples: int = 20,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.detector = detector
        self.min_cluster_size = min_cluster_size
        self.unlabeled = unlabeled
        self.n_resamples = n_resamples
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any) -> NewClassFinder:
        """Assign samples to known classes and new clusters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.
        y : array-like of shape (n_samples,)
            The classes of the labeled samples. None, NaN, ``""`` and -1 stand for no label.

        Returns
        -------
        self : NewClassFinder

        Raises
        ------
        ValueError
            If X has NaN or infinite values, y is not as long, or there are too few labels: 20
            labeled samples of two classes are needed, and 5 of the median class.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        if y is None:
            raise ValueError(
                "requires y to be passed, but the target y is None: NewClassFinder needs the "
                f"labels of some glitches. {_WITHOUT_LABELS}"
            )
        self.classes_, codes = encode_labels(y, len(X), self.unlabeled)
        sizes = np.bincount(codes[codes >= 0])
        if not has_enough_labels(codes):
            raise ValueError(
                f"NewClassFinder needs {FEWEST_LABELS} labeled samples of two classes or more, "
                f"and {FEWEST_PER_CLASS} of the median class: the classes of y have "
                f"{', '.join(map(str, sizes)) or 'none'}. {_WITHOUT_LABELS}"
            )
        random_state = check_random_state(self.random_state)
        seed = random_state.randint(np.iinfo(np.int32).max)
        labeled = codes >= 0
        detector = self.detector
        if detector is None:
            detector = NoveltyDetector(random_state=self.random_state)
        self.detector_ = clone(detector).fit(X[labeled], self.classes_[codes[labeled]])
        self.novelty_p_values_, self.is_novel_ = compare_all(self.detector_, X, labeled)
        size = default_cluster_size(len(X)) if self.min_cluster_size == "auto" else None
        self._clustering = GuidedClustering(
            X, codes, self.novelty_p_values_, size or int(self.min_cluster_size), seed
        )
        self.embedding_ = self._clustering.embedding
        self.probabilities_ = self._clustering.probabilities()
        # New clusters may have been dissolved: number the others from 0 on.
        names = np.unique(self._clustering.labels[self._clustering.labels >= 0])
        self.labels_ = np.where(
            self._clustering.labels >= 0,
            np.searchsorted(names, self._clustering.labels),
            UNLABELED,
        )
        vote = KNeighborsClassifier(min(_N_NEIGHBORS, len(X)), algorithm="brute")
        self._vote = vote.fit(self.embedding_, self.labels_)
        stability = mean_jaccard(
            self._clustering.cluster, self.labels_, self.n_resamples, random_state, self.n_jobs
        )
        n_classes = len(self.classes_)
        self.clusters_ = tabulate_clusters(
            normalize(X),
            self.embedding_,
            self.labels_,
            self.probabilities_,
            codes,
            self.classes_,
            stability,
            n_members=_N_MEMBERS,
            cluster_classes=[self.classes_[k] if k < n_classes else None for k in names],
        )
        return self

    def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> NDArray[np.intp]:
        """Fit, and return the cluster of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.
        y : array-like of shape (n_samples,)
            Classes, as in :meth:`fit`.
        **kwargs : dict
            Not used, for compatibility with scikit-learn's clusterers.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            ``labels_``.
        """
        return self.fit(X, y, **kwargs).labels_

    @property
    def new_clusters_(self) -> DataFrame:
        """Clusters of new classes, the largest first."""
        check_is_fitted(self)
        new = self.clusters_[self.clusters_["kind"] == "new"]
        return new.sort_values("size", ascending=False, kind="stable")

    def predict(self, X: Any) -> NDArray[np.intp]:
        """Assign new samples to the clusters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Clusters as in ``labels_``, -1 for none.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._vote.predict(self._clustering.transform(X))


_WITHOUT_LABELS = (
    "Without labels, use a clusterer of scikit-learn, such as make_pipeline(Normalizer(), PCA(10), "
    "HDBSCAN(min_samples=3)), and describe_clusters."
)


def has_enough_labels(codes: NDArray[np.intp]) -> bool:
    """Whether there are labels enough, given the codes of the classes, -1 without a label."""
    sizes = np.bincount(codes[codes >= 0])
    return bool(
        len(sizes) > 1 and np.median(sizes) >= FEWEST_PER_CLASS and sizes.sum() >= FEWEST_LABELS
    )


def default_cluster_size(n_samples: int) -> int:
    """Choose the smallest cluster for ``min_cluster_size="auto"``."""
    return min(max(_FEWEST_IN_CLUSTER, round(np.sqrt(n_samples) / 4)), n_samples)
