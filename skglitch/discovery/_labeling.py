"""Active learning: which glitches to label next."""

from __future__ import annotations

from numbers import Integral
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr
from sklearn.utils._param_validation import Interval, StrOptions

from .._validation import check_probabilities, unmask, validated
from ._cosine import Floats, check_embeddings, unit_rows


@validated(
    {
        "X": ["array-like", None],
        "y_prob": ["array-like", None],
        "method": [StrOptions({"margin", "entropy", "core_set"})],
        "labeled": ["array-like", None],
        "n_samples": [Interval(Integral, 1, None, closed="left"), None],
    }
)
def rank_for_labeling(
    X: ArrayLike | None = None,
    *,
    y_prob: ArrayLike | None = None,
    method: Literal["margin", "entropy", "core_set"] = "margin",
    labeled: ArrayLike | None = None,
    n_samples: int | None = None,
) -> NDArray[np.intp]:
    """Rank unlabeled glitches for active learning, the most informative first.

    Parameters
    ----------
    X : array-like of shape (n_unlabeled, n_features), default=None
        Embeddings of the unlabeled glitches. Required by ``"core_set"`` only.
    y_prob : array-like of shape (n_unlabeled, n_classes), default=None
        Their class probabilities. Required by ``"margin"`` and ``"entropy"``.
    method : {"margin", "entropy", "core_set"}, default="margin"
        The order of the glitches:

        - ``"margin"``: the smallest difference between the two largest probabilities first [1]_;
        - ``"entropy"``: the largest entropy of the probabilities first;
        - ``"core_set"``: the largest distance of unit vectors to the nearest labeled or higher
          ranked glitch first [2]_. Outliers and new classes come first.
    labeled : array-like of shape (n_labeled, n_features), default=None
        Embeddings of the labeled glitches for ``"core_set"``, which otherwise starts near the mean.
    n_samples : int, default=None
        The number of glitches to return. By default, all are ranked. The run time of
        ``"core_set"`` is proportional to it.

    Returns
    -------
    rows : ndarray of shape (n_samples,), dtype intp
        Rows of `X` or `y_prob` in the order to label. Ties are sorted by row.

    Raises
    ------
    ValueError
        If the array that the method requires is None or has NaN, `labeled` has another number
        of features, or `y_prob` does not hold probabilities.

    References
    ----------
    .. [1] T. Scheffer, C. Decomain and S. Wrobel, "Active hidden Markov models for information
       extraction", Advances in Intelligent Data Analysis, 309-318 (2001).
    .. [2] O. Sener and S. Savarese, "Active learning for convolutional neural networks: a
       core-set approach", ICLR 2018, arXiv:1708.00489.

    Examples
    --------
    >>> from skglitch.discovery import rank_for_labeling
    >>> rank_for_labeling(y_prob=[[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]])
    array([1, 2, 0])
    """
    if method == "core_set":
        if X is None:
            raise ValueError('X is None, but method="core_set" requires embeddings.')
        embeddings = check_embeddings(X)
        known = np.empty((0, embeddings.shape[1]))
        if labeled is not None and np.size(labeled):
            known = check_embeddings(labeled, "labeled")
        if known.shape[1] != embeddings.shape[1]:
            raise ValueError(f"labeled has {known.shape[1]} features, X has {embeddings.shape[1]}.")
        return _rank_by_distance(unit_rows(embeddings), unit_rows(known), n_samples)
    if y_prob is None:
        raise ValueError(f"y_prob is None, but method={method!r} requires probabilities.")
    table = np.asarray(unmask(y_prob))
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(f"y_prob must have one column per class, got shape {table.shape}.")
    prob = check_probabilities(table, len(table), range(table.shape[1]))
    if method == "entropy":
        uncertainty = entr(prob).sum(axis=1)
    else:
        second, first = np.partition(prob, -2, axis=1)[:, -2:].T
        uncertainty = second - first
    return np.argsort(-uncertainty, kind="stable")[:n_samples]


def _rank_by_distance(units: Floats, known: Floats, n_samples: int | None) -> NDArray[np.intp]:
    """Greedy k-center: the farthest unit vector has the lowest cosine."""
    n_samples = len(units) if n_samples is None else min(n_samples, len(units))
    rows: list[int] = []
    closest = np.full(len(units), -np.inf, dtype=np.float32)
    for unit in known:
        np.maximum(closest, units @ unit, out=closest)
    while len(rows) < n_samples:
        is_first = not rows and not len(known)
        row = int((units @ units.mean(axis=0)).argmax() if is_first else closest.argmin())
        rows.append(row)
        np.maximum(closest, units @ units[row], out=closest)
        closest[rows] = np.inf
    return np.array(rows, dtype=np.intp)
