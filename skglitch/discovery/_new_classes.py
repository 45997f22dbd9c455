"""Semi-supervised search for new classes."""

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

from .._labels import encode_labels
from .._validation import unmask
from ._clusters import encode_clusters, mean_jaccard, tabulate_clusters
from ._guided import GuidedClustering
from ._novelty import NoveltyDetector, compare_all

if TYPE_CHECKING:
    from pandas import DataFrame

# Labels needed in total and in the median class to estimate the spread within classes.
_FEWEST_LABELS, _FEWEST_PER_CLASS = 20, 5
_WITHOUT_LABELS = (
    "Without labels, use a clusterer of scikit-learn, such as make_pipeline(Normalizer(), PCA(10), "
    "HDBSCAN(min_samples=3)), and describe_clusters."
)


class NewClassFinder(ClusterMixin, BaseEstimator):
    """Find new classes by semi-supervised clustering.

    Labeled glitches define the known classes. The others are assigned to these classes, or to new
    clusters if they are novel.

    Parameters
    ----------
    detector : NoveltyDetector, default=None
        The novelty detector, which is fitted to the labeled glitches. None is
        ``NoveltyDetector(random_state=random_state)``.
    min_cluster_size : int or "auto", default="auto"
        The smallest new cluster. ``"auto"`` is ``max(5, sqrt(n_samples) / 4)``.
    unlabeled : object or list of objects, default=None
        More labels that stand for no label. Pass "None_of_the_Above" to find new classes in it.
    n_resamples : int, default=20
        The number of subsamples to estimate the stability.
    n_jobs : int, default=None
        The number of subsamples that are clustered in parallel.
    random_state : int, RandomState instance or None, default=None
        The seed.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        The cluster of each sample from 0 on, -1 for none. Known classes come first.
    probabilities_ : ndarray of shape (n_samples,)
        The probability of the cluster of each sample, 0 for none.
    clusters_ : pandas.DataFrame
        One row per cluster, with the columns of :func:`describe_clusters`.
    new_clusters_ : pandas.DataFrame
        The clusters of new classes, the largest first.
    embedding_ : ndarray of shape (n_samples, n_axes)
        The samples along whitened principal axes, scaled to length 1, by which they are clustered.
    classes_ : ndarray
        The known classes.
    detector_ : NoveltyDetector
        The fitted novelty detector.
    novelty_p_values_ : ndarray of shape (n_samples,)
        The p-values by `detector_`, of labeled samples relative to the other labeled ones.
    is_novel_ : ndarray of shape (n_samples,), dtype bool
        Whether `detector_` classifies each sample as novel.
    n_features_in_, feature_names_in_
        As in :class:`NoveltyDetector`.

    Notes
    -----
    The problem is known as generalized category discovery [1]_. The algorithm is:

    1. The first principal axes (one per 8 samples, from 30 to 60) are whitened by the covariance
       within the labeled classes.
    2. Ward's method divides unlabeled samples into groups of about ten. A group is new if its
       median p-value by `detector_` is below 0.2.
    3. Average linkage joins the samples of new groups, up to 1.3 times the distance that best
       joins known glitches to their classes. A cluster is new if most of the 5 nearest neighbors
       of its members are members; otherwise its members are assigned to known classes.
    4. Logistic regression of classes and new clusters reassigns unlabeled samples, until no
       assignment changes. A cluster whose median p-value rises to 0.2 is dissolved.

    Labeled glitches keep their class. The stability repeats steps 2 to 4.

    ``predict`` is a vote of the 5 nearest samples of ``fit``, however distant these are.

    References
    ----------
    .. [1] S. Vaze, K. Han, A. Vedaldi, A. Zisserman, "Generalized Category Discovery", CVPR 2022,
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
            If X has NaN or infinite values, lengths differ, or there are fewer than 20 labeled
            samples, two classes, or 5 labeled samples of the median class.
        """
        X = validate_data(self, unmask(X), dtype=[np.float64, np.float32], ensure_min_samples=2)
        if y is None:
            raise ValueError(
                f"requires y to be passed, but the target y is None. {_WITHOUT_LABELS}"
            )
        self.classes_, codes = encode_labels(y, len(X), self.unlabeled)
        if not has_enough_labels(codes):
            sizes = ", ".join(map(str, np.bincount(codes[codes >= 0]))) or "none"
            raise ValueError(
                f"NewClassFinder needs {_FEWEST_LABELS} labeled samples of two classes or more, "
                f"and {_FEWEST_PER_CLASS} of the median class: the classes of y have {sizes}. "
                f"{_WITHOUT_LABELS}"
            )
        random_state = check_random_state(self.random_state)
        seed = random_state.randint(np.iinfo(np.int32).max)
        labeled = codes >= 0
        self.detector_ = clone(self.detector or NoveltyDetector(random_state=self.random_state))
        self.detector_.fit(X[labeled], self.classes_[codes[labeled]])
        self.novelty_p_values_, self.is_novel_ = compare_all(self.detector_, X, labeled)
        size = cluster_size(self.min_cluster_size, len(X))
        clustering = GuidedClustering(X, codes, self.novelty_p_values_, size, seed)
        self._clustering = clustering
        self.embedding_ = clustering.embedding
        self.probabilities_ = clustering.probabilities()
        # New clusters may have been dissolved: number the others from 0 on.
        names, self.labels_ = encode_clusters(clustering.labels)
        self._vote = KNeighborsClassifier(5, algorithm="brute")
        self._vote.fit(self.embedding_, self.labels_)
        stability = mean_jaccard(
            clustering.cluster, self.labels_, self.n_resamples, random_state, self.n_jobs
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
            cluster_classes=[self.classes_[k] if k < n_classes else None for k in names],
        )
        return self

    def fit_predict(self, X: Any, y: Any = None) -> NDArray[np.intp]:
        """Fit, and return the cluster of each sample.

        Parameters
        ----------
        X, y
            Embeddings and classes, as in :meth:`fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The `labels_`.
        """
        return self.fit(X, y).labels_

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
            Clusters as in `labels_`.
        """
        check_is_fitted(self)
        X = validate_data(self, unmask(X), dtype=[np.float64, np.float32], reset=False)
        return self._vote.predict(self._clustering.transform(X))


def has_enough_labels(codes: NDArray[np.intp]) -> bool:
    """Whether there are enough labels for NewClassFinder; -1 is no label."""
    sizes = np.bincount(codes[codes >= 0])
    return bool(
        len(sizes) > 1 and np.median(sizes) >= _FEWEST_PER_CLASS and sizes.sum() >= _FEWEST_LABELS
    )


def cluster_size(min_cluster_size: int | str, n_samples: int) -> int:
    """Resolve ``min_cluster_size="auto"``."""
    if min_cluster_size == "auto":
        return min(max(5, round(np.sqrt(n_samples) / 4)), n_samples)
    return int(min_cluster_size)
