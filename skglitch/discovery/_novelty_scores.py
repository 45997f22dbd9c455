"""Scores of NoveltyDetector, which are higher for samples similar to known glitches.

``fit(X, codes, folds, n_jobs)`` returns held-out scores, and ``score(X)`` scores of new samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils import gen_batches
from sklearn.utils.parallel import Parallel, delayed

from ._axes import (
    FEWEST_AXES,
    MOST_AXES,
    Array,
    Codes,
    class_means,
    count_axes,
    fit_axes,
    subtract_class_means,
    whitening_matrix,
)

Folds = Iterable[tuple[Codes, Codes]]

# "combined" divides each of its scores by the distance between their median and this quantile:
# new classes are on the low side, and the local outlier factor of some known samples is far out.
_LOW_QUANTILE = 0.2
# Regularization of its logistic regression. Logits are large along whitened axes; this keeps them
# small enough to express doubt.
_C = 0.1


class KthNeighbor:
    """Minus the distance to the k-th nearest known sample, all at length 1 (Sun et al. 2022)."""

    def __init__(self, n_neighbors: int) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: Array, codes: Codes | None, folds: Folds, n_jobs: int | None) -> Array:
        """Score each sample by all others; folds are not used."""
        rows, inverse = drop_copies(normalize(X))
        n_neighbors = min(self.n_neighbors, max(1, len(rows) - 1))
        # In hundreds of dimensions, trees are slower than brute force.
        self.index = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(rows)
        if len(rows) == 1:
            return np.zeros(len(X))
        return -self.index.kneighbors()[0][inverse, -1].astype(np.float64)

    def score(self, X: Array) -> Array:
        """Score new samples."""
        return -self.index.kneighbors(normalize(X))[0][:, -1].astype(np.float64)


class CrossFitted:
    """Mean score of the models of all folds, each made by `make`.

    A single model of all samples would score new samples on another scale than held-out ones:
    logits increase with the number of samples, and distances decrease.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def __getstate__(self) -> dict[str, Any]:
        return {"models": self.models}  # all that scoring needs

    def fit(self, X: Array, codes: Codes | None, folds: Folds, n_jobs: int | None) -> Array:
        """Fit one model per fold, and score each fold."""

        def fit_fold(train: Codes, test: Codes) -> Any:
            # Renumbered, as a fold may lack a class. Without labels, there is one class.
            seen = np.zeros(len(X), np.intp) if codes is None else codes
            trained = np.unique(seen[train], return_inverse=True)[1]
            model = self.make().fit(X[train], trained)
            return model, model.score(X[test])

        folds = list(folds)
        tests = np.concatenate([np.zeros(0, np.intp), *(test for _, test in folds)])
        held_out = np.bincount(tests, minlength=len(X))
        n_wrong = int((held_out != 1).sum())
        if n_wrong:
            raise ValueError(
                f"cv must hold out each sample once, as KFold does: it fails for {n_wrong} samples."
            )
        # Threads: the work is in BLAS, and processes would each copy X.
        fitted = Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(fit_fold)(train, test) for train, test in folds
        )
        self.models = [model for model, _ in fitted]
        scores = np.empty((len(X), *fitted[0][1].shape[1:]))
        for (_, test), (_, part) in zip(folds, fitted, strict=True):
            scores[test] = part
        return scores

    def score(self, X: Array) -> Array:
        """Score new samples."""
        return np.mean([model.score(X) for model in self.models], axis=0)


class Mahalanobis:
    """Minus the squared distance to the nearest class mean, in units of the shared covariance."""

    def fit(self, X: Array, codes: Codes) -> Mahalanobis:
        """Estimate the class means and the covariance about them."""
        self.whiten = whitening_matrix(subtract_class_means(X, codes))
        self.means = class_means(X, codes) @ self.whiten
        return self

    def score(self, X: Array) -> Array:
        """Score samples."""
        scores = np.empty(len(X))
        for rows in gen_batches(len(X), 8192):  # float64 copies of all rows take much memory
            scores[rows] = -self.squared_distances(X[rows] @ self.whiten)
        return scores

    def squared_distances(self, whitened: Array) -> Array:
        """Squared distance of whitened samples to the nearest mean."""
        nearest = np.full(len(whitened), np.inf)
        # Class by class from differences: |x|^2 - 2 x m + |m|^2 loses digits far away.
        for mean in self.means:
            np.minimum(nearest, ((whitened - mean) ** 2).sum(axis=1), out=nearest)
        return nearest


