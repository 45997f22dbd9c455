"""Sets of classes that hold the true one with a stated probability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from .._text import TextTable, align
from .._validation import check_known_labels, check_probabilities, validated


@dataclass(frozen=True, eq=False)
class ConformalThreshold(TextTable):
    """What a class must not exceed to be in a set, made by :func:`conformal_threshold`.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
        The classes, in the order of the columns of probabilities.
    threshold : ndarray of shape (n_labels,), dtype=float64
        The highest score with which each class is in a set; infinite where there were too few
        samples to promise the coverage, so that the class is in every set.
    n_samples : ndarray of shape (n_labels,), dtype=int64
        How many samples each threshold comes from.
    coverage : float
        The probability that a set holds the true class.
    method : {"lac", "aps", "raps"}
        The score.
    class_conditional : bool
        Whether the coverage is meant for each class.
    randomized : bool
        Whether ``"aps"`` and ``"raps"`` draw lots.
    penalty : float
        What each class beyond `n_free` costs with ``"raps"``.
    n_free : int
        How many classes cost nothing with ``"raps"``.

    See Also
    --------
    conformal_threshold : Compute it.
    prediction_sets : Apply it.

    Examples
    --------
    >>> from skglitch.metrics import conformal_threshold
    >>> y_prob = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]]
    >>> result = conformal_threshold(
    ...     ["Blip", "Blip", "Tomte", "Tomte"], y_prob, labels=["Blip", "Tomte"], coverage=0.5
    ... )
    >>> result.threshold.round(2), result.n_samples
    (array([0.3, 0.3]), array([4, 4]))
    """

    labels: NDArray[Any]
    threshold: NDArray[np.float64]
    n_samples: NDArray[np.int64]
    coverage: float
    method: str
    class_conditional: bool
    randomized: bool
    penalty: float
    n_free: int

    def __str__(self) -> str:
        rows = [["class", "threshold", "samples"]]
        for label, threshold, n in zip(self.labels, self.threshold, self.n_samples, strict=True):
            rows.append([str(label), f"{threshold:.4f}", str(n)])
        of_what = "each class" if self.class_conditional else "all samples"
        text = f"{align(rows, left=[0])}\n\n{100 * self.coverage:g} % of {of_what}, {self.method}"
        in_all = self.labels[np.isinf(self.threshold)].tolist()
        if in_all:
            text += f"\nIn every set, for want of samples: {', '.join(map(str, in_all))}"
        return text


@validated(
    {
        "y_true": ["array-like"],
        "y_prob": ["array-like"],
        "labels": ["array-like"],
        "coverage": [Interval(Real, 0, 1, closed="neither")],
        "method": [StrOptions({"lac", "aps", "raps"})],
        "class_conditional": ["boolean"],
        "randomized": ["boolean"],
        "penalty": [Interval(Real, 0, None, closed="left")],
        "n_free": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }
)
def conformal_threshold(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    labels: ArrayLike,
    coverage: float = 0.9,
    method: Literal["lac", "aps", "raps"] = "lac",
    class_conditional: bool = False,
    randomized: bool = True,
    penalty: float = 0.01,
    n_free: int = 1,
    random_state: int | np.random.RandomState | None = None,
) -> ConformalThreshold:
    r"""Learn how many classes to name so that the true one is among them (split conformal).

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of samples that the classifier was not trained on.
    y_prob : array-like of shape (n_samples, n_labels)
        Their probabilities by the classifier.
    labels : array-like of shape (n_labels,)
        The class of each column of `y_prob`, usually ``classifier.classes_``.
    coverage : float, default=0.9
        The probability with which a set shall hold the true class, between 0 and 1.
    method : {"lac", "aps", "raps"}, default="lac"
        The score s of a class of probability p. Classes of low scores are in the set.

        - ``"lac"``: 1 - p. The smallest sets on average [1]_, some of them empty;
        - ``"aps"``: the sum of the probabilities above p, and a random part of p itself. Larger
          where the classifier is unsure, smaller where it is sure [2]_;
        - ``"raps"``: the same with a penalty for every class beyond the first few, so that the
          tail of many improbable classes does not blow up the sets [3]_.
    class_conditional : bool, default=False
        Whether each class shall be covered that often, by a threshold of its own (Mondrian)
        [4]_, and not just all samples taken together, of which rare classes are few.
    randomized : bool, default=True
        Whether ``"aps"`` and ``"raps"`` take a random part of p. Without, all of p counts: sets
        are repeatable, but empty wherever the first class alone exceeds the threshold.
    penalty : float, default=0.01
        Added to the score for each class beyond `n_free`, with ``"raps"``.
    n_free : int, default=1
        How many of the most probable classes have no penalty, with ``"raps"``.
    random_state : int, RandomState instance or None, default=None
        Makes the random parts repeatable.

    Returns
    -------
    threshold : ConformalThreshold
        What :func:`prediction_sets` needs.

    Raises
    ------
    ValueError
        If a parameter is not allowed, rows of `y_prob` are no probabilities, `y_true` has
        classes that `labels` lacks, or labels are missing, repeated, or of two kinds.

    See Also
    --------
    prediction_sets : The sets of other samples.
    coverage_table : How often sets hold the true class, and how large they are.
    top_k_sets : Sets of always the same size.

    Notes
    -----
    The threshold is the r-th smallest score of the true classes of the n samples, r being
    :math:`\lceil (n + 1) \cdot \mathrm{coverage} \rceil`. If new samples are exchangeable with
    these, a new set holds its true class with a probability of at least `coverage`, whatever
    the classifier is worth, and of at most 1 / (n + 1) more if scores have no ties. Where
    r is above n, nothing can be promised but by naming the class always.

    The promise is about draws of these samples *and* of new ones: with n of them, the coverage
    that follows from one threshold scatters by about
    :math:`\sqrt{\mathrm{coverage} (1 - \mathrm{coverage}) / n}`. It does not hold for glitches
    of another time with other proportions of classes (each class by itself does, with
    ``class_conditional=True``), nor for kinds that training never saw.

    References
    ----------
    .. [1] M. Sadinle, J. Lei and L. Wasserman, "Least ambiguous set-valued classifiers with
       bounded error levels", J. Am. Stat. Assoc. 114, 223-234 (2019), arXiv:1609.00451.
    .. [2] Y. Romano, M. Sesia and E. J. Candès, "Classification with valid and adaptive
       coverage", NeurIPS 2020, arXiv:2006.02544.
    .. [3] A. N. Angelopoulos, S. Bates, J. Malik and M. I. Jordan, "Uncertainty sets for image
       classifiers using conformal prediction", ICLR 2021, arXiv:2009.14193.
    .. [4] V. Vovk, "Conditional validity of inductive conformal predictors", ACML 2012,
       arXiv:1209.2673.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import train_test_split
    >>> from skglitch.metrics import conformal_threshold, coverage_table, prediction_sets
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_rest, y_train, y_rest = train_test_split(
    ...     X, y, train_size=200, random_state=0
    ... )
    >>> classifier = LogisticRegression(max_iter=2000).fit(X_train / 16, y_train)
    >>> y_prob, labels = classifier.predict_proba(X_rest / 16), classifier.classes_
    >>> threshold = conformal_threshold(y_rest[:700], y_prob[:700], labels=labels)
    >>> sets = prediction_sets(y_prob[700:], threshold)
    >>> sets.shape
    (897, 10)
    >>> table = coverage_table(y_rest[700:], sets, labels=labels)
    >>> table.low < 0.9 < table.high
    True
    """
    codes, known = check_known_labels(y_true, labels)
    if (codes < 0).any():
        lacking = sorted(set(np.asarray(y_true, dtype=object).ravel()) - set(known))
        raise ValueError(f"labels lacks classes that y_true has: {lacking}: no set can hold them.")
    prob = check_probabilities(y_prob, len(codes), len(known))
    lots = _draw_lots(len(prob), randomized, random_state)
    scores = _scores(prob, lots, method, penalty, n_free)[np.arange(len(codes)), codes]
    if class_conditional:
        parts = [scores[codes == code] for code in range(len(known))]
    else:
        parts = [scores] * len(known)
    return ConformalThreshold(
        labels=np.asarray(known),
        threshold=np.array([_quantile(part, coverage) for part in parts]),
        n_samples=np.array([len(part) for part in parts]),
        coverage=float(coverage),
        method=method,
        class_conditional=class_conditional,
        randomized=randomized,
        penalty=float(penalty),
        n_free=int(n_free),
    )


@validated(
    {
        "y_prob": ["array-like"],
        "threshold": [ConformalThreshold],
        "random_state": ["random_state"],
    }
)
def prediction_sets(
    y_prob: ArrayLike,
    threshold: ConformalThreshold,
    *,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray[np.bool_]:
    """Name the classes that each sample may be of.

    Parameters
    ----------
    y_prob : array-like of shape (n_samples, n_labels)
        Probabilities by the classifier that the threshold was learnt for.
    threshold : ConformalThreshold
        What :func:`conformal_threshold` gave.
    random_state : int, RandomState instance or None, default=None
        Makes the random parts of ``"aps"`` and ``"raps"`` repeatable. They must not be those
        that the threshold was learnt with: pass another seed, or one RandomState to both.

    Returns
    -------
    sets : ndarray of shape (n_samples, n_labels), dtype=bool
        Whether each class is in the set of each sample; ``labels[sets[0]]`` are those of the
        first. Sets may be empty.

    Raises
    ------
    ValueError
        If rows of `y_prob` are no probabilities of as many classes.

    See Also
    --------
    conformal_threshold : Learn the threshold.
    coverage_table : How often sets hold the true class, and how large they are.

    Examples
    --------
    >>> from skglitch.metrics import conformal_threshold, prediction_sets
    >>> y_true = ["Blip", "Blip", "Tomte", "Tomte"]
    >>> y_prob = [[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.45, 0.55]]
    >>> threshold = conformal_threshold(y_true, y_prob, labels=["Blip", "Tomte"], coverage=0.8)
    >>> prediction_sets([[0.95, 0.05], [0.5, 0.5]], threshold)  # 0.55 and more are in
    array([[ True, False],
           [False, False]])
    """
    prob = check_probabilities(y_prob, len(np.asarray(y_prob)), len(threshold.labels))
    lots = _draw_lots(len(prob), threshold.randomized, random_state)
    scores = _scores(prob, lots, threshold.method, threshold.penalty, threshold.n_free)
    return scores <= threshold.threshold


@validated({"y_prob": ["array-like"], "k": [Interval(Integral, 1, None, closed="left")]})
def top_k_sets(y_prob: ArrayLike, k: int) -> NDArray[np.bool_]:
    """Name the k most probable classes of each sample.

    Parameters
    ----------
    y_prob : array-like of shape (n_samples, n_labels)
        Probabilities or other scores, higher for likelier classes.
    k : int
        How many classes to name, at least 1. All are named if there are no more.

    Returns
    -------
    sets : ndarray of shape (n_samples, n_labels), dtype=bool
        Whether each class is in the set of each sample. Of equals the first are named.

    Raises
    ------
    ValueError
        If `y_prob` is no table, or `k` is below 1.

    See Also
    --------
    prediction_sets : Sets as large as they need be.
    top_k_table : How often the true class is among the first k.

    Examples
    --------
    >>> from skglitch.metrics import top_k_sets
    >>> top_k_sets([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]], k=2)
    array([[ True,  True, False],
           [False,  True,  True]])
    """
    scores = np.asarray(y_prob)
    if scores.ndim != 2:
        raise ValueError(f"y_prob must have one column a class, got shape {scores.shape}.")
    return _ranks(scores) < k


def _ranks(prob: NDArray[Any]) -> NDArray[np.intp]:
    """Position of each class among those of its sample, 0 for the most probable."""
    order = np.argsort(-prob, axis=1, kind="stable")
    return np.argsort(order, axis=1)


def _draw_lots(
    n_samples: int, randomized: bool, random_state: int | np.random.RandomState | None
) -> NDArray[np.float64]:
    """Which part of its own probability counts into the score of a class, for each sample."""
    if not randomized:
        return np.ones(n_samples)
    return check_random_state(random_state).uniform(size=n_samples)


def _scores(
    prob: NDArray[np.float64], lots: NDArray[np.float64], method: str, penalty: float, n_free: int
) -> NDArray[np.float64]:
    """Score of every class of every sample, lower for those to name first."""
    if method == "lac":
        return 1 - prob
    ranks = _ranks(prob)
    order = np.argsort(ranks, axis=1)
    summed = np.take_along_axis(prob, order, axis=1).cumsum(axis=1)
    scores = np.take_along_axis(summed, ranks, axis=1) - (1 - lots[:, np.newaxis]) * prob
    if method == "raps":
        scores += penalty * np.maximum(0, ranks + 1 - n_free)
    return scores


def _quantile(scores: NDArray[np.float64], coverage: float) -> float:
    # Rounded, as 0.9 * 10 must not become 10 by an error in the last bit.
    rank = math.ceil(round((len(scores) + 1) * coverage, 9))
    return math.inf if rank > len(scores) else float(np.partition(scores, rank - 1)[rank - 1])
