"""How well clusters agree with known classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
    precision_recall_fscore_support,
)
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils._param_validation import StrOptions

from .._text import TextTable, align, percent
from .._validation import check_labels, check_length, encode_labels, validated

NOISE = -1


@dataclass(frozen=True, eq=False)
class ClusteringTable(TextTable):
    """Scores of clusters against classes, made by :func:`clustering_table`.

    ``print`` shows it as a table in percent, ``to_dict`` gives it to other tools.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
        The classes.
    clusters : list of length n_labels
        The clusters of each class, a list of their numbers.
    recall : ndarray of shape (n_labels,), dtype=float64
        Of the samples of a class, the fraction in its clusters.
    purity : ndarray of shape (n_labels,), dtype=float64
        Of the samples in the clusters of a class, the fraction that is of it; 0 without one.
    f1 : ndarray of shape (n_labels,), dtype=float64
        The harmonic mean of recall and purity.
    support : ndarray of shape (n_labels,), dtype=int64
        The number of samples of each class.
    accuracy : float
        The fraction of samples in a cluster of their class. With many to one this is known
        as purity, with one to one as clustering accuracy.
    adjusted_rand, normalized_mutual_info, adjusted_mutual_info : float
        Agreement of the two partitions, as scikit-learn has it.
    n_clusters : int
        The number of clusters, noise not being one.
    n_noise : int
        The number of samples that are noise, left out or not.
    matching : {"many_to_one", "one_to_one"}
        How clusters got their classes.
    noise : {"wrong", "leave_out"}
        How noise was treated.

    See Also
    --------
    clustering_table : Compute it.

    Examples
    --------
    >>> from skglitch.metrics import clustering_table
    >>> table = clustering_table(["Blip", "Blip", "Chirp", "Chirp"], [0, 1, 2, 2])
    >>> table.clusters, table.accuracy
    ([[0, 1], [2]], 1.0)
    """

    labels: NDArray[Any]
    clusters: list[list[Any]]
    recall: NDArray[np.float64]
    purity: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]
    accuracy: float
    adjusted_rand: float
    normalized_mutual_info: float
    adjusted_mutual_info: float
    n_clusters: int
    n_noise: int
    matching: str
    noise: str

    def __str__(self) -> str:
        rows = [["class", "recall [%]", "purity [%]", "F1 [%]", "support", "clusters"]]
        scores = zip(self.recall, self.purity, self.f1, strict=True)
        for label, values, support, clusters in zip(
            self.labels, scores, self.support, self.clusters, strict=True
        ):
            told = ", ".join(map(str, clusters)) or "none"
            rows.append([str(label), *map(percent, values), str(support), told])
        treated = {"wrong": "count as wrong", "leave_out": "are left out"}[self.noise]
        return (
            f"{align(rows, left=[0])}\n\n"
            f"In a cluster of their class ({self.matching.replace('_', ' ')}): "
            f"{percent(self.accuracy)} %\n"
            f"Adjusted Rand {self.adjusted_rand:.3f}, mutual information "
            f"{self.normalized_mutual_info:.3f} (normalized), {self.adjusted_mutual_info:.3f} "
            f"(adjusted)\n{self.n_clusters} clusters; {self.n_noise} samples of noise {treated}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the table as plain Python values.

        Returns
        -------
        table : dict
            Under ``"classes"`` lists by column, fit for ``pandas.DataFrame``; the rest under
            the names of the fields.
        """
        columns = ("labels", "clusters", "recall", "purity", "f1", "support")
        classes = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
            if name in columns
        }
        rest = {name: value for name, value in vars(self).items() if name not in columns}
        return {"classes": classes, **rest}


