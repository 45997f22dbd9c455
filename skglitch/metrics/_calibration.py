"""Are probabilities what they say? Reliability tables and calibration errors."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._text import TextTable, align, percent
from .._validation import check_known_labels, check_probabilities, validated
from ._intervals import wilson_interval

_BINNING: dict[str, list[Any]] = {
    "y_true": ["array-like"],
    "y_prob": ["array-like"],
    "labels": ["array-like"],
    "n_bins": [Interval(Integral, 1, None, closed="left")],
    "strategy": [StrOptions({"uniform", "quantile"})],
}


@dataclass(frozen=True, eq=False)
class ReliabilityTable(TextTable):
    """Probabilities against frequencies, made by :func:`reliability_table`.

    ``print`` shows it as a table in percent, ``to_dict`` gives it to other tools. Bins
    without samples are left out.

    Parameters
    ----------
    left, right : ndarray of shape (n_bins,), dtype=float64
        The edges of each bin, the right one belonging to it.
    probability : ndarray of shape (n_bins,), dtype=float64
        Mean of the probabilities in each bin.
    frequency : ndarray of shape (n_bins,), dtype=float64
        How often what they were given to was true.
    low, high : ndarray of shape (n_bins,), dtype=float64
        Wilson's confidence interval of the frequency.
    n_samples : ndarray of shape (n_bins,), dtype=int64
        The number of samples in each bin.
    confidence : float
        The confidence level of the intervals.
    label : str, int or None
        The class whose probabilities these are; None for those of the first guesses.

    See Also
    --------
    reliability_table : Compute it.

    Examples
    --------
    >>> from skglitch.metrics import reliability_table
    >>> y_prob = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    >>> y_true, labels = ["Blip", "Chirp", "Chirp"], ["Blip", "Chirp"]
    >>> table = reliability_table(y_true, y_prob, labels=labels, n_bins=2)
    >>> table.probability.round(3), table.frequency.round(3)
    (array([0.767]), array([0.667]))
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    probability: NDArray[np.float64]
    frequency: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_samples: NDArray[np.int64]
    confidence: float
    label: Any

    def __str__(self) -> str:
        what = "first guess" if self.label is None else str(self.label)
        interval = f"{100 * self.confidence:g} % interval"
        rows = [["bin", "mean probability [%]", f"{what} true [%]", interval, "samples"]]
        for left, right, *values, low, high, n_samples in zip(
            self.left,
            self.right,
            self.probability,
            self.frequency,
            self.low,
            self.high,
            self.n_samples,
            strict=True,
        ):
            rows.append(
                [
                    f"{percent(left):>6} to {percent(right):>6}",
                    *map(percent, values),
                    f"{percent(low):>6} to {percent(high):>6}",
                    str(n_samples),
                ]
            )
        return align(rows)


