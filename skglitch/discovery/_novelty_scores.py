"""How familiar a sample is: the scores that NoveltyDetector can take, higher for what is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils import gen_batches
from sklearn.utils.parallel import Parallel, delayed

Folds = Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]]

# Rows at a time where a method would need float64 copies of all of X.
_ROWS = 8192


class Score(Protocol):
    """What is learnt from known samples and then says how familiar others are."""

    def fit(
        self, X: NDArray[Any], y: NDArray[np.intp] | None, folds: Folds, n_jobs: int | None
    ) -> NDArray[np.float64]:
        """Learn what is known; give the score of each sample by what is learnt without it."""

    def score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Score samples, higher for what is more like the known ones."""


def distinct(X: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Keep one of each row that comes several times.

    A copy of a sample says nothing of what else is known, and would be its nearest neighbor.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    rows : ndarray of shape (n_distinct, n_features)
        In the order in which they come first.
    inverse : ndarray of shape (n_samples,)
        The one that each sample is.
    """
    _, first, inverse = np.unique(X, axis=0, return_index=True, return_inverse=True)
    if len(first) == len(X):
        return X, np.arange(len(X))
    place = np.empty(len(first), dtype=np.intp)
    place[np.argsort(first)] = np.arange(len(first))
    return X[np.sort(first)], place[inverse.reshape(-1)]


class KthNeighbor:
    """Minus the distance to the k-th nearest known sample, all at length 1 (Sun et al. 2022)."""

    def __init__(self, n_neighbors: int) -> None:
        self.n_neighbors = n_neighbors

    def fit(
        self, X: NDArray[Any], y: NDArray[np.intp] | None, folds: Folds, n_jobs: int | None
    ) -> NDArray[np.float64]:
        """Keep the known samples; score each against all others, folds as small as can be."""
        rows, inverse = distinct(normalize(X))
        n_neighbors = min(self.n_neighbors, max(1, len(rows) - 1))
        # In hundreds of dimensions trees are slower than comparing with all.
        self.index = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(rows)
        if len(rows) == 1:
            return np.zeros(len(X))
        return -self.index.kneighbors()[0][inverse, -1].astype(np.float64)

    def score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Score new samples."""
        return -self.index.kneighbors(normalize(X))[0][:, -1].astype(np.float64)


class LocalOutliers:
    """Minus the local outlier factor among known samples, all at length 1 (Breunig et al. 2000)."""

    def __init__(self, n_neighbors: int) -> None:
        self.n_neighbors = n_neighbors

    def fit(
        self, X: NDArray[Any], y: NDArray[np.intp] | None, folds: Folds, n_jobs: int | None
    ) -> NDArray[np.float64]:
        """Keep the known samples; score each against all others, folds as small as can be."""
        rows = normalize(X)
        self.model = fit_local_outliers(rows, self.n_neighbors)
        inverse = distinct(rows)[1]
        return self.model.negative_outlier_factor_[inverse].astype(np.float64)

    def score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Score new samples."""
        return self.model.score_samples(normalize(X)).astype(np.float64)


def fit_local_outliers(X: NDArray[Any], n_neighbors: int) -> LocalOutlierFactor:
    """Fit to the distinct rows of X, with at most as many neighbors as there are."""
    rows, _ = distinct(X)
    # One place alone has no neighbor but itself.
    rows = np.concatenate([rows, rows]) if len(rows) == 1 else rows
    n_neighbors = min(n_neighbors, len(rows) - 1)
    return LocalOutlierFactor(n_neighbors, algorithm="brute", novelty=True).fit(rows)


class OverFolds:
    """The mean of one score a fold, each learnt without its fold.

    One more, learnt from all, would score new samples on another scale than the held-out ones:
    logits grow with the number of samples, and distances shrink.

    Parameters
    ----------
    make : callable
        Gives a model with ``fit(X, y)`` and ``score(X)``.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def fit(
        self, X: NDArray[Any], y: NDArray[np.intp] | None, folds: Folds, n_jobs: int | None
    ) -> NDArray[np.float64]:
        """Fit once a fold, and score each fold by the fit without it."""

        def of_fold(train: NDArray[np.intp], test: NDArray[np.intp]) -> Any:
            model = self.make().fit(X[train], None if y is None else y[train])
            return model, model.score(X[test])

        folds = list(folds)
        held_out = np.bincount(
            np.concatenate([np.zeros(0, np.intp), *(test for _, test in folds)]), minlength=len(X)
        )
        if (held_out != 1).any():
            raise ValueError(
                "cv must hold out each sample once, as KFold and StratifiedKFold do: it holds out "
                f"{int((held_out == 0).sum())} samples never and "
                f"{int((held_out > 1).sum())} more than once."
            )
        # Threads, since the work is in BLAS and processes would each need a copy of X.
        fitted = Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(of_fold)(train, test) for train, test in folds
        )
        self.models = [model for model, _ in fitted]
        scores = np.empty((len(X), *fitted[0][1].shape[1:]))
        for (_, test), (_, part) in zip(folds, fitted, strict=True):
            scores[test] = part
        return scores

    def score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Score new samples."""
        return np.mean([model.score(X) for model in self.models], axis=0)


class Mahalanobis:
    """Minus the squared distance to the nearest class, all sharing a covariance (Lee et al. 2018).

    The covariance is that of samples about the mean of their class, shrunk as Ledoit and Wolf do.
    """

    def fit(self, X: NDArray[Any], y: NDArray[np.intp] | None) -> Mahalanobis:
        """Learn the mean of each class and the covariance about them."""
        codes = (
            np.zeros(len(X), dtype=np.intp) if y is None else np.unique(y, return_inverse=True)[1]
        )
        means = class_means(X, codes)
        self.whiten = whitener(within_classes(X, codes))
        self.means = means @ self.whiten
        return self

    def score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Score samples."""
        scores = np.empty(len(X))
        for rows in gen_batches(len(X), _ROWS):
            scores[rows] = -nearest_distance(X[rows] @ self.whiten, self.means)
        return scores