@validated(
    {
        "y_true": ["array-like"],
        "clusters": ["array-like"],
        "matching": [StrOptions({"many_to_one", "one_to_one"})],
        "noise": [StrOptions({"wrong", "leave_out"})],
    }
)
def clustering_table(
    y_true: ArrayLike,
    clusters: ArrayLike,
    *,
    matching: Literal["many_to_one", "one_to_one"] = "many_to_one",
    noise: Literal["wrong", "leave_out"] = "wrong",
) -> ClusteringTable:
    """Tabulate how well clusters agree with classes, all together and class by class.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers.
    clusters : array-like of shape (n_samples,)
        The number of each sample's cluster; -1 is noise, as with HDBSCAN and DBSCAN.
    matching : {"many_to_one", "one_to_one"}, default="many_to_one"
        Which clusters are of which class:

        - ``"many_to_one"``: each cluster is of the class that most of its samples are of, so a
          class may have several. More and smaller clusters make this look better;
        - ``"one_to_one"``: each class has one cluster at most and each cluster one class, so
          that as many samples as possible agree (the Hungarian method [1]_). A class in two
          parts loses one of them.
    noise : {"wrong", "leave_out"}, default="wrong"
        How samples in no cluster are treated:

        - ``"wrong"``: they count, and are in no cluster of their class. To mutual information
          and the adjusted Rand index noise is one more cluster, as scikit-learn would take it;
        - ``"leave_out"``: all scores are of the other samples. A clustering that calls all but
          the clear cases noise looks good then: tell `n_noise` with it.

    Returns
    -------
    table : ClusteringTable
        Fields `recall`, `purity`, `f1`, `clusters`, `accuracy`, `adjusted_rand` and others.

    Raises
    ------
    ValueError
        If lengths differ, labels are missing or of two kinds, or all samples are noise and
        left out.

    See Also
    --------
    classification_table : The same for predictions.
    sklearn.metrics.silhouette_score : How compact clusters are, without classes.

    Notes
    -----
    Of classes as large in a cluster, the first in sorted order gets it. The adjusted scores
    are 0 on average for clusters by chance; mutual information that is only normalized, and
    `accuracy`, are not, and rise with the number of clusters [2]_.

    References
    ----------
    .. [1] H. W. Kuhn, "The Hungarian method for the assignment problem", Nav. Res. Logist. Q.
       2, 83-97 (1955).
    .. [2] N. X. Vinh, J. Epps and J. Bailey, "Information theoretic measures for clusterings
       comparison", J. Mach. Learn. Res. 11, 2837-2854 (2010).

    Examples
    --------
    >>> from skglitch.metrics import clustering_table
    >>> y_true = ["Blip", "Blip", "Blip", "Blip", "Chirp", "Chirp", "Chirp"]
    >>> print(clustering_table(y_true, [0, 0, 1, 1, 2, 2, -1]))
    class  recall [%]  purity [%]  F1 [%]  support  clusters
    Blip       100.00      100.00  100.00        4      0, 1
    Chirp       66.67      100.00   80.00        3         2
    <BLANKLINE>
    In a cluster of their class (many to one): 85.71 %
    Adjusted Rand 0.364, mutual information 0.671 (normalized), 0.504 (adjusted)
    3 clusters; 1 samples of noise count as wrong
    """
    true, found = check_labels(y_true, "y_true"), check_labels(clusters, "clusters")
    check_length("clusters", len(found), len(true))
    is_noise = np.array([cluster == NOISE for cluster in found])
    n_noise = int(is_noise.sum())
    if noise == "leave_out":
        true, found = _without(is_noise, true), _without(is_noise, found)
        is_noise = np.zeros(len(true), dtype=bool)
        if not true:
            raise ValueError("clusters holds noise (-1) only: noise='leave_out' leaves nothing.")
    classes, names = sorted(set(true)), sorted(set(found))
    codes, numbers = encode_labels(true, classes), encode_labels(found, names)
    real = [name for name in names if name != NOISE]
    # Noise stays outside of the matching: code -1.
    in_real = encode_labels(found, real)
    class_of = _match(codes[~is_noise], in_real[~is_noise], len(classes), len(real), matching)
    guess = np.append(class_of, -1)[in_real]
    purity, recall, f1, support = precision_recall_fscore_support(
        codes, guess, labels=np.arange(len(classes)), zero_division=0.0
    )
    return ClusteringTable(
        labels=np.asarray(classes),
        clusters=[
            [real[number] for number in np.flatnonzero(class_of == code)]
            for code in range(len(classes))
        ],
        recall=recall,
        purity=purity,
        f1=f1,
        support=support,
        accuracy=float(np.mean(codes == guess)),
        adjusted_rand=float(adjusted_rand_score(codes, numbers)),
        normalized_mutual_info=float(normalized_mutual_info_score(codes, numbers)),
        adjusted_mutual_info=float(adjusted_mutual_info_score(codes, numbers)),
        n_clusters=len(real),
        n_noise=n_noise,
        matching=matching,
        noise=noise,
    )


def _without(is_noise: NDArray[np.bool_], values: list[Any]) -> list[Any]:
    return [value for value, drop in zip(values, is_noise, strict=True) if not drop]


def _match(
    codes: NDArray[np.intp],
    numbers: NDArray[np.intp],
    n_classes: int,
    n_clusters: int,
    matching: str,
) -> NDArray[np.intp]:
    """Class of each cluster, -1 for none."""
    class_of = np.full(n_clusters, -1, dtype=np.intp)
    if n_clusters == 0:
        return class_of
    present = np.unique(codes)
    counts = contingency_matrix(codes, numbers)  # rows of present classes only
    if matching == "many_to_one":
        return present[counts.argmax(axis=0)]
    rows, columns = linear_sum_assignment(counts, maximize=True)
    # A pair without a common sample fills the assignment up, and says nothing.
    agree = counts[rows, columns] > 0
    class_of[columns[agree]] = present[rows[agree]]
    return class_of
