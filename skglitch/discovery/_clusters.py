"""What is known of a cluster: its class, its members, how stable it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.utils.parallel import Parallel, delayed

# As scikit-learn's clusterers mark samples in no cluster.
NOISE = -1
# A cluster without a name is a mixture of known classes where so many have a label.
_MIXED = 0.5
# Neighbors by which a sample is joined to a cluster.
_NEAREST = 3
# Share of the samples that each re-clustering for the stability sees.
_SUBSAMPLE = 0.8


@dataclass(frozen=True, eq=False)
class Cluster:
    """One cluster that :class:`NewClassFinder` found.

    Parameters
    ----------
    label : int
        Its number in ``labels_``.
    size : int
        Number of its members.
    known_class : object
        The known class that it is, or None for a new one and for a mixture of known ones.
    purity : float
        Of its labeled members, the share of the most frequent class; NaN without any.
    labeled : float
        Share of its members that have a label.
    stability : float
        Mean over subsamples of the largest Jaccard index with a cluster found in the subsample
        alone, from 0 to 1; NaN where none were drawn. Hennig (2007) calls 0.75 and above valid,
        and does not trust those below 0.6.
    typical : ndarray of int
        Rows of X nearest to its center, nearest first.
    borderline : ndarray of int
        Rows of its least certain members, least certain first.
    nearest_classes : tuple of (object, float)
        The known classes and the cosine of their center with that of the cluster, both seen
        from the mean of all samples; most alike first. Empty where nothing is labeled.

    See Also
    --------
    NewClassFinder : Finds clusters.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.discovery import NewClassFinder
    >>> rng = np.random.default_rng(0)
    >>> X = np.repeat(np.eye(4), 20, axis=0) + rng.normal(0, 0.05, (80, 4))
    >>> y = np.repeat(["Blip", "Chirp", "Tomte", ""], 20)
    >>> cluster = NewClassFinder(random_state=0).fit(X, y).new_clusters_[0]
    >>> cluster.size, cluster.known_class, bool((cluster.typical >= 60).all())
    (20, None, True)
    """

    label: int
    size: int
    known_class: Any
    purity: float
    labeled: float
    stability: float
    typical: NDArray[np.intp]
    borderline: NDArray[np.intp]
    nearest_classes: tuple[tuple[Any, float], ...]

    @property
    def is_new(self) -> bool:
        """Whether it is no known class, and no mixture of known ones either."""
        return self.known_class is None and self.labeled < _MIXED


def attach(places: NDArray[Any], labels: NDArray[np.intp], reach: float) -> NDArray[np.intp]:
    """Join samples in no cluster to one that they are within reach of.

    Parameters
    ----------
    places : ndarray of shape (n_samples, n_components)
    labels : ndarray of shape (n_samples,), dtype int
        The cluster of each sample, -1 for none.
    reach : float
        How many times as far as the loneliest member of a cluster a sample may be.

    Returns
    -------
    labels : ndarray of shape (n_samples,), dtype int
    """
    inside, outside = np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)
    n_neighbors = min(_NEAREST, len(inside) - 1)
    if reach == 0 or len(outside) == 0 or n_neighbors < 1:
        return labels
    # Few dimensions, unlike embeddings: trees serve.
    index = NearestNeighbors(n_neighbors=n_neighbors).fit(places[inside])
    own = index.kneighbors()[0].mean(axis=1)
    farthest = np.zeros(labels.max() + 1)
    np.maximum.at(farthest, labels[inside], own)
    distances, rows = index.kneighbors(places[outside])
    votes = labels[inside][rows]
    best = np.array([np.bincount(vote).argmax() for vote in votes])
    near = distances.mean(axis=1) <= reach * farthest[best]
    labels = labels.copy()
    labels[outside[near]] = best[near]
    return labels


def describe_clusters(
    embeddings: NDArray[Any],
    places: NDArray[Any],
    labels: NDArray[np.intp],
    membership: NDArray[Any],
    known: NDArray[Any],
    *,
    classes: list[Any],
    min_purity: float,
    min_labeled: float,
    n_members: int,
    stability: NDArray[np.float64],
    by_design: NDArray[np.intp] | None = None,
) -> tuple[Cluster, ...]:
    """Make the record of each cluster.

    Parameters
    ----------
    embeddings : ndarray of shape (n_samples, n_features)
    places : ndarray of shape (n_samples, n_components)
        What was clustered.
    labels : ndarray of shape (n_samples,)
        Cluster of each sample.
    membership : ndarray of shape (n_samples,)
        How certain it is.
    known : ndarray of shape (n_samples,), dtype int
        Index of the class of each sample, -1 where there is none.
    classes : list
        The known classes.
    min_purity, min_labeled : float
        What makes a cluster a known class.
    n_members : int
        How many members are listed.
    stability : ndarray of shape (n_clusters,)
    by_design : ndarray of shape (n_clusters,), dtype int, default=None
        The class that each cluster was made for, -1 for a new one. None goes by the labels.

    Returns
    -------
    clusters : tuple of Cluster
    """
    mean = embeddings.mean(axis=0, dtype=np.float64)
    centers = [embeddings[known == c].mean(axis=0) - mean for c in range(len(classes))]
    directions = normalize(np.stack(centers)) if classes else None
    clusters = []
    for label in range(labels.max(initial=NOISE) + 1):
        rows = np.flatnonzero(labels == label)
        center = places[rows].mean(axis=0)
        distances = np.linalg.norm(places[rows] - center, axis=1)
        counts = np.bincount(known[rows][known[rows] >= 0], minlength=len(classes))
        n_labeled = int(counts.sum())
        purity = counts.max() / n_labeled if n_labeled else np.nan
        # NaN is not above anything: without labels a cluster is new.
        is_known = purity >= min_purity and n_labeled / len(rows) >= min_labeled
        if by_design is not None:
            is_known = by_design[label] >= 0
        nearest: tuple = ()
        if directions is not None:
            own = normalize((embeddings[rows].mean(axis=0) - mean)[None])[0]
            cosines = directions @ own
            nearest = tuple((classes[c], float(cosines[c])) for c in np.argsort(-cosines))
        clusters.append(
            Cluster(
                label=label,
                size=len(rows),
                known_class=classes[counts.argmax()] if is_known else None,
                purity=float(purity),
                labeled=n_labeled / len(rows),
                stability=float(stability[label]),
                typical=rows[np.argsort(distances, kind="stable")[:n_members]],
                borderline=rows[np.argsort(membership[rows], kind="stable")[:n_members]],
                nearest_classes=nearest,
            )
        )
    return tuple(clusters)


def mean_jaccard(
    cluster: Callable[[NDArray[np.intp]], NDArray[np.intp]],
    labels: NDArray[np.intp],
    *,
    n_resamples: int,
    random_state: np.random.RandomState,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    """Say how well each cluster is found again in subsamples (Hennig 2007).

    Parameters
    ----------
    cluster : callable
        Gives the labels of some rows.
    labels : ndarray of shape (n_samples,)
        The clusters of all.
    n_resamples : int
        Number of subsamples.
    random_state : RandomState
    n_jobs : int, default=None

    Returns
    -------
    stability : ndarray of shape (n_clusters,)
        Mean over the subsamples that have a member of the cluster; NaN without any.
    """
    n_clusters = labels.max(initial=NOISE) + 1
    size = max(2, round(_SUBSAMPLE * len(labels)))
    draws = [random_state.permutation(len(labels))[:size] for _ in range(n_resamples)]
    found = Parallel(n_jobs=n_jobs)(delayed(cluster)(rows) for rows in draws)
    scores = np.full((n_resamples, n_clusters), np.nan)
    for number, (rows, again) in enumerate(zip(draws, found, strict=True)):
        # Column and row 0 are those in no cluster.
        counts = np.zeros((n_clusters + 1, again.max(initial=NOISE) + 2))
        np.add.at(counts, (labels[rows] + 1, again + 1), 1)
        n_old, n_new = counts.sum(axis=1)[1:, None], counts.sum(axis=0)[None, 1:]
        shared = counts[1:, 1:]
        union = n_old + n_new - shared
        jaccard = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        best = jaccard.max(axis=1, initial=0.0)
        scores[number] = np.where(n_old[:, 0] > 0, best, np.nan)
    drawn = np.isfinite(scores)
    total = np.where(drawn, scores, 0.0).sum(axis=0)
    return np.divide(total, drawn.sum(axis=0), out=np.full(n_clusters, np.nan), where=drawn.any(0))
