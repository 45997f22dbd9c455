"""Probabilities of classes, as classifiers give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._similarity_search import check_embeddings

# Sums of float32 and of written-out digits miss 1 by less.
_ROUNDING = 1e-3


def check_probabilities(values: ArrayLike) -> NDArray[np.float64]:
    """Give probabilities as an array, a row for each sample and a column for each class.

    Parameters
    ----------
    values : array-like of shape (n_samples, n_classes)

    Returns
    -------
    probabilities : ndarray of shape (n_samples, n_classes)

    Raises
    ------
    ValueError
        If there is one column, NaN, numbers below 0, or rows that do not sum to 1.
    """
    table = check_embeddings(values, "probabilities").astype(np.float64)
    if table.shape[1] < 2:
        raise ValueError(
            f"probabilities must have a column for each class, got shape {table.shape}."
        )
    wrong = (table < 0).any(axis=1) | (np.abs(table.sum(axis=1) - 1) > _ROUNDING)
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise ValueError(
            f"probabilities must be at least 0 and sum to 1 in each row; row {rows[0]} is "
            f"{table[rows[0]].tolist()}. scipy.special.softmax(..., axis=1) turns logits into "
            "probabilities."
        )
    return table


def named_columns(values: Any) -> list[Any] | None:
    """Give the names of the columns of a data frame; None of anything else.

    Columns that are numbered from 0 on, as pandas does where nobody names them, have no names.
    """
    columns = getattr(values, "columns", None)
    if columns is None:
        return None
    names = list(columns)
    return None if names == list(range(len(names))) else names


def classes_of_columns(values: Any, labels: Sequence[Any]) -> list[Any] | None:
    """Take the classes of probabilities from the names of their columns.

    Parameters
    ----------
    values : array-like or data frame
        Probabilities.
    labels : sequence
        The classes that there are, each once.

    Returns
    -------
    classes : list or None
        None where columns have no names.

    Raises
    ------
    ValueError
        If the names are not those of the labels.
    """
    names = named_columns(values)
    if names is None:
        return None
    if len(names) != len(labels) or set(names) != set(labels):
        raise ValueError(
            f"probabilities has the columns {names}, but the labels are {sorted(labels)}: give the "
            "class of each column as classes."
        )
    return names


def check_order(values: Any, classes: Sequence[Any]) -> None:
    """Refuse classes that are the names of columns in another order.

    Parameters
    ----------
    values : array-like or data frame
        Probabilities.
    classes : sequence
        What the columns are said to be.

    Raises
    ------
    ValueError
        If so.
    """
    names = named_columns(values)
    if names is not None and set(names) == set(classes) and names != list(classes):
        raise ValueError(
            f"classes is {list(classes)}, but the columns of probabilities are named {names}: "
            "leave classes out, or give the columns in that order."
        )
