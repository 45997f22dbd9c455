"""Precision, recall and F1 of each class."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import precision_recall_fscore_support
from sklearn.utils._param_validation import Options

from .._text import TextTable, align, percent
from .._validation import (
    check_labels,
    check_length,
    check_same_kind,
    check_unique,
    encode_labels,
    validated,
)


class Averages(NamedTuple):
    """Precision, recall and F1 averaged over classes.

    Examples
    --------
    >>> from skglitch.metrics import classification_table
    >>> classification_table(["Blip", "Blip", "Chirp"], ["Blip", "Chirp", "Chirp"]).macro.recall
    0.75
    """

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class ClassificationTable(TextTable):
    """Scores of each class and their averages, made by :func:`classification_table`.

    ``print`` shows it as a table in percent, ``to_dict`` gives it to other tools.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
        The classes.
    precision : ndarray of shape (n_labels,), dtype=float64
        Of the samples predicted to be of a class, the fraction that is.
    recall : ndarray of shape (n_labels,), dtype=float64
        Of the samples of a class, the fraction predicted to be.
    f1 : ndarray of shape (n_labels,), dtype=float64
        The harmonic mean of precision and recall.
    support : ndarray of shape (n_labels,), dtype=int64
        The number of samples of each class.
    accuracy : float
        The fraction of samples predicted correctly.
    macro : Averages
        Precision, recall and F1 averaged over the classes, each counting the same.
    weighted : Averages
        The same with each class counting as many times as it has samples.

    See Also
    --------
    classification_table : Compute it.

    Examples
    --------
    >>> from skglitch.metrics import classification_table
    >>> table = classification_table(["Blip", "Blip", "Chirp"], ["Blip", "Chirp", "Chirp"])
    >>> table.recall, table.support
    (array([0.5, 1. ]), array([2, 1]))
    """

    labels: NDArray[Any]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]
    accuracy: float
    macro: Averages
    weighted: Averages

    @property
    def perfect(self) -> list[Any]:
        """Classes with samples, all found and with no other sample among them."""
        is_perfect = (self.precision == 1) & (self.recall == 1) & (self.support > 0)
        return self.labels[is_perfect].tolist()

    def __str__(self) -> str:
        n_samples = str(self.support.sum())
        rows = [["class", "precision [%]", "recall [%]", "F1 [%]", "support"]]
        scores = zip(self.precision, self.recall, self.f1, strict=True)
        for label, values, support in zip(self.labels, scores, self.support, strict=True):
            rows.append([str(label), *map(percent, values), str(support)])
        rows.append([""] * 5)
        rows.append(["macro average", *map(percent, self.macro), n_samples])
        rows.append(["weighted average", *map(percent, self.weighted), n_samples])
        perfect = ", ".join(map(str, self.perfect)) or "none"
        return (
            f"{align(rows, left=[0])}\n\n"
            f"Accuracy: {percent(self.accuracy)} %\n"
            f"Perfect classes ({len(self.perfect)} of {len(self.labels)}): {perfect}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the table as plain Python values.

        Returns
        -------
        table : dict
            Under ``"classes"`` lists by column, fit for ``pandas.DataFrame``; then
            ``"accuracy"``, ``"macro"``, ``"weighted"`` and ``"perfect"``.
        """
        columns = ("labels", "precision", "recall", "f1", "support")
        return {
            "classes": {name: getattr(self, name).tolist() for name in columns},
            "accuracy": self.accuracy,
            "macro": self.macro._asdict(),
            "weighted": self.weighted._asdict(),
            "perfect": self.perfect,
        }


@validated(
    {
        "y_true": ["array-like"],
        "y_pred": ["array-like"],
        "labels": ["array-like", None],
        "zero_division": [Options(Real, {0.0, 1.0}), "nan"],
    }
)
def classification_table(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    zero_division: float = 0.0,
) -> ClassificationTable:
    """Tabulate precision, recall and F1 of each class, and name the perfect classes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers.
    y_pred : array-like of shape (n_samples,)
        Predicted labels, of the same kind.
    labels : array-like of shape (n_labels,), default=None
        The classes to list, in this order. They must cover `y_true` and `y_pred`, and
        may have others. With None all that are in either are listed, sorted.
    zero_division : {0.0, 1.0, np.nan}, default=0.0
        The precision of a class never predicted and the recall of a class without
        samples. With NaN such values are left out of the averages.

    Returns
    -------
    table : ClassificationTable
        Fields `labels`, `precision`, `recall`, `f1`, `support`, `accuracy`, `macro`,
        `weighted` and `perfect`.

    Raises
    ------
    ValueError
        If `labels` lacks a class or names one twice, if lengths differ, if labels are
        missing, or numbers here and strings there.

    See Also
    --------
    top_k_table : Top-1 to top-k accuracy with confidence intervals.
    sklearn.metrics.classification_report : Scikit-learn's text report.

    Notes
    -----
    A class in `labels` with no samples counts in the macro average with `zero_division`:
    as 0 by default. Pass NaN where some classes are meant to be absent.

    A class is perfect if precision and recall are both 1 and it has samples.

    Examples
    --------
    >>> from skglitch.metrics import classification_table
    >>> y_true = ["Blip", "Blip", "Chirp", "Whistle", "Whistle"]
    >>> y_pred = ["Blip", "Blip", "Whistle", "Whistle", "Whistle"]
    >>> table = classification_table(y_true, y_pred)
    >>> table.perfect
    ['Blip']
    >>> print(table)
    class             precision [%]  recall [%]  F1 [%]  support
    Blip                     100.00      100.00  100.00        2
    Chirp                      0.00        0.00    0.00        1
    Whistle                   66.67      100.00   80.00        2
    <BLANKLINE>
    macro average             55.56       66.67   60.00        5
    weighted average          66.67       80.00   72.00        5
    <BLANKLINE>
    Accuracy: 80.00 %
    Perfect classes (1 of 3): Blip
    """
    true, predicted = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
    check_length("y_pred", len(predicted), len(true))
    check_same_kind(y_true=true, y_pred=predicted)
    classes = _check_classes(labels, true, predicted)
    # Encoded labels spare scikit-learn's ideas of what labels may be (no object ints).
    codes = encode_labels(true, classes), encode_labels(predicted, classes)
    options = {"labels": np.arange(len(classes)), "zero_division": zero_division}
    precision, recall, f1, support = precision_recall_fscore_support(*codes, **options)
    macro, weighted = (
        Averages(*map(float, precision_recall_fscore_support(*codes, average=name, **options)[:3]))
        for name in ("macro", "weighted")
    )
    return ClassificationTable(
        labels=np.asarray(classes),
        precision=precision,
        recall=recall,
        f1=f1,
        support=support,
        accuracy=float(np.mean(codes[0] == codes[1])),
        macro=macro,
        weighted=weighted,
    )


def _check_classes(labels: ArrayLike | None, true: list[Any], predicted: list[Any]) -> list[Any]:
    present = set(true) | set(predicted)
    if labels is None:
        return sorted(present)
    classes = check_labels(labels, "labels")
    check_same_kind(y_true=true, labels=classes)
    check_unique(classes, "labels")
    lacking = sorted(present - set(classes))
    if lacking:
        raise ValueError(f"labels lacks classes that y_true or y_pred has: {lacking}.")
    return classes
