"""Several opinions of how familiar a sample is, and their mean."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from ._novelty_scores import (
    Folds,
    LogitScore,
    Mahalanobis,
    OverFolds,
    fit_local_outliers,
    nearest_distance,
    whitener,
    within_classes,
)

# A net that learnt n classes well tells them along n - 1 axes. Most of what else it reads is noise
# between glitches of one kind: some new kinds are told better without, others by that alone, and
# most when both are asked.
_FEWEST_AXES, _MOST_AXES, _SAMPLES_AN_AXIS = 30, 200, 8
# What is a large difference of an opinion is told by its odd side, where new kinds are, and not by
# the middle half of samples: the local outlier factor of some known ones is far out.
_ODDEST = 0.2
# Of the local outlier factor: a quarter of a class, within these bounds.
_LEAST_NEIGHBORS, _MOST_NEIGHBORS = 2, 20
# Among whitened axes differences of logits are large: strong regularisation keeps them so small
# that they tell doubt.
_INVERSE_REGULARISATION = 0.1


def n_axes(shape: tuple[int, ...], most: int) -> int:
    """Give the number of axes for embeddings of this shape: every eighth sample, 30 at least."""
    n_samples, n_features = shape
    return min(max(n_samples // _SAMPLES_AN_AXIS, _FEWEST_AXES), most, n_features)


class PrincipalAxes:
    """The first principal axes of samples that are scaled to length 1.

    Parameters
    ----------
    n_axes : int
        There are less where there are not as many features, or samples.
    """

    def __init__(self, n_axes: int) -> None:
        self.n_axes = n_axes

    def fit_transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Learn the axes, and give the places of samples along them."""
        n_axes = max(min(self.n_axes, len(X) - 1, X.shape[1]), 1)
        # The randomised solver that it takes for many features gives the same axes again.
        self.pca = PCA(n_axes, random_state=0)
        with np.errstate(invalid="ignore"):  # the variance of a single sample
            return np.asarray(self.pca.fit_transform(normalize(X)))

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Give the places of samples."""
        return np.asarray(self.pca.transform(normalize(X)))


class Axes:
    """A space of few axes in which classes are as wide in every direction as in any other.

    Rows are scaled to length 1, projected on their principal axes, and whitened by the covariance
    of samples about the mean of their class, which is shrunk as Ledoit and Wolf do.

    Parameters
    ----------
    most : int
        There are no more axes than these, nor than :func:`n_axes`.
    """

    def __init__(self, most: int) -> None:
        self.most = most

    def fit(self, X: NDArray[Any], codes: NDArray[np.intp]) -> Axes:
        """Learn the axes of all samples, and the spread of those with a code from 0 on.

        With no class of two samples, it is the spread about the mean.
        """
        self.principal = PrincipalAxes(n_axes(X.shape, self.most))
        places = self.principal.fit_transform(X)
        labeled = codes >= 0
        self.whiten = whitener(within_classes(places[labeled], codes[labeled]))
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Give the places of samples."""
        return self.principal.transform(X) @ self.whiten


class Combined:
    """Opinions of one sample: how far from a class, how unlike any class, how lonely.

    The squared distance to the nearest class mean and, where there are classes, the energy of a
    logistic regression, each among few axes and, where there are samples enough, among many; and
    the local outlier factor among as many as there are. Axes are whitened but for the local
    outlier factor, which takes a sample's surroundings for its measure and is told better where
    noise is not made as wide as all else. Each is made a number that is small far out, but not
    without bound, and scaled by its spread among held-out samples; the score is their mean.
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
        # Of all samples: folds have to give the same opinions.
        widths = {n_axes(X.shape, max(most, n_classes)) for most in (_FEWEST_AXES, _MOST_AXES)}
        make = partial(_Opinions, self.n_neighbors, has_classes, tuple(sorted(widths)))
        self.opinions = OverFolds(make)
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
        Whether there are columns for the energy; a fold may have lost all classes but one.
    widths : tuple of int
        Numbers of axes, rising.
    """

    def __init__(self, n_neighbors: int | None, has_classes: bool, widths: tuple[int, ...]) -> None:
        self.n_neighbors = n_neighbors
        self.has_classes = has_classes
        self.widths = widths

    def fit(self, X: NDArray[Any], y: NDArray[np.intp] | None) -> _Opinions:
        codes = np.zeros(len(X), np.intp) if y is None else np.unique(y, return_inverse=True)[1]
        self.axes = PrincipalAxes(self.widths[-1])
        places = self.axes.fit_transform(X)
        n_neighbors = self.n_neighbors or _neighbors_within_a_class(codes)
        self.density = fit_local_outliers(places, n_neighbors)
        self.of_classes = [
            _OfClasses(self.has_classes).fit(places[:, :width], codes) for width in self.widths
        ]
        return self

    def score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        places = self.axes.transform(X)
        columns = [-np.log(-self.density.score_samples(places))]
        for width, of_classes in zip(self.widths, self.of_classes, strict=True):
            columns += of_classes.score(places[:, :width])
        return np.stack(columns, axis=1).astype(np.float64)


class _OfClasses:
    """The opinions that go by the classes: distance to the nearest, and energy."""

    def __init__(self, has_classes: bool) -> None:
        self.has_classes = has_classes

    def fit(self, places: NDArray[Any], codes: NDArray[np.intp]) -> _OfClasses:
        self.distance = Mahalanobis().fit(places, codes)
        self.energy = None
        if self.has_classes and codes.max() > 0:
            head = LogisticRegression(C=_INVERSE_REGULARISATION, max_iter=1000)
            self.energy = LogitScore("energy", head).fit(places @ self.distance.whiten, codes)
        return self

    def score(self, places: NDArray[Any]) -> list[NDArray[Any]]:
        white = places @ self.distance.whiten
        columns = [-np.log1p(nearest_distance(white, self.distance.means) / white.shape[1])]
        if self.has_classes:
            columns.append(
                np.zeros(len(white)) if self.energy is None else self.energy.score(white)
            )
        return columns


def _neighbors_within_a_class(codes: NDArray[np.intp]) -> int:
    if codes.max() == 0:
        return _MOST_NEIGHBORS
    quarter = round(float(np.median(np.bincount(codes))) / 4)
    return min(max(quarter, _LEAST_NEIGHBORS), _MOST_NEIGHBORS)
