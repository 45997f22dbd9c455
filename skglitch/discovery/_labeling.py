"""Which glitches to ask an expert about first."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr
from sklearn.utils._param_validation import Interval, StrOptions

from .._validation import validated
from ._label_probabilities import check_probabilities
from ._similarity_search import Floats, check_embeddings, unit_rows


@validated(
    {
        "X": ["array-like", None],
        "probabilities": ["array-like", None],
        "method": [StrOptions({"margin", "entropy", "core_set"})],
        "labeled": ["array-like", None],
        "n_samples": [Interval(Integral, 1, None, closed="left"), None],
    }
)
def rank_for_labeling(
    X: ArrayLike | None = None,
    *,
    probabilities: ArrayLike | None = None,
    method: Literal["margin", "entropy", "core_set"] = "margin",
    labeled: ArrayLike | None = None,
    n_samples: int | None = None,
) -> NDArray[np.intp]:
    """Rank glitches without a label by what a classifier would learn from one.

    Parameters
    ----------
    X : array-like of shape (n, n_features), default=None
        Embeddings of glitches without a label. Needed by ``"core_set"`` alone.
    probabilities : array-like of shape (n, n_classes), default=None
        What ``predict_proba`` of the classifier so far says of them. Needed by ``"margin"``
        and ``"entropy"``.
    method : {"margin", "entropy", "core_set"}, default="margin"
        Which to ask about first: where the two likeliest classes are closest (``"margin"``
        [1]_), where the probabilities have the largest entropy, or those that lie farthest
        from all that have a label or come earlier in the list (``"core_set"`` [2]_), which
        needs no classifier.
    labeled : array-like of shape (n_labeled, n_features), default=None
        Embeddings of glitches that have a label already, for ``"core_set"``. Without any, None
        or an empty array, it starts with the glitch closest to all on average.
    n_samples : int, default=None
        How many to name; at most all. ``"core_set"`` takes time in proportion to it. None
        ranks all.

    Returns
    -------
    rows : ndarray of shape (n_samples,), dtype intp
        Rows of X or of the probabilities, in the order to ask. Equal ones come in their order.

    Raises
    ------
    ValueError
        If what the method needs is lacking, has other numbers of columns than it should, has
        NaN, or probabilities are below 0 or do not sum to 1.

    See Also
    --------
    find_label_issues : Which labels to look at again.
    sklearn.semi_supervised.LabelSpreading : Use glitches without a label as they are.

    Notes
    -----
    In ``"core_set"`` each next glitch is the one whose nearest neighbor among those labeled or
    named before is farthest, by the Euclidean distance of embeddings of length 1: it covers
    the set with balls as small as a greedy choice can. Outliers come early, and with them
    kinds that are not known yet. benchmarks/labeling.py compares the methods.

    References
    ----------
    .. [1] T. Scheffer, C. Decomain and S. Wrobel, "Active hidden Markov models for information
       extraction", Advances in Intelligent Data Analysis, 309-318 (2001).
    .. [2] O. Sener and S. Savarese, "Active learning for convolutional neural networks: a
       core-set approach", ICLR 2018, arXiv:1708.00489.

    Examples
    --------
    >>> from skglitch.discovery import rank_for_labeling
    >>> rank_for_labeling(probabilities=[[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]])
    array([1, 2, 0])
    >>> X = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]
    >>> rank_for_labeling(X, method="core_set", labeled=[[1.0, 0.1]], n_samples=1)
    array([2])
    """
    if method == "core_set":
        if X is None:
            raise ValueError('method="core_set" needs embeddings: give X.')
        units = unit_rows(check_embeddings(X))
        known = _check_labeled(labeled, units.shape[1])
        return _core_set(units, known, _at_most(n_samples, len(units)))
    if probabilities is None:
        raise ValueError(f"method={method!r} needs probabilities: give those of predict_proba.")
    table = check_probabilities(probabilities)
    doubt = entr(table).sum(axis=1) if method == "entropy" else _narrowness(table)
    return np.argsort(-doubt, kind="stable")[: _at_most(n_samples, len(table))]


def _at_most(n_samples: int | None, n: int) -> int:
    return n if n_samples is None else min(n_samples, n)


def _check_labeled(labeled: ArrayLike | None, n_features: int) -> Floats | None:
    if labeled is None or not np.size(labeled):
        return None
    known = check_embeddings(labeled, "labeled")
    if known.shape[1] != n_features:
        raise ValueError(f"labeled has {known.shape[1]} features, but X has {n_features}.")
    return unit_rows(known)


def _narrowness(probabilities: NDArray[Any]) -> NDArray[Any]:
    second, first = np.partition(probabilities, -2, axis=1)[:, -2:].T
    return second - first


def _core_set(units: Floats, known: Floats | None, n: int) -> NDArray[np.intp]:
    # For rows of length 1 the distance falls with the cosine: the lowest is the farthest.
    if known is None:
        first = int((units @ units.mean(axis=0)).argmax())
        rows = [first]
        closest = units @ units[first]
    else:
        rows = []
        closest = np.full(len(units), -np.inf, dtype=np.float32)
        for one in known:
            np.maximum(closest, units @ one, out=closest)
    closest[rows] = np.inf
    while len(rows) < n:
        row = int(closest.argmin())
        rows.append(row)
        np.maximum(closest, units @ units[row], out=closest)
        closest[row] = np.inf
    return np.array(rows, dtype=np.intp)
