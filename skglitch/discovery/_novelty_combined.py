"""Several opinions of how familiar a sample is, and their mean."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from ._novelty_scores import (
    Folds,
    OverFolds,
    class_logits,
    class_means,
    fit_local_outliers,
    nearest_distance,
    whitener,
    within_classes,
)

# Axes that are kept. A net that learnt n classes well tells them along n - 1. Most of what else it
# reads is noise between glitches of one kind, and a new kind that is near to a known one was told
# better without: see benchmarks/discovery.py. The second number is for who asks for more axes.
_FEWEST_AXES, _SAMPLES_AN_AXIS = 30, 8
# What is a large difference of an opinion is told by its odd side, where new kinds are, and not by
# the middle half of samples: the local outlier factor of some known ones is far out.
_ODDEST = 0.2
# Of the local outlier factor: a quarter of a class, within these bounds.
_LEAST_NEIGHBORS, _MOST_NEIGHBORS = 2, 20
# Among whitened axes differences of logits are large: strong regularisation keeps them so small
# that they tell doubt.
_INVERSE_REGULARISATION = 0.1


class Axes:
    """A space of few axes in which classes are as wide in every direction as in any other.

    Rows are scaled to length 1, projected on their principal axes, and whitened by the covariance
    of samples about the mean of their class, which is shrunk as Ledoit and Wolf do.

    Parameters
    ----------
    most : int
        There are no more axes than these, nor than every eighth sample, but 30 in any case.
    """

    def __init__(self, most: int) -> None:
        self.most = most

    def fit(self, X: NDArray[Any], codes: NDArray[np.intp]) -> Axes:
        """Learn the axes of all samples, and the spread of those with a code from 0 on.

        With no class of two samples, it is the spread about the mean.
        """
        wanted = min(max(len(X) // _SAMPLES_AN_AXIS, _FEWEST_AXES), self.most)
        n_axes = min(wanted, len(X) - 1, X.shape[1])
        # The randomised solver that it takes for many features gives the same axes again.
        self.pca = PCA(max(n_axes, 1), random_state=0)
        with np.errstate(invalid="ignore"):  # the variance of a single sample
            places = np.asarray(self.pca.fit_transform(normalize(X)))
        labelled = codes >= 0
        self.whiten = whitener(within_classes(places[labelled], codes[labelled]))
        return self

    def project(self, X: NDArray[Any]) -> NDArray[Any]:
        """Give the places of samples along the principal axes, not whitened."""
        return np.asarray(self.pca.transform(normalize(X)))

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Give the places of samples."""
        return self.project(X) @ self.whiten


class Combined:
    """Three opinions of one sample: how far from a class, how lonely, how unlike any class.

    The squared distance to the nearest class mean, the local outlier factor and, where there are
    classes, the energy of a logistic regression, all among few axes. These are whitened but for
    the local outlier factor, which takes a sample's surroundings for its measure and is told
    better where noise is not made as wide as all else. Each is made a number that is small far
    out, but not without bound, and scaled by its spread among held-out samples; the score is
    their mean.
    """

    def __init__(self, n_neighbors: int | None = None) -> None:
        self.n_neighbors = n_neighbors

    def fit(
        self, X: NDArray[Any], y: NDArray[np.intp] | None, folds: Folds, n_jobs: int | None
    ) -> NDArray[np.float64]:
        """Learn all opinions, and what is usual of each among held-out samples."""
        folds = list(folds)
        n_classes = 1 if y is None else len(np.unique(y))
        # With a sample a class, a classifier would learn to tell samples.
        has_classes = 1 < n_classes < len(X)
        self.opinions = OverFolds(partial(_Opinions, self.n_neighbors, has_classes))
        held_out = self.opinions.fit(X, y, folds, n_jobs)
        self.usual = np.median(held_out, axis=0)
        spread = self.usual - np.quantile(held_out, _ODDEST, axis=0)
        self.spread = np.where(spread > 0, spread, 1.0)
        return self._mean(held_out)

    def score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Score new samples."""
        return self._mean(self.opinions.score(X))

    def _mean(self, opinions: NDArray[np.float64]) -> NDArray[np.float64]:
        return ((opinions - self.usual) / self.spread).mean(axis=1)


class _Opinions:
    """What :class:`Combined` combines, a column each.

    Parameters
    ----------
    n_neighbors : int or None
        Of the local outlier factor; None goes by the size of the classes.
    has_classes : bool
        Whether there is a column for the energy; a fold may have lost all classes but one.
    """

    def __init__(self, n_neighbors: int | None, has_classes: bool) -> None:
        self.n_neighbors = n_neighbors
        self.has_classes = has_classes

    def fit(self, X: NDArray[Any], y: NDArray[np.intp] | None) -> _Opinions:
        codes = np.zeros(len(X), np.intp) if y is None else np.unique(y, return_inverse=True)[1]
        self.axes = Axes(max(_FEWEST_AXES, len(np.unique(codes)))).fit(X, codes)
        places = self.axes.project(X)
        n_neighbors = self.n_neighbors or _neighbours_within_a_class(codes)
        self.density = fit_local_outliers(places, n_neighbors)
        white = places @ self.axes.whiten
        self.means = class_means(white, codes)
        head = LogisticRegression(C=_INVERSE_REGULARISATION, max_iter=1000)
        self.head = head.fit(white, codes) if self.has_classes and codes.max() > 0 else None
        return self

    def score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        places = self.axes.project(X)
        white = places @ self.axes.whiten
        distances = nearest_distance(white, self.means) / white.shape[1]
        loneliness = -self.density.score_samples(places)
        columns = [-np.log1p(distances), -np.log(loneliness)]
        if self.has_classes:
            doubt = np.zeros(len(X)) if self.head is None else class_logits(self.head, white)
            columns.append(doubt if self.head is None else logsumexp(doubt, axis=1))
        return np.stack(columns, axis=1).astype(np.float64)


def _neighbours_within_a_class(codes: NDArray[np.intp]) -> int:
    if codes.max() == 0:
        return _MOST_NEIGHBORS
    quarter = round(float(np.median(np.bincount(codes))) / 4)
    return min(max(quarter, _LEAST_NEIGHBORS), _MOST_NEIGHBORS)
