"""Novelty detection at a chosen false-alarm probability."""

from __future__ import annotations

import math
import warnings
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .._labels import refuse_unlabeled
from .._validation import unmask
from ._axes import Array, Codes
from ._novelty_scores import (
    Combined,
    CrossFitted,
    Energy,
    Folds,
    KthNeighbor,
    Mahalanobis,
    drop_copies,
)

# n_together > 1: held-out samples are averaged with the nearest among at most this many of them,
# as the samples of a typical batch are farther apart than those of a large training set.
_MOST_IN_A_BATCH = 5000


class NoveltyDetector(OutlierMixin, BaseEstimator):
    """Detect glitches of unknown classes by their embeddings.

    The threshold is a quantile of the scores of held-out known glitches.

    Parameters
    ----------
    method : {"combined", "knn", "mahalanobis", "energy"}, default="combined"
        The score, which is higher for known glitches:

        - ``"combined"``: the mean of the local outlier factor [5]_, the Mahalanobis distance and,
          with labels, the energy. The last two use the first 30 principal components, and again
          more of them if there are enough samples (one per 8 samples, up to 200).
        - ``"knn"``: minus the distance to the k-th nearest known glitch, with embeddings scaled to
          length 1 [1]_. Needs no labels, but more than `n_neighbors` glitches per class.
        - ``"mahalanobis"``: minus the squared Mahalanobis distance to the nearest class mean, with
          a covariance shared by all classes [2]_. Without labels, there is one class.
        - ``"energy"``: log(sum(exp(logits))) of a linear classifier [3]_. Needs labels.
    n_neighbors : int or "auto", default="auto"
        The number of neighbors for ``"knn"`` and the local outlier factor. ``"auto"`` is 5 for
        ``"knn"``, else a quarter of the median class size, from 2 to 20, or 20 without labels.
    head : estimator, default=None
        The classifier of ``"energy"``, which has a ``decision_function``. None is logistic
        regression on standardized embeddings. A :class:`~sklearn.frozen.FrozenEstimator` is not
        fitted; X should then be data that it was not fitted to.
    false_alarm_probability : float, default=0.05
        The fraction of known glitches that are classified as novel.
    cv : int or cross-validation generator, default=5
        The cross-validation of the held-out scores. It must hold out each sample once; with an
        integer, copies of a glitch are held out together. ``"knn"`` leaves one out instead. New
        samples get the mean score over all folds.
    n_together : int, default=1
        The number of glitches whose scores are averaged: each glitch and its nearest neighbors in
        X by cosine. 6 finds more of a new class that is similar to a known one.
    n_jobs : int, default=None
        The number of folds that are fitted in parallel.
    random_state : int, RandomState instance or None, default=None
        The seed of the folds.

    Attributes
    ----------
    offset_ : float
        The threshold: samples with a lower score are novel.
    held_out_scores_ : ndarray of shape (n_samples,)
        The score of each sample of ``fit``, or of ``calibrate``, by models fitted without it.
    held_out_p_values_ : ndarray of shape (n_samples,)
        The p-value of each of these samples relative to the others.
    classes_ : ndarray of shape (n_classes,)
        The known classes. Only defined if y was given.
    n_features_in_ : int
        The number of features of an embedding.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        The names of the columns of X, if X is a data frame.

    Notes
    -----
    As in split conformal prediction [4]_, the threshold is the r-th lowest of m held-out scores,
    with ``r = floor(false_alarm_probability * (m + 1))``. A known glitch is below it with
    probability r / (m + 1), approximately for ``n_together > 1``. If r = 0, it is the lowest score.

    References
    ----------
    .. [1] Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022.
    .. [2] Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and
       Adversarial Attacks", NeurIPS 2018.
    .. [3] Liu et al., "Energy-based Out-of-distribution Detection", NeurIPS 2020.
    .. [4] Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", Springer 2005.
    .. [5] Breunig et al., "LOF: Identifying Density-Based Local Outliers", SIGMOD 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import NoveltyDetector
    >>> rng = np.random.default_rng(0)
    >>> known = rng.normal([4, 0, 0], 0.3, (200, 3))
    >>> detector = NoveltyDetector(false_alarm_probability=0.05).fit(known)
    >>> detector.predict([[4.0, 0.1, 0.0], [0.0, 4.0, 0.0]])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        "method": [StrOptions({"combined", "knn", "mahalanobis", "energy"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "head": [HasMethods(["fit", "decision_function"]), None],
        "false_alarm_probability": [Interval(Real, 0, 1, closed="neither")],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split"])],
        "n_together": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        method: str = "combined",
        *,
        n_neighbors: int | str = "auto",
        head: Any = None,
        false_alarm_probability: float = 0.05,
        cv: Any = 5,
        n_together: int = 1,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.n_neighbors = n_neighbors
        self.head = head
        self.false_alarm_probability = false_alarm_probability
        self.cv = cv
        self.n_together = n_together
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self._needs_y()
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> NoveltyDetector:
        """Fit to known glitches, and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings of known glitches.
        y : array-like of shape (n_samples,), default=None
            The class of each glitch. None may be missing.

        Returns
        -------
        self : NoveltyDetector

        Raises
        ------
        ValueError
            If X has NaN or infinite values, y lacks labels, ``"energy"`` has fewer than two
            classes, or `cv` does not hold out each sample once.
        """
        self.__dict__.pop("classes_", None)
        codes = None
        options: dict = {"dtype": [np.float64, np.float32], "ensure_min_samples": 2}
        if y is None and not self._needs_y():
            X = validate_data(self, unmask(X), **options)
        else:
            if y is not None:  # else scikit-learn has an error for it
                refuse_unlabeled(y)
            X, y = validate_data(self, unmask(X), y, **options)
            check_classification_targets(y)
            self.classes_, codes = np.unique(y, return_inverse=True)
            if self._needs_y() and len(self.classes_) < 2:
                raise ValueError(
                    f"method={self.method!r} needs two classes, got {str(self.classes_[0])!r} only."
                )
        self._score = self._make_score(len(X))
        scores = self._score.fit(X, codes, self._make_folds(X, codes), self.n_jobs)
        return self._set_threshold(X, scores)

    def calibrate(self, X: Any) -> NoveltyDetector:
        """Set the threshold with known glitches that were not passed to ``fit``.

        X may be all triggers of a quiet week: a few glitches of unknown classes among them only
        lower the threshold, so that fewer glitches are classified as novel.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings of known glitches, with the class proportions of new data.

        Returns
        -------
        self : NoveltyDetector
        """
        X = self._validate(X)
        return self._set_threshold(X, self._score.score(X))

    def fit_predict(self, X: Any, y: Any = None) -> NDArray[Any]:
        """Fit to X, and classify its samples as known or novel.

        ``held_out_scores_ < offset_`` classifies each sample by models fitted without it.

        Parameters
        ----------
        X, y
            Embeddings and classes, as in :meth:`fit`.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,), dtype int64
            1 for known, -1 for novel.
        """
        return self.fit(X, y).predict(X)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Compute scores, which are higher for samples similar to known glitches.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings. If ``n_together > 1``, pass all glitches of a day or run at once.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
        """
        X = self._validate(X)
        return self._average(X, self._score.score(X), np.arange(len(X)))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Compute scores minus the threshold, which are negative for novel glitches.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings, see :meth:`score_samples`.

        Returns
        -------
        decision : ndarray of shape (n_samples,), dtype float64
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Classify samples as known or novel.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings, see :meth:`score_samples`.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,), dtype int64
            1 for known, -1 for novel.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Compute conformal p-values, which are low for novel glitches.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings, see :meth:`score_samples`.

        Returns
        -------
        p_values : ndarray of shape (n_samples,), dtype float64
            ``(1 + n) / (1 + m)``, where n of the m held-out scores are not above that of the
            sample. :func:`scipy.stats.false_discovery_control` adjusts them for multiple testing.
        """
        held_out = np.sort(self.held_out_scores_)
        n_below = np.searchsorted(held_out, self.score_samples(X), side="right")
        return (1 + n_below) / (1 + len(held_out))

    def _needs_y(self) -> bool:
        return self.method == "energy" and not isinstance(self.head, FrozenEstimator)

    def _validate(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        return validate_data(self, unmask(X), dtype=[np.float64, np.float32], reset=False)

    def _make_score(self, n_samples: int) -> Combined | KthNeighbor | CrossFitted:
        n_neighbors = None if self.n_neighbors == "auto" else int(self.n_neighbors)
        if n_neighbors is not None and n_neighbors >= n_samples:
            warnings.warn(
                f"n_neighbors={n_neighbors} is more than the other samples of X: "
                f"{n_samples - 1} are used.",
                UserWarning,
                stacklevel=3,
            )
        if self.method == "combined":
            return Combined(n_neighbors)
        if self.method == "knn":
            return KthNeighbor(n_neighbors or 5)
        if self.method == "mahalanobis":
            return CrossFitted(Mahalanobis)
        return CrossFitted(partial(Energy, self.head))

    def _make_folds(self, X: NDArray[Any], codes: NDArray[np.intp] | None) -> Folds:
        if not isinstance(self.cv, Integral):
            return self.cv.split(X, np.zeros(len(X)) if codes is None else codes)
        # A copy of a held-out glitch in the training data would make it look known.
        copies = drop_copies(X)[1]
        n_distinct = copies.max() + 1
        has_copies = 1 < n_distinct < len(X)
        n_splits = min(self.cv, n_distinct if has_copies else len(X))
        options: dict = {"shuffle": True, "random_state": check_random_state(self.random_state)}
        if codes is not None and np.bincount(codes).max() >= n_splits:
            splitter = StratifiedGroupKFold if has_copies else StratifiedKFold
        else:
            splitter = GroupKFold if has_copies else KFold
        with warnings.catch_warnings():
            # Classes with fewer glitches than folds are common, and fine here.
            warnings.filterwarnings("ignore", message="The least populated class")
            groups = copies if has_copies else None
            return list(splitter(n_splits, **options).split(X, codes, groups))

    def _set_threshold(self, X: NDArray[Any], scores: NDArray[np.float64]) -> NoveltyDetector:
        n_samples = len(scores)
        rank = math.floor(self.false_alarm_probability * (n_samples + 1))
        if rank == 0:
            needed = math.ceil(1 / self.false_alarm_probability) - 1
            warnings.warn(
                f"{needed} held-out samples are needed for "
                f"false_alarm_probability={self.false_alarm_probability:g}, and there are "
                f"{n_samples}: the threshold is their lowest score, with a probability of "
                f"{1 / (n_samples + 1):.2g}.",
                UserWarning,
                stacklevel=3,
            )
            rank = 1
        batch = check_random_state(self.random_state).permutation(n_samples)[:_MOST_IN_A_BATCH]
        self.held_out_scores_ = self._average(X, scores, batch)
        ranked = np.sort(self.held_out_scores_)
        # (1 + n) / (1 + m) with the m = n_samples - 1 others; the rank counts the sample itself.
        ranks = np.searchsorted(ranked, self.held_out_scores_, side="right")
        self.held_out_p_values_ = ranks / n_samples
        self.offset_ = float(ranked[rank - 1])
        return self

    def _average(self, X: Array, scores: Array, batch: Codes) -> Array:
        """Average the scores of each sample and its nearest neighbors in `batch`."""
        n_neighbors = min(self.n_together, len(batch))
        if n_neighbors == 1:
            return scores
        directions = normalize(X)
        index = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(directions[batch])
        nearest = batch[index.kneighbors(directions, return_distance=False)]
        # Each sample is the nearest to itself, unless it is not in the batch or has copies.
        own = np.arange(len(X))
        is_missing = (nearest != own[:, None]).all(axis=1)
        nearest[is_missing, -1] = own[is_missing]
        return scores[nearest].mean(axis=1)


def compare_all(detector: NoveltyDetector, X: Array, labeled: Array) -> tuple[Array, Array]:
    """p-values of all samples, and which are novel, by a detector fitted to the labeled ones."""
    scores = np.empty(len(X))
    scores[labeled] = detector.held_out_scores_
    if not labeled.all():
        scores[~labeled] = detector.score_samples(X[~labeled])
    held_out = np.sort(detector.held_out_scores_)
    n_below = np.searchsorted(held_out, scores, side="right")  # a labeled one counts itself
    return (n_below + ~labeled) / (len(held_out) + ~labeled), scores < detector.offset_
