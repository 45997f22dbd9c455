"""The rule for missing labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length

UNLABELED = -1
# Strings that missing values become in arrays of numpy and pandas.
_MISSING_TEXTS = {"", "nan", "<na>", "nat"}
# Strings that other programs write for missing labels.
_MISSING_IN_FILES = {*_MISSING_TEXTS, "none", "-1", "-1.0"}


def is_labeled(
    y: ArrayLike, name: str = "y", *, minus_one_is_class: bool = False
) -> NDArray[np.bool_]:
    """Find the samples that have a label.

    Missing labels are None, NaN, pandas NA and NaT, also as strings, masked entries, blank strings,
    and -1 if all numbers are integers, unless `minus_one_is_class`, which scikit-learn requires of
    classifiers.
    """
    values = as_labels(y, name)
    labeled = np.array([not _is_missing(value) for value in values], dtype=bool)
    if minus_one_is_class:
        return labeled
    numbers = [value for value in values if _is_number(value) and not _is_missing(value)]
    if all(float(number).is_integer() for number in numbers):
        minus_one = [_is_number(value) and value == UNLABELED for value in values]
        labeled &= ~np.array(minus_one, dtype=bool)
    return labeled


def refuse_unlabeled(
    y: ArrayLike, name: str = "y", classes: Collection[Any] | None = None, hint: str = ""
) -> None:
    """Raise ValueError with the first row without a label, if there is one.

    -1 is a label if it is in `classes`, or, if these are None, if the labels are -1 and 1.
    """
    values = as_labels(y, name)
    labeled = is_labeled(values, minus_one_is_class=True)
    if classes is None:
        # scikit-learn requires classifiers to support these labels.
        found = {value for value, is_known in zip(values, labeled, strict=True) if is_known}
        classes = found if found == {UNLABELED, 1} else ()
    labeled &= is_labeled(values, minus_one_is_class=UNLABELED in classes)
    rows = np.flatnonzero(~labeled)
    if len(rows):
        raise ValueError(
            f"{name} has no label (None, NaN, '' or -1) for {len(rows)} of {len(labeled)} samples, "
            f"the first in row {rows[0]}: leave them out{hint}."
        )


def as_labels(y: ArrayLike, name: str = "y") -> list[Any]:
    """Convert labels to a list of Python values, with None for masked entries."""
    # dtype=object, as asarray(["a", 1]) converts the number to a string.
    array = np.asarray(y, dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.ravel()
    if array.ndim != 1:
        raise ValueError(f"{name} must hold one label per sample, got shape {array.shape}.")
    # Python values, as numpy scalars print as np.int64(3) in messages.
    values = [value.item() if isinstance(value, np.generic) else value for value in array]
    hidden = find_masked(y)
    is_hidden = np.zeros(len(values), dtype=bool) if hidden is None else hidden.ravel()
    return [
        None if is_masked or value is np.ma.masked else value
        for value, is_masked in zip(values, is_hidden, strict=True)
    ]


def strip_labels(values: Iterable[Any]) -> list[Any]:
    """Strip labels from a file, and replace missing ones by ""."""
    values = [v.decode(errors="replace") if isinstance(v, bytes) else v for v in values]
    labels = [value.strip() if isinstance(value, str) else value for value in values]
    return ["" if str(label).casefold() in _MISSING_IN_FILES else label for label in labels]


def find_masked(values: Any) -> NDArray[np.bool_] | None:
    """Find the entries that numpy or astropy mask, None if there are none."""
    # In pandas, mask is a method, and missing values are NA.
    mask = getattr(values, "mask", None)
    if not isinstance(mask, np.ndarray | np.bool_) or not np.any(mask):
        return None
    return np.broadcast_to(np.asarray(mask), np.shape(values))


def encode_labels(
    y: ArrayLike | None, n_samples: int, unlabeled: Any = None
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the sorted classes, and the code of each sample, -1 without a label."""
    codes = np.full(n_samples, UNLABELED)
    if y is None:
        return np.array([]), codes
    values = as_labels(y)
    check_consistent_length(np.empty((n_samples, 0)), values)
    labeled = is_labeled(values)
    marks = unlabeled if isinstance(unlabeled, list | tuple | set | np.ndarray) else [unlabeled]
    present = {value for value, is_class in zip(values, labeled, strict=True) if is_class}
    for mark in marks:
        if mark not in present and is_labeled([mark])[0]:
            listed = ", ".join(map(repr, sorted(present, key=str))) or "none"
            raise ValueError(f"unlabeled={mark!r} is not among the labels of y: {listed}.")
    present -= set(marks)
    classes = sort_labels(present)
    code_of = {label: code for code, label in enumerate(classes)}
    rows = [row for row in np.flatnonzero(labeled) if values[row] in present]
    codes[rows] = [code_of[values[row]] for row in rows]
    return np.array(classes), codes


def sort_labels(labels: Sequence[Any] | set[Any], name: str = "y") -> list[Any]:
    """Sort distinct labels, which must be all strings or all numbers."""
    try:
        return sorted(set(labels))
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in labels})
        raise ValueError(
            f"{name} must hold strings only or numbers only, found {' and '.join(kinds)}."
        ) from error


def _is_missing(value: Any) -> bool:
    if value is None or isinstance(value, str | bytes):
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        return text is None or text.strip().casefold() in _MISSING_TEXTS
    # NaN and NaT are not equal to themselves, and comparing pandas NA gives NA.
    return (value == value) is not True


def _is_number(value: Any) -> bool:
    return isinstance(value, Integral | Real) and not isinstance(value, bool)
