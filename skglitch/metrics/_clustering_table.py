"""Agreement of clusters with known classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
    precision_recall_fscore_support,
)
from sklearn.utils._param_validation import StrOptions

from .._validation import check_labels, check_length, find_positions, validated

if TYPE_CHECKING:
    import pandas as pd

NOISE = -1


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
) -> pd.DataFrame:
    """Tabulate how well clusters agree with classes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers.
    clusters : array-like of shape (n_samples,)
        The cluster of each sample; -1 is noise, as in HDBSCAN and DBSCAN.
    matching : {"many_to_one", "one_to_one"}, default="many_to_one"
        Whether each cluster belongs to its most common class (ties go to the first in sorted
        order), or each class has at most one cluster, so that as many samples as possible agree
        (the Hungarian method [1]_). ``"many_to_one"`` favors many clusters in unadjusted scores.
    noise : {"wrong", "leave_out"}, default="wrong"
        Whether noise counts as wrong, and as a cluster of its own for mutual information and the
        adjusted Rand index, or is left out of all scores. The latter favors clusterings that call
        all difficult samples noise, so report `n_noise`, too.

    Returns
    -------
    table : pandas.DataFrame
        The index `label` has the classes. The columns are `recall` (the fraction of the class in
        its clusters), `purity` (the fraction of its clusters in the class; 0 without a cluster),
        `f1` (their harmonic mean), `support` (the number of samples) and `clusters` (a list).
        ``table.attrs`` has `accuracy` (the fraction of samples in a cluster of their class),
        `adjusted_rand`, `normalized_mutual_info`, `adjusted_mutual_info`, `n_clusters` and
        `n_noise`.

    Raises
    ------
    ValueError
        If lengths differ, labels are missing or of mixed types, or no sample is left.

    References
    ----------
    .. [1] H. W. Kuhn, "The Hungarian method for the assignment problem", Nav. Res. Logist. Q.
       2, 83-97 (1955).

    Examples
    --------
    >>> from skglitch.metrics import clustering_table
    >>> y_true = ["Blip", "Blip", "Blip", "Blip", "Chirp", "Chirp", "Chirp"]
    >>> table = clustering_table(y_true, [0, 0, 1, 1, 2, 2, -1])
    >>> print(table.round(3))
           recall  purity   f1  support clusters
    label
    Blip    1.000     1.0  1.0        4   [0, 1]
    Chirp   0.667     1.0  0.8        3      [2]
    """
    import pandas as pd

    true, found = check_labels(y_true, "y_true"), check_labels(clusters, "clusters", {NOISE})
    check_length("clusters", len(found), len(true))
    n_noise = found.count(NOISE)
    if noise == "leave_out":
        if n_noise == len(found):
            raise ValueError("clusters holds noise (-1) only: noise='leave_out' leaves nothing.")
        kept = [pair for pair in zip(true, found, strict=True) if pair[1] != NOISE]
        true, found = (list(values) for values in zip(*kept, strict=True))
    classes, names = sorted(set(true)), sorted(set(found) - {NOISE})
    codes, numbers = find_positions(true, classes), find_positions(found, names)
    counts = np.zeros((len(classes), len(names)), dtype=np.intp)
    np.add.at(counts, (codes[numbers >= 0], numbers[numbers >= 0]), 1)
    if matching == "many_to_one":
        class_of = counts.argmax(axis=0)
    else:
        class_of = np.full(len(names), -1, dtype=np.intp)
        rows, columns = linear_sum_assignment(counts, maximize=True)
        # A pair without a common sample only completes the assignment.
        agree = counts[rows, columns] > 0
        class_of[columns[agree]] = rows[agree]
    predicted = np.append(class_of, -1)[numbers]  # noise has the number -1
    purity, recall, f1, support = precision_recall_fscore_support(
        codes, predicted, labels=np.arange(len(classes)), zero_division=0.0
    )
    members = [[names[i] for i in np.flatnonzero(class_of == code)] for code in range(len(classes))]
    table = pd.DataFrame(
        {"recall": recall, "purity": purity, "f1": f1, "support": support, "clusters": members},
        index=pd.Index(classes, name="label"),
    )
    table.attrs = {
        "accuracy": float(np.mean(codes == predicted)),
        "adjusted_rand": float(adjusted_rand_score(codes, numbers)),
        "normalized_mutual_info": float(normalized_mutual_info_score(codes, numbers)),
        "adjusted_mutual_info": float(adjusted_mutual_info_score(codes, numbers)),
        "n_clusters": len(names),
        "n_noise": n_noise,
    }
    return table
