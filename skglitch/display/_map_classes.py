"""Which glitches on a map are of which class, and how each class looks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._labels import as_labels, is_labeled
from ._axes import GREY, color_and_marker
from ._columns import check_column, text_of

# What clustering calls samples in no cluster.
_NO_CLUSTER = -1
IN_GREY = {"color": GREY, "marker": ".", "linewidths": 0}


class MapClasses(NamedTuple):
    """Classes on a map.

    Attributes
    ----------
    codes : ndarray of shape (n_samples,)
        The number of the class of each glitch; -1 for those without a label.
    names : list of str
        Of the classes, in their order.
    is_colored : list of bool
        Which classes have a color; all others are gray.
    looks : list of dict
        How each is drawn, as options of matplotlib.
    unlabeled : str
        What to call glitches without a label.
    """

    codes: NDArray[np.intp]
    names: list[str]
    is_colored: list[bool]
    looks: list[dict[str, Any]]
    unlabeled: str


def find_classes(labels: ArrayLike | None, n_samples: int, highlight: Any) -> MapClasses:
    """Sort glitches into classes.

    Parameters
    ----------
    labels : array-like of shape (n_samples,) or None
        Without a label are those that :func:`skglitch._labels.is_labeled` says.
        None makes one class of all.
    n_samples : int
    highlight : label, list of labels or None
        The classes to color. None colors all.

    Returns
    -------
    classes : MapClasses

    Raises
    ------
    ValueError
        If labels are not as many, some are strings and some are numbers, or one to highlight is
        not among them.
    """
    if labels is None:
        if highlight is not None:
            raise ValueError(f"highlight={highlight!r} needs labels, which are None.")
        return MapClasses(np.zeros(n_samples, np.intp), ["all"], [True], [_look(0)], "")
    values = check_column(labels, "labels", n_samples)
    is_known = is_labeled(values)
    known = [value for value, there in zip(values, is_known, strict=True) if there]
    try:
        found = sorted(set(known))
    except TypeError as error:
        kinds = sorted({type(value).__name__ for value in known})
        raise ValueError(
            f"labels hold {' and '.join(kinds)}, which have no order: pass all as strings, or all "
            "as numbers."
        ) from error
    number_of = {value: number for number, value in enumerate(found)}
    codes = np.full(n_samples, -1)
    codes[is_known] = [number_of[value] for value in known]
    chosen = found if highlight is None else _check_highlight(highlight, found)
    # From the second look on, which is orange, where few stand out from gray.
    first = int(highlight is not None)
    looks = {value: _look(first + number) for number, value in enumerate(chosen)}
    marks = [value for value, there in zip(values, is_known, strict=True) if not there]
    only_clusters = all(isinstance(mark, int | float) and mark == _NO_CLUSTER for mark in marks)
    return MapClasses(
        codes,
        [text_of(value) for value in found],
        [value in looks for value in found],
        [looks.get(value, IN_GREY) for value in found],
        "in no cluster" if only_clusters else "unlabeled",
    )


def _look(number: int) -> dict[str, Any]:
    # A rim parts markers that overlap, whose shapes would run together.
    return {**color_and_marker(number), "edgecolors": "white", "linewidths": 0.4}


def _check_highlight(highlight: Any, found: list[Any]) -> list[Any]:
    is_one = isinstance(highlight, str) or np.ndim(highlight) == 0
    chosen = as_labels([highlight] if is_one else highlight, "highlight")
    for label, is_class in zip(chosen, is_labeled(chosen), strict=True):
        if not is_class:
            raise ValueError(f"highlight={label!r} stands for no label: such glitches stay gray.")
        if label not in found:
            raise ValueError(f"highlight={label!r} is not among the labels.")
    return chosen
