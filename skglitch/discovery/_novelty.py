"""Is a glitch of a kind that is known? An outlier detector with a stated false-alarm rate."""

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

from .._labels import as_labels, is_labeled
from ._novelty_combined import Combined
from ._novelty_scores import (
    Folds,
    KthNeighbor,
    LocalOutliers,
    LogitScore,
    Mahalanobis,
    OverFolds,
    Score,
    distinct,
)

_KNN_NEIGHBORS, _LOF_NEIGHBORS = 5, 10
# So many known samples are looked at for the threshold of samples that are seen together.
_MOST_TOGETHER = 5000


class NoveltyDetector(OutlierMixin, BaseEstimator):
    """Tell glitches of unknown kinds from known ones, by their embeddings.

    It learns from embeddings of known glitches how familiar others are, and calls novel what
    is less familiar than all but a stated share of known glitches that were held out.

    Parameters
    ----------
    method : {"combined", "knn", "lof", "mahalanobis", "energy", "max_logit"}, \
            default="combined"
        What makes a glitch familiar:

        - ``"combined"``: the mean of several opinions: the Mahalanobis distance and, with labels,
          the energy, both along the first 30 principal axes, or as many as there are classes,
          and once more along as many as there are eight samples for, up to 200; and the local
          outlier factor along the latter. All but it are whitened. It was measured to be best,
          or close to that, for few glitches and for many;
        - ``"knn"``: a small distance to its k-th nearest known glitch, all embeddings scaled
          to length 1 [1]_. Needs no labels, but more than `n_neighbors` glitches of each kind:
          with fewer, known glitches are far from their k-th nearest too, and hardly any new one
          is told;
        - ``"lof"``: a small local outlier factor [5]_, the distance to the nearest known
          glitches in units of how far these lie apart. Needs no labels, but more than
          `n_neighbors` glitches of each kind;
        - ``"mahalanobis"``: a small distance to the mean of a class, measured by the spread
          of samples about the means of their classes [2]_. Without labels all is one class;
        - ``"energy"``: a large logarithm of the sum of the exponentials of the logits that a
          linear classifier of the known classes gives [3]_. Needs labels;
        - ``"max_logit"``: a large greatest logit [4]_. Needs labels.
    n_neighbors : int or "auto", default="auto"
        Neighbors of ``"combined"``, ``"knn"`` and ``"lof"``. ``"auto"`` is 5 of ``"knn"`` and 10
        of ``"lof"``; of ``"combined"`` a quarter of the middle size of a class, from 2 to 20, and
        20 without labels.
    head : estimator, default=None
        The classifier of ``"energy"`` and ``"max_logit"``, which has a ``decision_function``.
        None is logistic regression on standardized embeddings. One that is fitted already is
        taken as it is in a :class:`~sklearn.frozen.FrozenEstimator`; then X should be data
        that it was not fitted to.
    false_alarm_probability : float, default=0.05
        Share of known glitches that are called novel.
    cv : int or cross-validation generator, default=5
        Folds that the held-out scores of ``fit`` come from. New samples get the mean score of
        the models of all folds. Each sample has to be held out once, and copies of one glitch
        are held out together. Not used by ``"knn"`` and ``"lof"``, which leave out a sample at a
        time.
    n_together : int, default=5
        Number of nearest samples whose scores :meth:`score_together` takes into account.
    n_jobs : int, default=None
        Number of folds at a time. Scikit-learn and BLAS use threads of their own beside.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds.

    Attributes
    ----------
    offset_ : float
        Scores below are novel.
    together_offset_ : float
        Of :meth:`score_together`, scores below are novel.
    held_out_scores_ : ndarray of shape (n_samples,)
        Score of each sample of ``fit``, or of the last :meth:`calibrate`, by what was learnt
        without it.
    classes_ : ndarray of shape (n_classes,)
        The known classes. Only where y was given.
    n_features_in_ : int
        Length of an embedding.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, where it is a data frame.

    See Also
    --------
    NewClassFinder : Which of the novel glitches belong together.
    sklearn.neighbors.LocalOutlierFactor : Outliers by density.

    Notes
    -----
    The threshold is that of split conformal prediction: with m held-out scores it is the
    r-th lowest, r being ``floor(false_alarm_probability * (m + 1))``, and a new known glitch falls
    below it with probability r / (m + 1). With fewer than ``1 / false_alarm_probability - 1``
    samples there is no such threshold; the lowest score is taken, with a warning.

    ``together_offset_`` is set in the same way from scores of held-out samples, averaged among
    each other. Its rate is about what was asked for; glitches that lie between a known and a new
    kind are counted to the new one.

    Leave out glitches whose label stands for no one kind, such as None_of_the_Above: what is as odd
    as that would pass for known.

    The rate holds for glitches like those of ``fit``. A net embeds the glitches that it was
    trained on more tightly than others: give ``fit`` embeddings of glitches that it was not
    trained on, or give such ones to :meth:`calibrate` after.

    ``fit_predict(X)`` is ``fit(X).predict(X)`` as elsewhere in scikit-learn, so each sample is
    its own nearest neighbor. ``held_out_scores_ < offset_`` says which samples of ``fit`` look
    odd to the others.

    References
    ----------
    .. [1] Y. Sun, Y. Ming, X. Zhu, Y. Li, "Out-of-Distribution Detection with Deep Nearest
       Neighbors", ICML 2022, arXiv:2204.06507.
    .. [2] K. Lee, K. Lee, H. Lee, J. Shin, "A Simple Unified Framework for Detecting
       Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018, arXiv:1807.03888.
    .. [3] W. Liu, X. Wang, J. Owens, Y. Li, "Energy-based Out-of-distribution Detection",
       NeurIPS 2020, arXiv:2010.03759.
    .. [4] D. Hendrycks et al., "Scaling Out-of-Distribution Detection for Real-World
       Settings", ICML 2022, arXiv:1911.11132.
    .. [5] M. M. Breunig, H.-P. Kriegel, R. T. Ng, J. Sander, "LOF: Identifying Density-Based
       Local Outliers", SIGMOD 2000.

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
        "method": [StrOptions({"combined", "knn", "lof", "mahalanobis", "energy", "max_logit"})],
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
        n_together: int = 5,
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
        """Learn what is known, and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings of known glitches.
        y : array-like of shape (n_samples,), default=None
            Their classes, of any kind.

        Returns
        -------
        self : NoveltyDetector

        Raises
        ------
        ValueError
            If X has NaN or infinite values, or y is needed and missing, lacks labels, or has one
            class where a classifier is fitted, or folds of ``cv`` overlap.
        """
        X, codes = self._read(X, y)
        self._score = self._make_score(len(X))
        return self._calibrate(X, self._score.fit(X, codes, self._folds(X, codes), self.n_jobs))

    def calibrate(self, X: Any) -> NoveltyDetector:
        """Set the threshold anew, by known glitches that ``fit`` has not seen.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings of known glitches, in the proportions in which they will come.

        Returns
        -------
        self : NoveltyDetector
        """
        scores = self.score_samples(X)
        return self._calibrate(np.asarray(X), scores)

    def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> NDArray[Any]:
        """Fit to X, and tell which samples of X are novel.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.
        y : array-like of shape (n_samples,), default=None
            Classes, as in :meth:`fit`.
        **kwargs : dict
            Nothing; it is there as scikit-learn's outlier detectors have it.

        Returns
        -------
        is_known : ndarray of shape (n_samples,), dtype int64
            1 for known, -1 for novel.
        """
        return self.fit(X, y, **kwargs).predict(X)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Say how familiar samples are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            Higher is more familiar. Distances come with a minus sign.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._score.score(X)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores less the threshold: negative for what is novel.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        decision : ndarray of shape (n_samples,), dtype float64
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Tell known from novel.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        is_known : ndarray of shape (n_samples,), dtype int64
            1 for known, -1 for novel.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Conformal p-values: how often a known glitch looks at least as odd.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        p_values : ndarray of shape (n_samples,), dtype float64
            Of m held-out scores, one more than those at or below the score, over m + 1. With
            many glitches at a time, :func:`scipy.stats.false_discovery_control` turns them
            into a list with a known share of false discoveries.
        """
        scores = self.score_samples(X)
        ranked = np.sort(self.held_out_scores_)
        return (1 + np.searchsorted(ranked, scores, side="right")) / (1 + len(ranked))

    def score_together(self, X: Any) -> NDArray[np.float64]:
        """Say how familiar samples are, each seen together with those of X that are like it.

        A single new glitch near a known class may be one of it; five that lie together are hardly
        all odd by chance. So this finds much more of kinds that come several times in X, and less
        of what comes once.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings of glitches that came together, such as those of a day or a run.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            Mean of :meth:`score_samples` over each sample and the ``n_together`` nearest to it by
            cosine.
        """
        scores = self.score_samples(X)
        return self._among(np.asarray(X), scores)

    def predict_together(self, X: Any) -> NDArray[np.int64]:
        """Tell known from novel, each sample seen together with those of X that are like it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings, as for :meth:`score_together`.

        Returns
        -------
        is_known : ndarray of shape (n_samples,), dtype int64
            1 for known, -1 for novel.
        """
        return np.where(self.score_together(X) < self.together_offset_, -1, 1)

    def _among(self, X: NDArray[Any], scores: NDArray[np.float64]) -> NDArray[np.float64]:
        n_neighbors = min(self.n_together + 1, len(X))
        index = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(normalize(X))
        # Each sample is among its own nearest.
        return scores[index.kneighbors(normalize(X), return_distance=False)].mean(axis=1)

    def _needs_y(self) -> bool:
        return self.method in ("energy", "max_logit") and not isinstance(self.head, FrozenEstimator)

    def _read(self, X: Any, y: Any) -> tuple[NDArray[Any], NDArray[np.intp] | None]:
        options: dict = {"dtype": [np.float64, np.float32], "ensure_min_samples": 2}
        self.__dict__.pop("classes_", None)
        if y is None and not self._needs_y():
            return validate_data(self, X, **options), None
        missing = 0 if y is None else int((~is_labeled(y)).sum())
        if missing:
            raise ValueError(
                f"y has no label for {missing} of {len(as_labels(y))} samples (None, NaN, '' or "
                "-1): leave them out."
            )
        # What y must be is told by scikit-learn, in the words of its other estimators.
        X, y = validate_data(self, X, y, **options)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if self._needs_y() and len(self.classes_) < 2:
            raise ValueError(
                f"method={self.method!r} tells classes apart, and y has one only, "
                f"{str(self.classes_[0])!r}. Use method='combined' or another one."
            )
        return X, codes

    def _make_score(self, n_samples: int) -> Score:
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
            return KthNeighbor(n_neighbors or _KNN_NEIGHBORS)
        if self.method == "lof":
            return LocalOutliers(n_neighbors or _LOF_NEIGHBORS)
        if self.method == "mahalanobis":
            return OverFolds(Mahalanobis)
        make = partial(LogitScore, self.method, self.head)
        return OverFolds(make)

    def _folds(self, X: NDArray[Any], codes: NDArray[np.intp] | None) -> Folds:
        if not isinstance(self.cv, Integral):
            return self.cv.split(X, np.zeros(len(X)) if codes is None else codes)
        # Copies of a glitch are held out together: one of them would tell of the others.
        copies = distinct(X)[1]
        n_distinct = copies.max() + 1
        has_copies = 1 < n_distinct < len(X)
        n_splits = min(self.cv, n_distinct if has_copies else len(X))
        options: dict = {"shuffle": True, "random_state": check_random_state(self.random_state)}
        if codes is not None and np.bincount(codes).max() >= n_splits:
            kind = StratifiedGroupKFold if has_copies else StratifiedKFold
        else:
            kind = GroupKFold if has_copies else KFold
        with warnings.catch_warnings():
            # Classes with fewer glitches than folds are usual, and fine here.
            warnings.filterwarnings("ignore", message="The least populated class")
            return list(kind(n_splits, **options).split(X, codes, copies if has_copies else None))

    def _calibrate(self, X: NDArray[Any], scores: NDArray[np.float64]) -> NoveltyDetector:
        rank = math.floor(self.false_alarm_probability * (len(scores) + 1))
        if rank == 0:
            needed = math.ceil(1 / self.false_alarm_probability) - 1
            warnings.warn(
                f"{needed} held-out samples are needed for "
                f"false_alarm_probability={self.false_alarm_probability:g}, and "
                f"there are {len(scores)}: the threshold is their lowest score, at a rate of "
                f"{1 / (len(scores) + 1):.2g}.",
                UserWarning,
                stacklevel=3,
            )
        self.held_out_scores_ = scores
        self.offset_ = self._lowest(scores)
        # A batch is smaller than all that is known, and its samples are farther from each other.
        rng = check_random_state(self.random_state)
        rows = rng.permutation(len(X))[:_MOST_TOGETHER]
        self.together_offset_ = self._lowest(self._among(X[rows], scores[rows]))
        return self

    def _lowest(self, scores: NDArray[np.float64]) -> float:
        """Give the score below which is the stated share of new samples like these."""
        rank = max(1, math.floor(self.false_alarm_probability * (len(scores) + 1)))
        return float(np.partition(scores, rank - 1)[rank - 1])
