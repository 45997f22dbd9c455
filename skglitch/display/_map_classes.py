"""Classes of the glitches on a map, and their colors and markers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._labels import as_labels, is_labeled
from ._axes import GRAY, color_and_marker

# The label of noise in clusterings.
_NOISE = -1
UNLABELED_STYLE = {"color": GRAY, "marker": ".", "linewidths": 0}
# Larger floats are always whole.
_LARGEST_WHOLE = 2.0**53


class MapClasses(NamedTuple):
    """Classes on a map.

    Attributes
    ----------
    codes : ndarray of shape (n_samples,)
        The number of the class of each glitch; -1 without a label.
    names : list of str
        The names of the classes.
    is_colored : list of bool
        Which classes have a color; all others are gray.
    styles : list of dict
        The style of each class, as options of matplotlib.
    unlabeled : str
        The name of glitches without a label.
    """

    codes: NDArray[np.intp]
    names: list[str]
    is_colored: list[bool]
    styles: list[dict[str, Any]]
    unlabeled: str


def find_classes(labels: ArrayLike | None, n_samples: int, highlight: Any) -> MapClasses:
    """Find the classes of labels; None makes one class of all glitches.

    Raises
    ------
    ValueError
        If there is not one label per glitch, labels are strings and numbers, or a highlighted
        class does not occur.
    """
    if labels is None:
        if highlight is not None:
            raise ValueError(f"highlight={highlight!r} needs labels, which are None.")
        return MapClasses(np.zeros(n_samples, np.intp), ["all"], [True], [_style(0)], "")
    values = check_column(labels, "labels", n_samples)
    is_known = is_labeled(values)
    known = [value for value, flag in zip(values, is_known, strict=True) if flag]
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
    colored = found if highlight is None else _check_highlight(highlight, found)
    # Highlighted classes start with the second color, orange, which stands out from gray.
    first = int(highlight is not None)
    styles = {value: _style(first + number) for number, value in enumerate(colored)}
    missing = [value for value, flag in zip(values, is_known, strict=True) if not flag]
    is_noise = all(isinstance(value, int | float) and value == _NOISE for value in missing)
    return MapClasses(
        codes,
        [format_value(value) for value in found],
        [value in styles for value in found],
        [styles.get(value, UNLABELED_STYLE) for value in found],
        "in no cluster" if is_noise else "unlabeled",
    )


def _style(number: int) -> dict[str, Any]:
    # A white edge separates markers that overlap.
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


def check_column(values: ArrayLike, name: str, n_samples: int) -> list[Any]:
    """Convert one value per glitch to a list of Python values, or refuse another number."""
    shape = np.shape(np.asarray(values, dtype=object))
    if shape not in ((n_samples,), (n_samples, 1)):
        raise ValueError(
            f"{name} has shape {shape}, but there are {n_samples} glitches on the map: pass one "
            "value per glitch."
        )
    return as_labels(values, name)


def is_whole(value: Any) -> bool:
    """Return whether a value is a float that is an integer, as in integer columns with gaps.

    Examples
    --------
    >>> from skglitch.display._map_classes import is_whole
    >>> [is_whole(value) for value in (3.0, 3.5, 1e300, float("inf"), "Blip")]
    [True, False, False, False, False]
    """
    return isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE


def format_value(value: Any) -> str:
    """Convert a value to text, floats that are whole to integers."""
    return str(int(value)) if is_whole(value) else str(value)
