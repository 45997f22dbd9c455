"""What a similarity index knows of its glitches: ids, times and detectors."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._labels import as_labels
from .._validation import check_gps


class GlitchLabels(NamedTuple):
    """Ids, GPS times in s and detectors of the same glitches, each an array."""

    ids: NDArray[Any]
    times: NDArray[np.float64]
    detectors: NDArray[np.str_]


def check_labels(
    n_samples: int,
    n_before: int,
    ids: ArrayLike | None,
    times: ArrayLike | None,
    detectors: ArrayLike | None,
) -> GlitchLabels:
    """Check what is given, and make up what is not.

    Parameters
    ----------
    n_samples : int
        Number of glitches.
    n_before : int
        Number of glitches that are there already: ids go on from it.
    ids, times, detectors : array-like of shape (n_samples,) or None
        As in ``SimilarityIndex.fit``.

    Returns
    -------
    labels : GlitchLabels

    Raises
    ------
    ValueError
        If a length differs, ids are neither strings nor integers, or times are no GPS times.
    """
    names = np.arange(n_before, n_before + n_samples) if ids is None else _as_ids(ids)
    when = np.full(n_samples, np.nan) if times is None else check_gps(times, "times")
    where = _as_detectors("" if detectors is None else detectors)
    if where.ndim == 0:
        where = np.repeat(where, n_samples)
    for name, values in {"ids": names, "times": when, "detectors": where}.items():
        if values.shape != (n_samples,):
            raise ValueError(f"{name} has shape {values.shape}, but X has {n_samples} samples.")
    return GlitchLabels(names, when, where)


def join_labels(old: GlitchLabels, new: GlitchLabels) -> GlitchLabels:
    """Labels of the glitches that are there and of those that come to them.

    Parameters
    ----------
    old, new : GlitchLabels
        What to join.

    Returns
    -------
    labels : GlitchLabels

    Raises
    ------
    ValueError
        If some ids are strings and some integers.
    """
    if (old.ids.dtype.kind == "U") != (new.ids.dtype.kind == "U"):
        raise ValueError(
            f"ids must all be strings or all be integers: {new.ids[0].item()!r} is to be added "
            f"where {old.ids[0].item()!r} is."
        )
    return GlitchLabels(*(np.concatenate(pair) for pair in zip(old, new, strict=True)))


def _as_ids(ids: ArrayLike) -> NDArray[Any]:
    # An array of both would turn integers into strings without a word.
    values = np.asarray(ids, dtype=object)
    kinds = {_kind_of_id(value) for value in values.ravel()}
    if kinds == {"string"}:
        return values.astype(str)
    if kinds != {"integer"}:
        raise ValueError("ids must all be strings or all be integers.")
    if values.max() > np.iinfo(np.int64).max:
        # It would come back as another number.
        raise ValueError(
            f"ids must be strings or integers below 2**63, got {values.max()}: give strings."
        )
    return values.astype(np.int64)


def _kind_of_id(value: Any) -> str:
    if isinstance(value, str):
        return "string"
    return "integer" if _is_number(value) and isinstance(value, Integral) else "other"


def _as_detectors(detectors: ArrayLike) -> NDArray[np.str_]:
    # Of objects, since asarray(["H1", nan]) would silently turn the number into a string.
    values = np.asarray(detectors, dtype=object)
    # pandas.NA is not even equal to itself.
    named = [
        "" if one is None or (one == one) is not True else str(one)
        for one in as_labels(values.ravel(), "detectors")
    ]
    return np.array(named, dtype=str).reshape(values.shape)


def check_unique(ids: NDArray[Any]) -> None:
    """Refuse ids that name two glitches.

    Parameters
    ----------
    ids : ndarray
        Strings or integers.

    Raises
    ------
    ValueError
        If there are such.
    """
    names, counts = np.unique(ids, return_counts=True)
    twice = names[counts > 1]
    if len(twice):
        raise ValueError(
            f"Each glitch needs an id of its own; {len(twice)} are there more than once, such as "
            f"{twice[0].item()!r}."
        )


def row_of(ids: NDArray[Any], id_: Any) -> int:
    """Find a glitch by its id.

    Parameters
    ----------
    ids : ndarray
        Strings or integers.
    id_ : str or int

    Returns
    -------
    row : int

    Raises
    ------
    KeyError
        If there is no such glitch.
    """
    # As arrays, NumPy would compare a string with numbers, or a number with strings, oddly; and
    # Python takes True for 1.
    is_string = isinstance(id_, str)
    if is_string == (ids.dtype.kind == "U") and (is_string or _is_number(id_)):
        (rows,) = np.nonzero(ids == id_)
        if len(rows):
            return int(rows[0])
    shown = id_.item() if isinstance(id_, np.generic) else id_
    raise KeyError(f"There is no glitch {shown!r} in the index; ids are as {ids[0].item()!r}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def passing(
    labels: GlitchLabels,
    time_range: tuple[float, float] | None,
    detectors: str | list[str] | None,
) -> NDArray[np.intp] | None:
    """Find the glitches that pass filters.

    Parameters
    ----------
    labels : GlitchLabels
    time_range, detectors : object
        As in ``SimilarityIndex.search``.

    Returns
    -------
    rows : ndarray of shape (n_passing,) or None
        None without filters.

    Raises
    ------
    ValueError
        If a filter is for what the index was not told, or is none.
    """
    if time_range is None and detectors is None:
        return None
    passes = np.ones(len(labels.ids), dtype=bool)
    if time_range is not None:
        start, end = _check_range(time_range)
        if np.isnan(labels.times).all():
            raise ValueError("time_range needs times: give them to fit.")
        passes &= (labels.times >= start) & (labels.times < end)
    if detectors is not None:
        wanted = _check_wanted(detectors)
        known = set(labels.detectors.tolist())
        unknown = sorted(wanted - known)
        if unknown:
            raise ValueError(
                f"detectors={detectors!r}: there are no glitches of {unknown}, only of "
                f"{sorted(known - {''})}."
            )
        passes &= np.isin(labels.detectors, list(wanted))
    return np.flatnonzero(passes)


def _check_range(time_range: tuple[float, float]) -> tuple[float, float]:
    try:
        start, end = map(float, time_range)
    except (TypeError, ValueError):
        start = end = np.nan
    if not start < end:
        raise ValueError(
            f"time_range must be two GPS times in s, the first the lower, got {time_range!r}."
        )
    return start, end


def _check_wanted(detectors: Any) -> set[str]:
    wanted = [detectors] if isinstance(detectors, str) else detectors
    if not isinstance(wanted, Iterable) or not all(isinstance(one, str) for one in wanted):
        raise ValueError(f"detectors must be a string or a list of strings, got {detectors!r}.")
    return set(map(str, wanted))