@validated(
    {
        **_BINNING,
        "confidence": [Interval(Real, 0, 1, closed="neither")],
    }
)
def reliability_table(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    labels: ArrayLike,
    label: Any = None,
    n_bins: int = 15,
    strategy: Literal["uniform", "quantile"] = "uniform",
    confidence: float = 0.95,
) -> ReliabilityTable:
    """Tabulate how often what was predicted with some probability was true.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers. Those not in `labels` are never predicted.
    y_prob : array-like of shape (n_samples, n_labels)
        Probabilities of the classes.
    labels : array-like of shape (n_labels,)
        The class of each column of `y_prob`, usually ``classifier.classes_``.
    label : str or int, default=None
        The class whose probabilities to look at, all samples counting. None is the
        first guess of each sample, whatever its class.
    n_bins : int, default=15
        How many bins to make, at least 1.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width from 0 to 1, or between quantiles of the probabilities so that
        they hold as many samples each, as far as equal probabilities allow.
    confidence : float, default=0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    table : ReliabilityTable
        Fields `left`, `right`, `probability`, `frequency`, `low`, `high`, `n_samples` and
        others, with a row for each bin that holds samples.

    Raises
    ------
    ValueError
        If a parameter is not allowed, rows of `y_prob` are no probabilities, `label` is not
        in `labels`, or labels are missing, repeated, or numbers here and strings there.

    See Also
    --------
    expected_calibration_error : One number for it.
    sklearn.calibration.CalibratedClassifierCV : Make probabilities better.
    sklearn.calibration.calibration_curve : For two classes, the first columns alone.

    Notes
    -----
    Where probabilities are what they say, `frequency` is near `probability` in each bin; the
    interval tells how near to expect.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017, arXiv:1706.04599.

    Examples
    --------
    >>> from skglitch.metrics import reliability_table
    >>> y_true = ["Blip", "Chirp", "Chirp", "Blip"]
    >>> y_prob = [[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.7, 0.3]]
    >>> print(reliability_table(y_true, y_prob, labels=["Blip", "Chirp"], n_bins=4))
                 bin  mean probability [%]  first guess true [%]     95 % interval  samples
     50.00 to  75.00                 65.00                 50.00   9.45 to  90.55        2
     75.00 to 100.00                 90.00                100.00  34.24 to 100.00        2
    """
    codes, prob, known = _check(y_true, y_prob, labels)
    if label is None:
        given, true = _first_guess(codes, prob)
    else:
        if label not in known:
            raise ValueError(f"label={label!r} is not in labels: {known}.")
        column = known.index(label)
        given, true = prob[:, column], codes == column
    edges, counts, given_sum, true_sum = _bins(given, true, n_bins, strategy)
    low, high = wilson_interval(true_sum, counts, confidence)
    return ReliabilityTable(
        left=edges[0],
        right=edges[1],
        probability=given_sum / counts,
        frequency=true_sum / counts,
        low=low,
        high=high,
        n_samples=counts,
        confidence=float(confidence),
        label=label,
    )


@validated(
    {
        **_BINNING,
        "kind": [StrOptions({"top_label", "class_wise"})],
        "norm": [StrOptions({"l1", "l2"})],
        "debias": ["boolean"],
    }
)
def expected_calibration_error(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    labels: ArrayLike,
    n_bins: int = 15,
    strategy: Literal["uniform", "quantile"] = "uniform",
    kind: Literal["top_label", "class_wise"] = "top_label",
    norm: Literal["l1", "l2"] = "l1",
    debias: bool = False,
) -> float:
    r"""Mean distance of probabilities from frequencies (ECE).

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers. Those not in `labels` are never predicted.
    y_prob : array-like of shape (n_samples, n_labels)
        Probabilities of the classes.
    labels : array-like of shape (n_labels,)
        The class of each column of `y_prob`, usually ``classifier.classes_``.
    n_bins : int, default=15
        How many bins to make, at least 1.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width, or with as many samples each, see :func:`reliability_table`.
    kind : {"top_label", "class_wise"}, default="top_label"
        Whether to look at the probability of the first guess [1]_ [2]_, or at those of each
        class in turn and average the errors, or their squares, over the classes [3]_.
    norm : {"l1", "l2"}, default="l1"
        Mean absolute distance, which is what ECE mostly means, or the root of the mean square.
    debias : bool, default=False
        Whether to subtract what chance adds [4]_. For ``norm="l2"`` only.

    Returns
    -------
    error : float
        From 0, which is best, to 1.

    Raises
    ------
    ValueError
        If a parameter is not allowed, ``debias=True`` comes with ``norm="l1"``, or labels and
        probabilities are such as :func:`reliability_table` refuses.

    See Also
    --------
    reliability_table : The bins behind it.
    sklearn.metrics.log_loss : Calibration and accuracy in one, without bins.
    sklearn.metrics.brier_score_loss : The same with squares.

    Notes
    -----
    With :math:`n_b` of n samples in bin b, their mean probability :math:`\bar p_b` and their
    frequency :math:`\bar y_b`,

    .. math:: \mathrm{ECE}_1 = \sum_b \frac{n_b}{n} |\bar p_b - \bar y_b|, \quad
        \mathrm{ECE}_2^2 = \sum_b \frac{n_b}{n} (\bar p_b - \bar y_b)^2

    *Bias.* Chance alone moves frequencies away from probabilities, the more the fewer samples
    a bin has: perfect probabilities get an error above 0, which grows with `n_bins` and falls
    with n. Compare values only for the same samples and bins. ``debias=True`` subtracts
    :math:`\bar y_b (1 - \bar y_b) / (n_b - 1)` from each square and cuts the sum off at 0; bins
    with a single sample, whose noise cannot be told, are left out then. The other bias is that
    probabilities within a bin may be wrong in both directions.

    The error is no proper score: who gives the class frequencies to all samples has 0.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining well calibrated
       probabilities using Bayesian binning", AAAI 2015.
    .. [2] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017, arXiv:1706.04599.
    .. [3] M. Kull et al., "Beyond temperature scaling: obtaining well-calibrated multiclass
       probabilities with Dirichlet calibration", NeurIPS 2019, arXiv:1910.12656.
    .. [4] A. Kumar, P. Liang and T. Ma, "Verified uncertainty calibration", NeurIPS 2019,
       arXiv:1909.10155.

    Examples
    --------
    >>> from skglitch.metrics import expected_calibration_error
    >>> y_true = ["Blip", "Chirp", "Chirp", "Blip"]
    >>> y_prob = [[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.7, 0.3]]
    >>> error = expected_calibration_error(y_true, y_prob, labels=["Blip", "Chirp"], n_bins=4)
    >>> round(error, 3)  # (|0.65 - 0.5| + |0.9 - 1|) / 2
    0.125
    """
    if debias and norm == "l1":
        raise ValueError("debias=True needs norm='l2', got norm='l1'.")
    codes, prob, known = _check(y_true, y_prob, labels)
    if kind == "top_label":
        pairs = [_first_guess(codes, prob)]
    else:
        pairs = [(prob[:, column], codes == column) for column in range(len(known))]
    errors = [_error(*_bins(*pair, n_bins, strategy)[1:], norm, debias) for pair in pairs]
    mean = float(np.mean(errors))
    return mean if norm == "l1" else max(0.0, mean) ** 0.5


