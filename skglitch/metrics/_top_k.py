"""Top-k accuracy and its scorer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import (
    _check_response_method,
    _check_sample_weight,
    check_is_fitted,
)

from .._validation import check_known_labels, check_scores, unmask, validated
from ._intervals import PROBABILITY, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

_ARRAYS: dict[str, list[Any]] = {name: ["array-like"] for name in ("y_true", "y_score", "labels")}
_POSITIVE = Interval(Integral, 1, None, closed="left")
_RESPONSE_METHODS = ["predict_proba", "decision_function"]


def _rank_true_classes(
    y_true: ArrayLike, y_score: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.intp], int]:
    """Count the other classes that score as high as the true one, all if it is unknown, and all."""
    codes, known = check_known_labels(y_true, labels)
    scores = check_scores(y_score, len(codes), known)
    # Code -1 is the last column here, and is replaced in the last line.
    own = scores[np.arange(len(codes)), codes]
    ranks = (scores >= own[:, np.newaxis]).sum(axis=1) - 1
    return np.where(codes < 0, len(known), ranks), len(known)


@validated({**_ARRAYS, "k": [_POSITIVE], "sample_weight": ["array-like", None]})
def top_k_accuracy(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    k: int,
    labels: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the fraction of samples whose true class is among the k classes scored highest.

    Unlike :func:`sklearn.metrics.top_k_accuracy_score`, it accepts `labels` in any order,
    true labels that are not in them (always wrong) and any `k`, and counts ties as wrong: fewer
    than k other classes must score at least as high as the true one.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers. They need not cover all `labels`.
    y_score : array-like of shape (n_samples, n_labels)
        Scores, higher for more likely classes: probabilities, log-probabilities or values of a
        decision function, two columns for two classes. Named columns are matched to `labels`.
    k : int
        The number of guesses, at least 1.
    labels : array-like of shape (n_labels,)
        The class of each column of `y_score`, usually ``classifier.classes_``.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights, not all zero. By default, all weights are equal.

    Returns
    -------
    score : float
        Between 0 and 1. It is 1 for ``k >= n_labels`` if all of `y_true` is in `labels`.

    Raises
    ------
    ValueError
        If `y_score` does not have one column per label or contains NaN, if labels are
        missing, repeated or of mixed types, if lengths differ, or if weights are invalid.

    Examples
    --------
    >>> from skglitch.metrics import top_k_accuracy
    >>> labels = ["Blip", "Chirp", "Whistle"]
    >>> y_true = ["Blip", "Chirp", "Chirp"]  # no Whistle
    >>> y_score = [[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.5, 0.1, 0.4]]
    >>> [round(top_k_accuracy(y_true, y_score, k=k, labels=labels), 3) for k in (1, 2, 3)]
    [0.333, 0.667, 1.0]
    """
    ranks, n_labels = _rank_true_classes(y_true, y_score, labels)
    # The minimum keeps unknown classes, of rank n_labels, wrong at every k.
    correct = ranks < min(k, n_labels)
    options: Any = {"dtype": np.float64, "ensure_non_negative": True}
    weights = _check_sample_weight(unmask(sample_weight), correct, **options)
    return float(np.average(correct, weights=weights))