class Energy:
    """log(sum(exp(logits))) of a head, which is minus the energy of Liu et al. 2020."""

    def __init__(self, head: Any) -> None:
        self.head = head

    def fit(self, X: Array, codes: Codes) -> Energy:
        """Fit the head, unless it is frozen."""
        head = self.head
        if head is None:
            head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        if not isinstance(head, FrozenEstimator):
            head = clone(head).fit(X, codes)
        self.fitted = head
        return self

    def score(self, X: Array) -> Array:
        """Score samples."""
        logits = np.asarray(self.fitted.decision_function(X), dtype=np.float64)
        if logits.ndim == 1:
            # With two classes there is one number, the difference of their logits.
            logits = np.stack([-logits / 2, logits / 2], axis=1)
        return logsumexp(logits, axis=1)


class Combined:
    """Mean of the standardized scores of CombinedColumns."""

    def __init__(self, n_neighbors: int | None = None) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: Array, codes: Codes | None, folds: Folds, n_jobs: int | None) -> Array:
        """Fit the scores by cross-validation, and measure their spread among held-out samples."""
        n_classes = 1 if codes is None else len(np.unique(codes))
        # With one sample per class, a classifier would learn single samples.
        has_classes = 1 < n_classes < len(X)
        # From the number of all samples, so that all folds have the same scores.
        widths = sorted({count_axes(X.shape, max(n, n_classes)) for n in (FEWEST_AXES, MOST_AXES)})
        self.columns = CrossFitted(partial(CombinedColumns, self.n_neighbors, has_classes, widths))
        held_out = self.columns.fit(X, codes, folds, n_jobs)
        self.center = np.median(held_out, axis=0)
        spread = self.center - np.quantile(held_out, _LOW_QUANTILE, axis=0)
        self.spread = np.where(spread > 0, spread, 1.0)
        return ((held_out - self.center) / self.spread).mean(axis=1)

    def score(self, X: Array) -> Array:
        """Score new samples."""
        return ((self.columns.score(X) - self.center) / self.spread).mean(axis=1)


class CombinedColumns:
    """The scores that "combined" averages: one column each.

    The first is the local outlier factor along all axes. For each number of axes in the sorted
    `widths`, the Mahalanobis distance and, if `has_classes`, the energy along whitened axes follow.
    Logarithms limit the influence of outliers in a single score.
    """

    def __init__(self, n_neighbors: int | None, has_classes: bool, widths: list[int]) -> None:
        self.n_neighbors = n_neighbors
        self.has_classes = has_classes
        self.widths = widths

    def fit(self, X: Array, codes: Codes) -> CombinedColumns:
        """Fit all scores."""
        self.axes, projected = fit_axes(X, self.widths[-1])
        n_neighbors = self.n_neighbors
        if n_neighbors is None:
            quarter = round(float(np.median(np.bincount(codes))) / 4)
            n_neighbors = min(max(quarter, 2), 20) if codes.max() > 0 else 20
        rows, _ = drop_copies(projected)
        # A single row has no neighbor but itself.
        rows = np.concatenate([rows, rows]) if len(rows) == 1 else rows
        self.density = LocalOutlierFactor(
            min(n_neighbors, len(rows) - 1), algorithm="brute", novelty=True
        ).fit(rows)
        self.distances = [Mahalanobis().fit(projected[:, :n], codes) for n in self.widths]
        self.energies: list[Energy | None] = []
        for n, distance in zip(self.widths, self.distances, strict=True):
            energy = None
            if self.has_classes and codes.max() > 0:  # a fold may have one class only
                head = LogisticRegression(C=_C, max_iter=1000)
                energy = Energy(head).fit(projected[:, :n] @ distance.whiten, codes)
            self.energies.append(energy)
        return self

    def score(self, X: Array) -> Array:
        """Score samples: one column per score."""
        projected = self.axes.transform(X)
        columns = [-np.log(-self.density.score_samples(projected))]
        for n, distance, energy in zip(self.widths, self.distances, self.energies, strict=True):
            whitened = projected[:, :n] @ distance.whiten
            columns.append(-np.log1p(distance.squared_distances(whitened) / n))
            if self.has_classes:
                columns.append(np.zeros(len(X)) if energy is None else energy.score(whitened))
        return np.stack(columns, axis=1).astype(np.float64)


def drop_copies(X: Array) -> tuple[Array, Codes]:
    """Distinct rows of X in order of appearance, and the index of each row among them."""
    _, first, inverse = np.unique(X, axis=0, return_index=True, return_inverse=True)
    if len(first) == len(X):
        return X, np.arange(len(X))
    position = np.empty(len(first), dtype=np.intp)
    position[np.argsort(first)] = np.arange(len(first))
    return X[np.sort(first)], position[inverse.reshape(-1)]
