"""Top-k accuracy as a scorer."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from .._validation import validated
from ._top_k import top_k_accuracy

RESPONSE_METHODS = ["predict_proba", "decision_function"]


# Scikit-learn's base class is private, but it is what lets several scorers share one
# prediction, which for a deep net is nearly all of the time; it brings the routing of
# sample weights too. make_scorer is no way round: it does not pass classes_ on.
class TopKScorer(_BaseScorer):
    """Scorer of top-k accuracy, made by :func:`top_k_scorer`.

    Parameters
    ----------
    k : int
        How many guesses count, at least 1.

    See Also
    --------
    top_k_scorer : Checks `k` and makes the scorer.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skglitch.metrics import top_k_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> scorer = top_k_scorer(2)
    >>> scorer(LogisticRegression(max_iter=1000).fit(X, y), X, y)
    1.0
    """

    def __init__(self, k: int) -> None:
        super().__init__(top_k_accuracy, 1, {"k": k}, response_method=RESPONSE_METHODS)

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
        classes = _get_classes(estimator)
        method = _get_response_method(estimator)
        if len(classes) > 2:
            scores = method_caller(estimator, method, X)
        else:
            # For two classes scikit-learn passes on one column, and its cache forgets
            # for which class another scorer asked; for one class it raises.
            scores = _two_columns(getattr(estimator, method)(X), len(classes))
        return top_k_accuracy(
            y_true, scores, labels=classes, sample_weight=sample_weight, **self._kwargs
        )


def _get_classes(estimator: Any) -> NDArray[Any]:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        check_is_fitted(estimator)
        raise TypeError(
            f"top_k_scorer needs a classifier with the attribute classes_, "
            f"{type(estimator).__name__} has none."
        )
    return np.asarray(classes)


def _get_response_method(estimator: Any) -> str:
    for name in RESPONSE_METHODS:
        if hasattr(estimator, name):
            return name
    raise AttributeError(
        f"top_k_scorer needs a classifier with {' or '.join(RESPONSE_METHODS)}, "
        f"{type(estimator).__name__} has neither."
    )


def _two_columns(scores: ArrayLike, n_classes: int) -> NDArray[Any]:
    """Give the 1-D decision function of a binary classifier a column a class."""
    scores = np.asarray(scores)
    if n_classes == 2 and scores.ndim == 1:
        return np.column_stack([-scores, scores])
    return scores


@validated({"k": [Interval(Integral, 1, None, closed="left")]})
def top_k_scorer(k: int = 1) -> TopKScorer:
    """Make a scorer of top-k accuracy that works when a fold lacks a class.

    The scorer of scikit-learn (``"top_k_accuracy"``) takes the classes from the fold it
    scores, and fails if one is missing there. This one takes them from the ``classes_``
    of the fitted classifier. Its result can be used wherever scikit-learn takes
    `scoring`, also in other processes and several at a time in a dict.

    Parameters
    ----------
    k : int, default=1
        How many guesses count, at least 1. With ``k >= n_classes`` the score is 1 for
        samples of known classes, without a warning.

    Returns
    -------
    scorer : callable
        Called as ``scorer(estimator, X, y, *, sample_weight=None)``, it returns a
        float, higher for better. The estimator must be fitted and have ``classes_`` and
        ``predict_proba``, or else ``decision_function``; a pipeline will do.

    Raises
    ------
    ValueError
        If `k` is not an integer of at least 1. When called, the scorer raises what
        :func:`top_k_accuracy` does.

    See Also
    --------
    top_k_accuracy : The same for scores you have already.
    top_k_table : Top-1 to top-k accuracy with confidence intervals.

    Notes
    -----
    A sample whose class the training fold did not have counts as wrong at every k, and
    a tie counts against the classifier, see :func:`top_k_accuracy`.

    Several of these scorers in one dict predict once (for more than two classes), and
    share the prediction with scikit-learn's own scorers.

    To weight the samples of a cross-validation turn metadata routing on and ask for the
    weights: ``top_k_scorer(2).set_score_request(sample_weight=True)``.

    A decision function must have one column a class: that of
    ``SVC(decision_function_shape="ovo")`` has one a pair of classes, which cannot be
    told from one a class if there are three.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_validate
    >>> from skglitch.metrics import top_k_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> results = cross_validate(
    ...     LogisticRegression(max_iter=1000),
    ...     X,
    ...     y,
    ...     scoring={f"top_{k}": top_k_scorer(k) for k in (1, 2, 3)},
    ... )
    >>> print([round(float(results[f"test_top_{k}"].mean()), 3) for k in (1, 2, 3)])
    [0.973, 1.0, 1.0]
    """
    return TopKScorer(k)
