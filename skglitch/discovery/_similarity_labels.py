"""What a similarity index knows of its glitches: ids, times and detectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
        If a length differs, or ids are neither strings nor integers.
    """
    names = np.arange(n_before, n_before + n_samples) if ids is None else _as_ids(ids)
    when = np.full(n_samples, np.nan) if times is None else np.asarray(times, dtype=np.float64)
    where = np.asarray("" if detectors is None else detectors, dtype=str)
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
    values = np.asarray(ids)
    # An array of both would turn integers into strings without a word.
    kinds = {isinstance(value, str) for value in np.asarray(ids, dtype=object).ravel()}
    if kinds == {True}:
        return values.astype(str)
    if kinds == {False} and values.dtype.kind in "iu":
        return values.astype(np.int64)
    raise ValueError("ids must all be strings or all be integers.")


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