class LogitScore:
    """A number made of the logits that a linear head gives.

    Parameters
    ----------
    kind : {"energy", "max_logit"}
        The logarithm of the sum of their exponentials, the negative free energy of Liu et al.
        (2020), or the largest (Hendrycks et al. 2022).
    head : estimator or None
        What has a ``decision_function``. None is logistic regression.
    """

    def __init__(self, kind: str, head: Any) -> None:
        self.kind = kind
        self.head = head

    def fit(self, X: NDArray[Any], y: NDArray[np.intp] | None) -> LogitScore:
        """Fit the head, unless it is frozen."""
        head = self.head
        if head is None:
            head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        self.fitted = head if isinstance(head, FrozenEstimator) else clone(head).fit(X, y)
        return self

    def score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Score samples."""
        logits = class_logits(self.fitted, X)
        return logsumexp(logits, axis=1) if self.kind == "energy" else logits.max(axis=1)


def class_means(X: NDArray[Any], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean of each class."""
    return np.stack(
        [X[codes == code].mean(axis=0, dtype=np.float64) for code in range(codes.max() + 1)]
    )


def within_classes(X: NDArray[Any], codes: NDArray[np.intp]) -> NDArray[Any]:
    """Give the difference of samples from the mean of their class, or of all if none has two."""
    if codes.max() + 1 == len(X):
        codes = np.zeros_like(codes)
    return X - class_means(X, codes).astype(X.dtype)[codes]


def whitener(residuals: NDArray[Any]) -> NDArray[np.float64]:
    """Give what turns residuals into such with the unit matrix as their shrunk covariance."""
    covariance = LedoitWolf(assume_centered=True, store_precision=False)
    values, vectors = np.linalg.eigh(covariance.fit(residuals).covariance_.astype(np.float64))
    if values[-1] <= 0:
        # A single sample tells nothing of any spread.
        return vectors
    # Constant features have no spread; the floor keeps what is outside of them far, not
    # infinitely far.
    floor = max(values[-1] * np.finfo(residuals.dtype).eps, np.finfo(np.float64).tiny)
    return vectors / np.sqrt(np.maximum(values, floor))


def nearest_distance(white: NDArray[Any], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distance to the nearest mean."""
    nearest = np.full(len(white), np.inf)
    # By differences, class by class: |x|^2 - 2 x m + |m|^2 loses digits far out.
    for mean in means:
        np.minimum(nearest, ((white - mean) ** 2).sum(axis=1), out=nearest)
    return nearest


def class_logits(head: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    logits = np.asarray(head.decision_function(X), dtype=np.float64)
    if logits.ndim == 1:
        # Two classes have one number, the difference of their logits.
        logits = np.stack([-logits / 2, logits / 2], axis=1)
    return logits
