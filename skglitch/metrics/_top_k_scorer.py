"""Top-k accuracy as a scorer."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from .._validation import validated
from ._top_k import top_k_accuracy

RESPONSE_METHODS = ["predict_proba", "decision_function"]


# Scikit-learn's base class is private, but lets several scorers share one prediction, which
# takes nearly all of the time for a deep net, and routes sample weights. make_scorer is no
# alternative: it does not pass classes_ on.
class _TopKScorer(_BaseScorer):
    """Scorer of top-k accuracy."""

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
        classes = getattr(estimator, "classes_", None)
        if classes is None:
            check_is_fitted(estimator)
            raise TypeError(
                f"top_k_scorer needs a classifier with the attribute classes_, "
                f"{type(estimator).__name__} has none."
            )
        method = next((name for name in RESPONSE_METHODS if hasattr(estimator, name)), None)
        if method is None:
            raise AttributeError(
                f"top_k_scorer needs a classifier with {' or '.join(RESPONSE_METHODS)}, "
                f"{type(estimator).__name__} has neither."
            )
        if len(classes) > 2:
            scores = method_caller(estimator, method, X)
        else:
            # For two classes scikit-learn returns one column, and its cache ignores for which
            # class another scorer asked; for one class it raises.
            scores = np.asarray(getattr(estimator, method)(X))
            if len(classes) == 2 and scores.ndim == 1:  # a decision function
                scores = np.column_stack([-scores, scores])
        return top_k_accuracy(
            y_true, scores, labels=classes, sample_weight=sample_weight, **self._kwargs
        )


@validated({"k": [Interval(Integral, 1, None, closed="left")]})
def top_k_scorer(k: int = 1) -> _TopKScorer:
    """Make a scorer of top-k accuracy that works when a fold lacks a class.

    Scikit-learn's scorer ``"top_k_accuracy"`` takes the classes from the fold that it scores
    and fails if one is missing. This one takes them from the ``classes_`` of the fitted
    classifier. It works wherever scikit-learn takes `scoring`, also in other processes and in
    a dict of scorers.

    Parameters
    ----------
    k : int, default=1
        The number of guesses that count, at least 1. For ``k >= n_classes`` the score is 1 for
        samples of known classes.

    Returns
    -------
    scorer : callable
        Called as ``scorer(estimator, X, y, *, sample_weight=None)``, it returns a float, higher
        is better. The estimator must be fitted and have ``classes_`` and ``predict_proba`` or
        ``decision_function``; pipelines work too.

    Raises
    ------
    ValueError
        If `k` is not an integer of at least 1. The scorer raises what :func:`top_k_accuracy`
        does.

    See Also
    --------
    top_k_accuracy : The same for given scores; describes ties and unknown classes.
    top_k_table : Top-1 to top-k accuracy with confidence intervals.

    Notes
    -----
    A sample whose class the training fold lacks counts as wrong at every k.

    For more than two classes, several of these scorers in one dict predict only once, and
    share the prediction with scikit-learn's own scorers.

    To weight samples, enable metadata routing and request the weights:
    ``top_k_scorer(2).set_score_request(sample_weight=True)``.

    A decision function must have one column per class. ``SVC(decision_function_shape="ovo")``
    has one per pair of classes, which is as many for three classes.

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
    return _TopKScorer(k)
