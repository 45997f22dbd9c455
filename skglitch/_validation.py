"""Shared checks of parameters, labels, scores, GPS times and gaps in strain."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from datetime import date, time, timedelta
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import validate_params

from ._dask import refuse_dask
from ._labels import UNLABELED, as_labels, find_masked, is_labeled, refuse_unlabeled

F = TypeVar("F", bound=Callable[..., Any])

_CALENDAR = (date, time, timedelta, np.datetime64, np.timedelta64)
_BOOLEAN = (bool, np.bool_)
_USUAL = (float, int, type(None))
# Fraction of ``fftlength`` at gaps and ends in which find_triggers finds nothing. Strain is tapered
# over half of it, and whitening spreads the end of the taper.
LOST_AT_GAPS = 0.75
# Constant samples are a gap from this duration in s and number of samples on. Integer noise repeats
# a value for a few samples, and an integer wave with an amplitude of one step at 10 Hz, the lowest
# frequency of interest, for half a period, 0.05 s. Shorter runs of zeros outside the view change a
# signal-to-noise ratio of 16 in real strain by at most 1.
_SHORTEST_GAP, _FEWEST = 1 / 16, 32
_FROM_DATES = "astropy.time.Time(...).gps converts dates."


def validated(constraints: dict[str, Any]) -> Callable[[F], F]:
    """Check parameters by ``validate_params``, while keeping type hints, which it lacks."""
    decorator: Callable[[F], F] = validate_params(constraints, prefer_skip_nested_validation=True)
    return decorator


def check_labels(values: ArrayLike, name: str, classes: Collection[Any] | None = None) -> list[Any]:
    """Convert labels, all strings or all numbers, to a list of Python values.

    Missing labels are refused. -1 is a label if it is in `classes`.
    """
    labels = as_labels(values, name)
    if not labels:
        raise ValueError(f"{name} must hold one label per sample, got shape (0,).")
    refuse_unlabeled(labels, name, classes)
    kind_of_labels(labels, name)
    return labels


def check_seed(checkpoint: Any, random_state: Any) -> None:
    """Refuse a checkpoint without a seed."""
    if checkpoint is not None and not isinstance(random_state, Integral):
        raise ValueError(
            f"checkpoint={str(checkpoint)!r} needs random_state to be an integer, so that the same "
            f"numbers are drawn again, but random_state={random_state!r}."
        )


def check_known_labels(y_true: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.intp], list[Any]]:
    """Return the column of each true label, -1 if it is unknown, and the classes."""
    known = check_labels(labels, "labels", {UNLABELED})
    true = check_labels(y_true, "y_true", known)
    check_same_kind(y_true=true, labels=known)
    check_unique(known, "labels")
    return find_positions(true, known), known


def kind_of_labels(labels: Sequence[Any], name: str) -> str:
    """Return whether labels are "strings" or "numbers", and refuse others."""
    kinds = {_kind_of_type(kind) for kind in set(map(type, labels))}
    if len(kinds) > 1 or not kinds <= {"strings", "numbers"}:
        raise ValueError(
            f"{name} must hold strings only or numbers only, found {' and '.join(sorted(kinds))}."
        )
    return kinds.pop()


def _kind_of_type(kind: type) -> str:
    if issubclass(kind, str):
        return "strings"
    if issubclass(kind, Real | np.bool_):
        return "numbers"
    return kind.__name__


def check_same_kind(**named_labels: Sequence[Any]) -> None:
    """Refuse to compare strings with numbers, which are never equal."""
    kinds = {name: kind_of_labels(labels, name) for name, labels in named_labels.items()}
    if len(set(kinds.values())) > 1:
        found = ", ".join(
            f"{name} holds {kind} ({named_labels[name][0]!r}, ...)" for name, kind in kinds.items()
        )
        raise ValueError(f"Labels must be strings throughout or numbers throughout: {found}.")


def check_unique(labels: Sequence[Any], name: str) -> None:
    """Refuse repeated classes."""
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise ValueError(f"{name} must name each class once, found more than once: {repeated}.")


def check_length(name: str, length: int, n_samples: int) -> None:
    """Refuse an array that is longer or shorter than y_true."""
    if length != n_samples:
        raise ValueError(f"{name} has {length} samples, but y_true has {n_samples}.")


def order_columns(values: Any, labels: Sequence[Any], name: str) -> Any:
    """Put named columns in the order of classes, as an array; return other values unchanged."""
    columns = column_names(values)
    if columns is None:
        return values
    positions, classes = list(range(len(columns))), list(labels)
    # Default column numbers of pandas are ambiguous if they are also classes in another order.
    if columns == positions and (columns == classes or set(columns) != set(classes)):
        return values
    if columns == positions or len(columns) != len(classes) or set(columns) != set(classes):
        raise ValueError(
            f"{name} must have a column for each class, named {classes}, got {columns}. If only "
            "the names differ, pass the values as an array, in this order."
        )
    return np.column_stack([unmask(values[label]) for label in classes])


def column_names(values: Any) -> list[Any] | None:
    """Return the names of the columns of a table, None for an array without names."""
    fields = getattr(getattr(values, "dtype", None), "names", None)
    found = [fields, getattr(values, "column_names", None), getattr(values, "columns", None)]
    return next((list(names) for names in found if names is not None), None)


def unfold_views(X: Any) -> Any:
    """Convert a data frame of views from QTransformer to an array; return other X unchanged."""
    columns: Any = getattr(X, "columns", None)
    if getattr(columns, "nlevels", 1) != 3:
        return X
    shape = columns.remove_unused_levels().levshape
    if math.prod(shape) != len(columns):
        raise ValueError(
            f"X has {len(columns)} columns named by view, row and column, but {shape} of these."
        )
    return X.to_numpy().reshape(len(X), *shape)


def check_scores(
    y_score: ArrayLike, n_samples: int, labels: Sequence[Any], name: str = "y_score"
) -> NDArray[Any]:
    """Convert scores, which may be infinite, to an array of shape (n_samples, n_classes)."""
    try:
        scores = np.asarray(unmask(order_columns(y_score, labels, name)))
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(f"{name} must be a table: its rows differ in length.") from error
    if scores.ndim == 1 and len(labels) == 2:
        raise ValueError(
            f"{name} must have one column per label, got one score per sample. From probabilities "
            "p of the second label pass np.column_stack([1 - p, p]), from values d of a "
            "decision function np.column_stack([-d, d])."
        )
    if scores.ndim != 2 or scores.shape[1] != len(labels):
        raise ValueError(
            f"{name} must have one column for each of the {len(labels)} labels, "
            f"got shape {scores.shape}."
        )
    check_length(name, len(scores), n_samples)
    if scores.dtype.kind == "O":  # a data frame of mixed columns
        try:
            scores = scores.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} must hold real numbers, got objects.") from error
    if scores.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, got {scores.dtype}.")
    n_bad = int(np.isnan(scores).any(axis=1).sum())
    if n_bad:
        raise ValueError(f"{name} contains NaN in {n_bad} of {n_samples} samples.")
    return scores


def check_probabilities(
    y_prob: ArrayLike, n_samples: int, labels: Sequence[Any]
) -> NDArray[np.float64]:
    """Convert probabilities to float64; sums of rows may differ from 1 by 0.001."""
    prob = check_scores(y_prob, n_samples, labels, name="y_prob").astype(np.float64)
    wrong = (prob < 0).any(axis=1) | ~np.isclose(prob.sum(axis=1), 1, rtol=0, atol=1e-3)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            "y_prob must hold probabilities, at least 0 and with a sum of 1 in each row; row "
            f"{row} has the sum {prob[row].sum():.6g} and the minimum {prob[row].min():.6g}. "
            "scipy.special.softmax(y_prob, axis=1) turns logits into probabilities."
        )
    return prob


def find_positions(values: Sequence[Any], labels: Sequence[Any]) -> NDArray[np.intp]:
    """Find the position of each value in a list of classes, -1 if it is not in the list."""
    position = {label: index for index, label in enumerate(labels)}
    return np.array([position.get(value, -1) for value in values], dtype=np.intp)


def unmask(values: Any) -> Any:
    """Replace NA and masked values, which scikit-learn ignores, by NaN."""
    refuse_dask(values)
    if isinstance(values, list | tuple) and any(map(np.ma.isMaskedArray, values)):
        values = np.ma.stack(values)
    hidden = find_masked(values)
    if hidden is None and getattr(getattr(values, "dtype", None), "kind", "") == "O":
        values = np.asarray(values)
        hidden = np.reshape([_is_na(value) for value in values.ravel().tolist()], values.shape)
    if hidden is None or not hidden.any():
        return values
    filled = np.where(hidden, np.nan, np.asarray(values))
    return filled.astype(np.float64) if filled.dtype.kind == "O" else filled


def _is_na(value: Any) -> bool:
    # Comparisons with pandas.NA are not booleans.
    return value is None or not isinstance(value == value, _BOOLEAN)


def check_gps(values: ArrayLike, name: str = "gps") -> NDArray[np.float64]:
    """Convert GPS times in s to float64, with NaN for missing ones, in the same shape.

    Accepts objects that ``float`` converts, such as ``LIGOTimeGPS``, and quantities of astropy.
    Refuses dates, which numpy converts with another epoch, and floats with fewer than 64 bits.
    """
    hidden = find_masked(values)
    try:
        array = np.asarray(_to_seconds(values, name))
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(
            f"{name} must be GPS times in s, got rows that differ in length."
        ) from error
    narrow = [dtype for dtype in _find_dtypes(values) | _find_dtypes(array) if _is_narrow(dtype)]
    if narrow:
        raise ValueError(
            f"{name} must be GPS times in s with 64 bits, got {narrow[0]}: float32 rounds "
            "GPS times to 128 s, and float16 cannot hold them. Read them as float64."
        )
    if array.dtype.kind == "O":
        listed = array.ravel().tolist()
        found = next((value for value in listed if isinstance(value, _CALENDAR)), None)
        if found is not None:
            raise ValueError(f"{name} must be GPS times in s, got {found!r}. {_FROM_DATES}")
        filled = [np.nan if _is_na(value) else value for value in listed]
        array = np.array(filled, dtype=object).reshape(array.shape)
    if array.dtype.kind in "mM":
        raise ValueError(f"{name} must be GPS times in s, got {array.dtype}. {_FROM_DATES}")
    try:
        if array.dtype.kind == "c":
            raise TypeError
        # As objects, since converting strings takes fifty times their memory in NumPy.
        gps = (array.astype(object) if array.dtype.kind in "SU" else array).astype(np.float64)
    except (TypeError, ValueError) as error:
        shown = f"{array.ravel().tolist()[0]!r}, ..." if array.size else array.dtype
        raise ValueError(f"{name} must be GPS times in s, got {shown}. {_FROM_DATES}") from error
    if hidden is not None:
        gps[hidden] = np.nan
    return gps


def _to_seconds(values: Any, name: str) -> Any:
    """Convert astropy quantities and columns with a unit to numbers."""
    if isinstance(values, list | tuple):
        return [v if isinstance(v, _USUAL) else _to_seconds(v, name) for v in values]
    unit = getattr(values, "unit", None)
    if unit is None or not hasattr(values, "to"):
        return values
    try:
        return values.to("s" if str(unit) else "").value
    except (TypeError, ValueError) as error:  # astropy's error is both
        raise ValueError(f"{name} must be GPS times in s, got the unit {unit}.") from error


def _find_dtypes(values: Any) -> set[Any]:
    """Find the dtypes of an array, of the columns of a data frame, or of the items of a list."""
    # In a mixed list, numpy silently converts float32 to float64.
    found: Any = getattr(values, "dtypes", getattr(values, "dtype", None))
    if isinstance(values, np.ndarray) and values.dtype.kind == "O":
        values = values.ravel().tolist()
    items = values if isinstance(values, list | tuple) else ()
    return set(np.ravel(found).tolist()).union(
        *(_find_dtypes(v) for v in items if not isinstance(v, _USUAL))
    )


def _is_narrow(dtype: Any) -> bool:
    kind = getattr(dtype, "kind", "f" if getattr(dtype, "is_floating_point", False) else "")
    return kind == "f" and dtype.itemsize < 8


def check_ifo(values: ArrayLike, n_samples: int, name: str = "ifo") -> NDArray[np.str_]:
    """Return the interferometer of each sample, "" if unknown; a string is for all samples."""
    listed = [values] * n_samples if isinstance(values, str) else as_labels(values, name)
    if len(listed) != n_samples:
        raise ValueError(f"{name} has {len(listed)} values for {n_samples} samples.")
    ifo = [v if known else "" for v, known in zip(listed, is_labeled(listed), strict=True)]
    wrong = next((value for value in ifo if not isinstance(value, str)), None)
    if wrong is not None:
        raise ValueError(f'{name} must hold strings such as "H1", got {wrong!r}.')
    return np.array(ifo, dtype=str)


def check_segments(segments: Any, name: str = "segments") -> NDArray[np.float64]:
    """Check and sort pairs of start and end in GPS s, or the active ones of a DataQualityFlag."""
    pairs = check_gps(getattr(segments, "active", segments), name)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) == 0:
        raise ValueError(f"{name} must be pairs of start and end, got shape {pairs.shape}.")
    wrong = np.flatnonzero(~(np.isfinite(pairs).all(axis=1) & (pairs[:, 0] < pairs[:, 1])))
    if len(wrong):
        raise ValueError(
            f"{name} must be pairs of a start and a later end in GPS s; row {wrong[0]} is "
            f"{pairs[wrong[0]].tolist()}."
        )
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    for first, second in pairwise(pairs.tolist()):
        if second[0] < first[1]:
            raise ValueError(f"{name}: {first} and {second} overlap.")
    return pairs


def find_gaps(values: NDArray[Any], sample_rate: float) -> NDArray[np.bool_]:
    """Return a mask of the samples that are not finite, or constant for too long."""
    gaps = ~np.isfinite(values)
    n_fewest = max(_FEWEST, math.ceil(_SHORTEST_GAP * sample_rate))
    is_new = values[1:] != values[:-1]
    if len(values) - np.count_nonzero(is_new) >= n_fewest:
        changes = np.flatnonzero(is_new) + 1
        lengths = np.diff(changes, prepend=0, append=len(values))
        gaps |= np.repeat(lengths >= n_fewest, lengths)
    return gaps


def describe_gaps(values: NDArray[Any]) -> str:
    """Describe the samples in gaps."""
    if not np.isfinite(values).any():
        return "NaN"
    return f"NaN or a single value for {_SHORTEST_GAP:g} s or longer"
