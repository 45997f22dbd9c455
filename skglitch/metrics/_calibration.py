"""Reliability tables and the expected calibration error."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._validation import check_known_labels, check_probabilities, validated
from ._intervals import PROBABILITY, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

_BINNING: dict[str, list[Any]] = {
    **{name: ["array-like"] for name in ("y_true", "y_prob", "labels")},
    "n_bins": [Interval(Integral, 1, None, closed="left")],
    "strategy": [StrOptions({"uniform", "quantile"})],
}


@validated({**_BINNING, "confidence_level": [PROBABILITY]})
def reliability_table(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    labels: ArrayLike,
    label: Any = None,
    n_bins: int = 15,
    strategy: Literal["uniform", "quantile"] = "uniform",
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Tabulate predicted probabilities and observed frequencies in bins.

    For calibrated probabilities they agree within the interval [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers. Those not in `labels` are never predicted.
    y_prob : array-like of shape (n_samples, n_labels)
        Probabilities of the classes. Named columns of a data frame are matched to `labels`.
    labels : array-like of shape (n_labels,)
        The class of each column of `y_prob`, usually ``classifier.classes_``.
    label : str or int, default=None
        The class whose probabilities to tabulate. None is the predicted class of each sample.
    n_bins : int, default=15
        The number of bins, at least 1.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width from 0 to 1, or with equal numbers of samples, as far as ties allow.
    confidence_level : float, default=0.95
        The confidence level of the intervals, between 0 and 1.

    Returns
    -------
    table : pandas.DataFrame
        One row per bin with samples, and the columns `left` and `right` (the edges; the right one
        belongs to the bin), `probability` (the mean), `frequency` (the fraction of samples of the
        class), `low` and `high` (the Wilson score interval of `frequency`) and `n_samples`.
        ``table.attrs`` has `label` and `confidence_level`.

    Raises
    ------
    ValueError
        If a parameter is invalid, rows of `y_prob` are not probabilities, `label` is not in
        `labels`, or labels are missing, repeated or of mixed types.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017, arXiv:1706.04599.

    Examples
    --------
    >>> from skglitch.metrics import reliability_table
    >>> y_true = ["Blip", "Chirp", "Chirp", "Blip"]
    >>> y_prob = [[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.7, 0.3]]
    >>> table = reliability_table(y_true, y_prob, labels=["Blip", "Chirp"], n_bins=4)
    >>> print(table.round(3))
       left  right  probability  frequency    low   high  n_samples
    0  0.50   0.75         0.65        0.5  0.095  0.905          2
    1  0.75   1.00         0.90        1.0  0.342  1.000          2
    """
    codes, known = check_known_labels(y_true, labels)
    prob = check_probabilities(y_prob, len(codes), known)
    if label is None:
        predicted, correct = prob.max(axis=1), prob.argmax(axis=1) == codes
    else:
        if label not in known:
            raise ValueError(f"label={label!r} is not in labels: {known}.")
        column = known.index(label)
        predicted, correct = prob[:, column], codes == column
    table = _bin(predicted, correct, n_bins, strategy)
    limits = wilson_interval(table.pop("n_correct"), table["n_samples"], confidence_level)
    table.insert(4, "low", limits[0])
    table.insert(5, "high", limits[1])
    table.attrs = {"label": label, "confidence_level": float(confidence_level)}
    return table


@validated(_BINNING)
def expected_calibration_error(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    labels: ArrayLike,
    n_bins: int = 15,
    strategy: Literal["uniform", "quantile"] = "uniform",
) -> float:
    """Compute the expected calibration error (ECE) of the predicted class.

    Parameters
    ----------
    y_true, y_prob, labels, n_bins, strategy
        As in :func:`reliability_table`.

    Returns
    -------
    error : float
        The mean absolute difference between `probability` and `frequency` in
        :func:`reliability_table`, weighted by `n_samples`: from 0 (best) to 1.

    Raises
    ------
    ValueError
        As from :func:`reliability_table`.

    Examples
    --------
    >>> from skglitch.metrics import expected_calibration_error
    >>> y_true = ["Blip", "Chirp", "Chirp", "Blip"]
    >>> y_prob = [[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.7, 0.3]]
    >>> error = expected_calibration_error(y_true, y_prob, labels=["Blip", "Chirp"], n_bins=4)
    >>> round(error, 3)  # (|0.65 - 0.5| + |0.9 - 1|) / 2
    0.125
    """
    codes, known = check_known_labels(y_true, labels)
    prob = check_probabilities(y_prob, len(codes), known)
    table = _bin(prob.max(axis=1), prob.argmax(axis=1) == codes, n_bins, strategy)
    distances = (table["probability"] - table["frequency"]).abs()
    return float(np.average(distances, weights=table["n_samples"]))


def _bin(
    predicted: NDArray[np.float64], correct: NDArray[np.bool_], n_bins: int, strategy: str
) -> pd.DataFrame:
    """Tabulate the bins that have samples."""
    import pandas as pd

    edges = np.linspace(0, 1, n_bins + 1)
    if strategy == "quantile":
        edges = np.quantile(predicted, edges)
    # As in scikit-learn's calibration_curve, the right edge belongs to the bin.
    index = np.searchsorted(edges[1:-1], predicted)
    bins, n_samples = np.unique(index, return_counts=True)
    n_correct = np.bincount(index[correct], minlength=n_bins)[bins]
    return pd.DataFrame(
        {
            "left": edges[bins],
            "right": edges[bins + 1],
            "probability": np.bincount(index, weights=predicted)[bins] / n_samples,
            "frequency": n_correct / n_samples,
            "n_samples": n_samples,
            "n_correct": n_correct,
        }
    )
