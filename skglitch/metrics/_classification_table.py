"""Precision, recall and F1 of each class."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_fscore_support
from sklearn.utils._param_validation import Options

from .._labels import UNLABELED
from .._validation import (
    check_labels,
    check_length,
    check_same_kind,
    check_unique,
    find_positions,
    validated,
)

if TYPE_CHECKING:
    import pandas as pd


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
) -> pd.DataFrame:
    """Tabulate precision, recall and F1 of each class, and their averages.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, strings or numbers.
    y_pred : array-like of shape (n_samples,)
        Predicted labels, of the same type.
    labels : array-like of shape (n_labels,), default=None
        The classes in the order of the table, including all classes in `y_true` and `y_pred`.
        By default, these classes in sorted order.
    zero_division : {0.0, 1.0, np.nan}, default=0.0
        The precision of a class that is never predicted and the recall of a class without
        samples. Averages exclude NaN, so use it if classes may be absent.

    Returns
    -------
    table : pandas.DataFrame
        The columns `precision`, `recall`, `f1` and `support` (the number of samples). The index
        `label` has the classes, then ``"accuracy"`` (the same in all three columns),
        ``"macro avg"`` and ``"weighted avg"``.

    Raises
    ------
    ValueError
        If `labels` lacks or repeats a class, lengths differ, or labels are missing or mixed.

    Examples
    --------
    >>> from skglitch.metrics import classification_table
    >>> y_true = ["Blip", "Blip", "Chirp", "Whistle", "Whistle"]
    >>> y_pred = ["Blip", "Blip", "Whistle", "Whistle", "Whistle"]
    >>> table = classification_table(y_true, y_pred)
    >>> print(table.round(3))
                  precision  recall    f1  support
    label
    Blip              1.000   1.000  1.00        2
    Chirp             0.000   0.000  0.00        1
    Whistle           0.667   1.000  0.80        2
    accuracy          0.800   0.800  0.80        5
    macro avg         0.556   0.667  0.60        5
    weighted avg      0.667   0.800  0.72        5
    """
    import pandas as pd

    classes = None if labels is None else check_labels(labels, "labels", {UNLABELED})
    true = check_labels(y_true, "y_true", classes)
    predicted = check_labels(y_pred, "y_pred", {UNLABELED})
    check_length("y_pred", len(predicted), len(true))
    check_same_kind(y_true=true, y_pred=predicted)
    present = set(true) | set(predicted)
    if classes is None:
        classes = sorted(present)
    else:
        check_same_kind(y_true=true, labels=classes)
        check_unique(classes, "labels")
        lacking = sorted(present - set(classes))
        if lacking:
            raise ValueError(f"labels lacks classes that y_true or y_pred has: {lacking}.")
    # Codes, as scikit-learn refuses some arrays of labels, such as integers as objects.
    codes = find_positions(true, classes), find_positions(predicted, classes)
    options: dict[str, Any] = {"labels": np.arange(len(classes)), "zero_division": zero_division}
    by_class, macro, weighted = (
        np.transpose(precision_recall_fscore_support(*codes, average=average, **options)[:3])
        for average in (None, "macro", "weighted")
    )
    accuracy = np.mean(codes[0] == codes[1])
    scores = np.vstack([by_class, [accuracy] * 3, macro, weighted])
    table = pd.DataFrame(scores, columns=["precision", "recall", "f1"], dtype=np.float64)
    support = np.bincount(codes[0], minlength=len(classes))
    table["support"] = np.append(support, [len(true)] * 3)
    table.index = pd.Index([*classes, "accuracy", "macro avg", "weighted avg"], name="label")
    return table