@validated({**_ARRAYS, "ks": ["array-like"], "confidence_level": [PROBABILITY]})
def top_k_table(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    labels: ArrayLike,
    ks: Sequence[int] = (1, 2, 3, 4, 5),
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Tabulate top-1 to top-k accuracy with confidence intervals.

    Parameters
    ----------
    y_true, y_score, labels
        As in :func:`top_k_accuracy`.
    ks : sequence of int, default=(1, 2, 3, 4, 5)
        The numbers of guesses, each at least 1. Those above `n_labels` become one row, `n_labels`.
    confidence_level : float, default=0.95
        The confidence level of the intervals, between 0 and 1.

    Returns
    -------
    table : pandas.DataFrame
        The index `k` and the columns `accuracy`, `low` and `high` (Wilson score interval [1]_ for
        independent samples, without the variation between training sets), `n_correct` and
        `n_samples`. ``table.attrs`` has `n_unknown`, the number of samples whose class is not in
        `labels`, and `confidence_level`.

    Raises
    ------
    ValueError
        As from :func:`top_k_accuracy`, or if `ks` or `confidence_level` is invalid.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical
       inference", J. Am. Stat. Assoc. 22, 209-212 (1927).

    Examples
    --------
    >>> from skglitch.metrics import top_k_table
    >>> y_true = ["Blip", "Chirp", "Chirp", "Blip"]
    >>> y_score = [[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.5, 0.1, 0.4], [0.8, 0.2, 0.0]]
    >>> table = top_k_table(y_true, y_score, labels=["Blip", "Chirp", "Whistle"])
    >>> print(table.round(3))
       accuracy    low   high  n_correct  n_samples
    k
    1      0.50  0.150  0.850          2          4
    2      0.75  0.301  0.954          3          4
    3      1.00  0.510  1.000          4          4
    """
    import pandas as pd

    requested = np.asarray(ks)
    if requested.ndim != 1 or requested.dtype.kind not in "iu" or requested.min() < 1:
        raise ValueError(f"ks must be a sequence of integers of at least 1, got {ks!r}.")
    ranks, n_labels = _rank_true_classes(y_true, y_score, labels)
    k = np.unique(np.minimum(requested, n_labels))
    n_correct = np.bincount(ranks, minlength=n_labels + 1).cumsum()[k - 1]
    low, high = wilson_interval(n_correct, len(ranks), confidence_level)
    table = pd.DataFrame(
        {
            "accuracy": n_correct / len(ranks),
            "low": low,
            "high": high,
            "n_correct": n_correct,
            "n_samples": len(ranks),
        },
        index=pd.Index(k, name="k"),
    )
    table.attrs = {
        "n_unknown": int((ranks == n_labels).sum()),
        "confidence_level": float(confidence_level),
    }
    return table


# Scikit-learn's base class is private, but lets several scorers share one prediction, which takes
# nearly all of the time, and routes sample weights. make_scorer does not pass on classes_.
class _TopKScorer(_BaseScorer):
    def __init__(self, k: int) -> None:
        super().__init__(top_k_accuracy, 1, {"k": k}, response_method=_RESPONSE_METHODS)

    def __repr__(self) -> str:
        return f"top_k_scorer(k={self._kwargs['k']})"

    def _score(
        self,
        method_caller: Callable[..., Any],
        estimator: Any,
        X: Any,
        y_true: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        classes = getattr(estimator, "classes_", None)
        if classes is None:
            check_is_fitted(estimator)
            raise TypeError(
                f"top_k_scorer needs a classifier with classes_, not {type(estimator).__name__}."
            )
        method = _check_response_method(estimator, _RESPONSE_METHODS).__name__
        if len(classes) > 2:
            scores = method_caller(estimator, method, X)
        else:
            # For two classes scikit-learn returns one column, and its cache ignores which class
            # another scorer requested. For one class it raises an error.
            scores = getattr(estimator, method)(X)
            if len(classes) == 2 and np.ndim(scores) == 1:  # a decision function
                scores = np.column_stack([-scores, scores])
        return top_k_accuracy(
            y_true, scores, labels=classes, sample_weight=sample_weight, **self._kwargs
        )


@validated({"k": [_POSITIVE]})
def top_k_scorer(k: int = 1) -> _TopKScorer:
    """Make a scorer of top-k accuracy that works when a fold lacks a class.

    Classes are the ``classes_`` of the fitted classifier. Those of scikit-learn's
    ``"top_k_accuracy"`` are the classes in the fold. Samples of other classes are wrong.

    Parameters
    ----------
    k : int, default=1
        The number of guesses, at least 1.

    Returns
    -------
    scorer : callable
        Called as ``scorer(estimator, X, y, *, sample_weight=None)``, returns a float; higher is
        better. The estimator must be fitted and have ``classes_``, and ``predict_proba`` or
        ``decision_function``; pipelines work, too. With metadata routing,
        ``set_score_request(sample_weight=True)`` requests weights.

    Raises
    ------
    ValueError
        If `k` is not a positive integer. The scorer raises errors as :func:`top_k_accuracy`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_validate
    >>> from skglitch.metrics import top_k_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> scoring = {f"top_{k}": top_k_scorer(k) for k in (1, 2, 3)}
    >>> results = cross_validate(LogisticRegression(max_iter=1000), X, y, scoring=scoring)
    >>> print([round(float(results[f"test_top_{k}"].mean()), 3) for k in (1, 2, 3)])
    [0.973, 1.0, 1.0]
    """
    return _TopKScorer(k)
