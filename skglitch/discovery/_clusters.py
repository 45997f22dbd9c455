"""A table of clusters: known class, members, stability."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.preprocessing import normalize
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.parallel import Parallel, delayed

from .._labels import UNLABELED, as_labels, encode_labels
from .._validation import unmask, validated
from ._axes import Array, Codes

if TYPE_CHECKING:
    from pandas import DataFrame

# The least fractions of labeled members, and of one class among these, in a known cluster.
_LEAST_LABELED, _LEAST_PURE = 0.1, 0.5
# Typical and borderline members in the table.
_N_MEMBERS = 5


@validated(
    {
        "embeddings": ["array-like"],
        "labels": ["array-like"],
        "y": ["array-like", None],
        "unlabeled": "no_validation",
        "probabilities": ["array-like", None],
        "clusterer": [HasMethods("fit_predict"), None],
        "n_resamples": [Interval(Integral, 0, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }
)
def describe_clusters(
    embeddings: ArrayLike,
    labels: ArrayLike,
    y: ArrayLike | None = None,
    *,
    unlabeled: Any = None,
    probabilities: ArrayLike | None = None,
    clusterer: Any = None,
    n_resamples: int = 20,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> DataFrame:
    """Tabulate the clusters that any clusterer found.

    Parameters
    ----------
    embeddings : array-like of shape (n_samples, n_features)
        Embeddings, which are scaled to length 1.
    labels : array-like of shape (n_samples,), dtype int
        The cluster of each sample, -1 for none.
    y : array-like of shape (n_samples,), default=None
        The classes of the labeled samples. None, NaN, ``""`` and -1 stand for no label.
    unlabeled : object or list of objects, default=None
        More labels that stand for no label.
    probabilities : array-like of shape (n_samples,), default=None
        The probability that each sample is in its cluster, such as ``probabilities_`` of
        :class:`~sklearn.cluster.HDBSCAN`. None ranks members by their distance from the center.
    clusterer : estimator, default=None
        The estimator that found the clusters by ``fit_predict``, to compute the stability.
    n_resamples, n_jobs
        As in :class:`NewClassFinder`.
    random_state : int, RandomState instance or None, default=None
        The seed of the subsamples.

    Returns
    -------
    clusters : pandas.DataFrame
        One row per cluster, with its label as the index and the columns

        - ``kind``: "known" if at least 10 % of the members are labeled and at least half of these
          have the same label; otherwise "mixed" if at least half are labeled, else "new";
        - ``class``: the class of a known cluster, else None;
        - ``size``: the number of members;
        - ``purity``: the fraction of the labeled members in the most frequent class, NaN if none
          is labeled;
        - ``labeled``: the fraction of the members that are labeled;
        - ``stability``: the mean, over subsamples of 80 % of the samples, of the largest Jaccard
          index with a cluster of the subsample; NaN without a `clusterer`. Clusters of 0.75 and
          above are valid, and those below 0.6 should not be trusted [1]_;
        - ``nearest_1``, ``cosine_1`` to ``nearest_3``, ``cosine_3``: the most similar known
          classes, its own included, and the cosine between the centers of class and cluster,
          relative to the mean of all samples;
        - ``typical``: the rows of the 5 members nearest to the center, nearest first;
        - ``borderline``: the rows of the 5 least certain members, least certain first.

    References
    ----------
    .. [1] C. Hennig, "Cluster-wise assessment of cluster stability", Computational Statistics
       and Data Analysis 52, 258 (2007).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.cluster import HDBSCAN
    >>> from skglitch.discovery import describe_clusters
    >>> rng = np.random.default_rng(0)
    >>> X = np.repeat(np.eye(3), 20, axis=0) + rng.normal(0, 0.05, (60, 3))
    >>> y = np.repeat(["Blip", "Chirp", ""], 20)
    >>> clusterer = HDBSCAN(min_samples=3, copy=True)
    >>> clusters = describe_clusters(X, clusterer.fit_predict(X), y, clusterer=clusterer)
    >>> sorted(clusters["kind"])
    ['known', 'known', 'new']
    """
    X = normalize(check_array(unmask(embeddings), dtype=[np.float64, np.float32]))
    names, codes = encode_clusters(labels)
    check_consistent_length(X, codes, probabilities)
    classes, known = encode_labels(y, len(X), unlabeled)
    stability = np.full(len(names), np.nan)
    if clusterer is not None:

        def cluster_again(rows: Codes) -> Codes:
            return clone(clusterer).fit_predict(np.asarray(embeddings)[rows])

        stability = mean_jaccard(cluster_again, codes, n_resamples, random_state, n_jobs)
    table = tabulate_clusters(X, X, codes, probabilities, known, classes, stability)
    return table.set_axis(names, axis="index").rename_axis("cluster")


def tabulate_clusters(
    X: Array,
    points: Array,
    codes: Codes,
    certainty: ArrayLike | None,
    known: Codes,
    classes: Array,
    stability: Array,
    *,
    cluster_classes: list[Any] | None = None,
) -> DataFrame:
    """Tabulate clusters 0, 1, ... of `codes`, where `known` are codes of the classes.

    Clusters are compared with classes by X, and members with centers by `points`. If
    `cluster_classes` is None, the labels decide which class a cluster is.
    """
    from pandas import DataFrame

    mean = X.mean(axis=0, dtype=np.float64)
    present = [code for code in range(len(classes)) if (known == code).any()]
    directions = [normalize([X[known == code].mean(axis=0) - mean])[0] for code in present]
    records = []
    for cluster in range(codes.max(initial=UNLABELED) + 1):
        rows = np.flatnonzero(codes == cluster)
        labeled = known[rows][known[rows] >= 0]
        counts = np.bincount(labeled, minlength=1)
        purity = counts.max() / len(labeled) if len(labeled) else np.nan
        share = len(labeled) / len(rows)
        if cluster_classes is not None:
            name = cluster_classes[cluster]
        else:
            is_known = purity >= _LEAST_PURE and share >= _LEAST_LABELED
            name = classes[counts.argmax()] if is_known else None
        kind = "known" if name is not None else "mixed" if share >= 0.5 else "new"
        distances = np.linalg.norm(points[rows] - points[rows].mean(axis=0), axis=1)
        doubt = distances if certainty is None else -np.asarray(certainty)[rows]
        direction = normalize([X[rows].mean(axis=0) - mean])[0]
        cosines = np.array([float(other @ direction) for other in directions])
        nearest = [(classes[present[k]], cosines[k]) for k in np.argsort(-cosines)]
        nearest += [(None, np.nan)] * 3
        records.append(
            [
                *(kind, name, len(rows), purity, share, stability[cluster]),
                *(value for pair in nearest[:3] for value in pair),
                rows[np.argsort(distances, kind="stable")[:_N_MEMBERS]].tolist(),
                rows[np.argsort(-doubt, kind="stable")[:_N_MEMBERS]].tolist(),
            ]
        )
    names = [f"{name}_{k}" for k in (1, 2, 3) for name in ("nearest", "cosine")]
    columns = ["kind", "class", "size", "purity", "labeled", "stability", *names]
    columns += ["typical", "borderline"]
    # As objects: otherwise None would be NaN, and integers with it floats.
    table = DataFrame(records, columns=columns, dtype=object).rename_axis("cluster")
    floats = ["purity", "labeled", "stability", *names[1::2]]
    return table.astype({"kind": str, "size": int, **dict.fromkeys(floats, float)})


def mean_jaccard(
    cluster: Callable, codes: Codes, n_resamples: int, random_state: Any, n_jobs: int | None
) -> Array:
    """Stability of clusters 0, 1, ...; NaN if no subsample has a member."""
    from pandas import DataFrame

    random_state = check_random_state(random_state)
    n_clusters = codes.max(initial=UNLABELED) + 1
    size = subsample_size(len(codes))
    draws = [random_state.permutation(len(codes))[:size] for _ in range(n_resamples)]
    found = Parallel(n_jobs=n_jobs)(delayed(cluster)(rows) for rows in draws)
    scores = np.full((n_resamples, n_clusters), np.nan)
    for number, (rows, labels) in enumerate(zip(draws, found, strict=True)):
        _, again = encode_clusters(labels)
        # The first row and column count samples in no cluster.
        counts = np.zeros((n_clusters + 1, again.max(initial=UNLABELED) + 2))
        np.add.at(counts, (codes[rows] + 1, again + 1), 1)
        n_old, n_new = counts.sum(axis=1)[1:, None], counts.sum(axis=0)[None, 1:]
        shared = counts[1:, 1:]
        jaccard = (shared / (n_old + n_new - shared)).max(axis=1, initial=0.0)
        scores[number] = np.where(n_old[:, 0] > 0, jaccard, np.nan)
    return DataFrame(scores).mean().to_numpy()  # without NaN


def subsample_size(n_samples: int) -> int:
    """Size of the subsamples for the stability."""
    return max(2, round(0.8 * n_samples))


def encode_clusters(labels: ArrayLike) -> tuple[list[Any], Codes]:
    """Return the labels of the clusters, and the code of each sample, -1 for no cluster."""
    array = np.asarray(as_labels(labels, "labels"))
    if array.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, -1 in no cluster, got dtype {array.dtype}.")
    codes = np.full(len(array), UNLABELED)
    inside = array >= 0
    names, codes[inside] = np.unique(array[inside], return_inverse=True)
    return names.tolist(), codes