def _check(
    y_true: ArrayLike, y_prob: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.float64], list[Any]]:
    codes, known = check_known_labels(y_true, labels)
    return codes, check_probabilities(y_prob, len(codes), len(known)), known


def _first_guess(
    codes: NDArray[np.intp], prob: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return prob.max(axis=1), prob.argmax(axis=1) == codes


def _bins(
    given: NDArray[np.float64], true: NDArray[np.bool_], n_bins: int, strategy: str
) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Edges, counts, and sums of probabilities and of truths, of bins that hold samples."""
    edges = np.linspace(0, 1, n_bins + 1)
    if strategy == "quantile":
        edges = np.quantile(given, edges)
    # As in scikit-learn's calibration_curve: a bin holds its right edge.
    index = np.searchsorted(edges[1:-1], given)
    counts = np.bincount(index, minlength=n_bins)
    some = counts > 0
    given_sum = np.bincount(index, weights=given, minlength=n_bins)
    true_sum = np.bincount(index[true], minlength=n_bins)
    sides = np.stack([edges[:-1], edges[1:]])
    return sides[:, some], counts[some], given_sum[some], true_sum[some]


def _error(
    counts: NDArray[Any],
    given_sum: NDArray[np.float64],
    true_sum: NDArray[Any],
    norm: str,
    debias: bool,
) -> float:
    if debias:
        several = counts > 1
        counts, given_sum, true_sum = counts[several], given_sum[several], true_sum[several]
        if len(counts) == 0:
            raise ValueError("debias=True needs bins with two samples or more: lower n_bins.")
    frequency = true_sum / counts
    distance = np.abs(given_sum / counts - frequency)
    if norm == "l1":
        return float(np.average(distance, weights=counts))
    noise = frequency * (1 - frequency) / (counts - 1) if debias else 0.0
    return float(np.average(distance**2 - noise, weights=counts))
