"""Plain values as JSON and back, with nothing lost and nothing run.

JSON has no tuples, arrays or paths, and only strings as keys. What it lacks is written as an
object with one key that starts with ``$``; which such objects there are is a closed list, so
that a file cannot name code to run.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .._training import PixelScale, SpectrogramAugment

# Booleans, integers, floats, strings and objects, whose items are looked at one by one.
_ARRAY_KINDS = "biufUO"


class NotPlainError(TypeError):
    """A value that has no place in a file without pickle."""


def encode(value: Any) -> Any:
    """Turn a value into what :func:`json.dumps` writes without loss.

    Parameters
    ----------
    value : object
        None, numbers, strings, lists, tuples, dicts, arrays, paths and devices, nested as
        you like; scales of pixels and :class:`~skglitch.estimators.SpectrogramAugment`. Numpy
        scalars become the numbers they hold.

    Returns
    -------
    encoded : object

    Raises
    ------
    NotPlainError
        For anything else.

    Examples
    --------
    >>> from skglitch.persistence._codec import decode, encode
    >>> encode({"views": (0.5, 1.0)})
    {'views': {'$tuple': [0.5, 1.0]}}
    >>> decode(encode({"views": (0.5, 1.0)}))
    {'views': (0.5, 1.0)}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        # JSON proper has no infinities and no NaN.
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return _encode_dict(value)
    for tag, (kind, to_json, _) in _TAGS.items():
        # A subclass would not come back as what it was. Paths and arrays may well do.
        if type(value) is kind or (kind in (Path, np.ndarray, tuple) and isinstance(value, kind)):
            return {tag: to_json(value)}
    if isinstance(value, os.PathLike):
        return {"$path": os.fspath(value)}
    raise NotPlainError(f"a {type(value).__name__} cannot be stored without pickle")


def decode(encoded: Any) -> Any:
    """Undo :func:`encode`.

    Raises
    ------
    ValueError
        If ``encoded`` is not what :func:`encode` returns.
    """
    if isinstance(encoded, list):
        return [decode(item) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    tag = next(iter(encoded), "")
    if not tag.startswith("$"):
        return {key: decode(item) for key, item in encoded.items()}
    if tag not in _TAGS or len(encoded) != 1:
        raise ValueError(f"it holds a value of the unknown kind {tag!r}")
    return _TAGS[tag][2](encoded[tag])


def _encode_dict(value: dict) -> Any:
    if all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {str(key): encode(item) for key, item in value.items()}
    return {"$dict": [[encode(key), encode(item)] for key, item in value.items()]}


def _decode_dict(pairs: list) -> dict:
    return {decode(key): decode(item) for key, item in pairs}


def _encode_array(array: np.ndarray) -> dict[str, Any]:
    if array.dtype.kind not in _ARRAY_KINDS:
        raise NotPlainError(f"an array of {array.dtype} cannot be stored without pickle")
    values = [encode(item) for item in array.ravel().tolist()]
    return {"dtype": array.dtype.str, "shape": list(array.shape), "values": values}


def _decode_array(fields: dict[str, Any]) -> np.ndarray:
    dtype = np.dtype(fields["dtype"])
    array = np.empty(len(fields["values"]), dtype=dtype)
    # Item by item: an array of objects would take items that are lists for another axis.
    for index, item in enumerate(fields["values"]):
        array[index] = decode(item)
    return array.reshape(fields["shape"])


def _encode_augment(augment: SpectrogramAugment) -> dict[str, Any]:
    names = inspect.signature(SpectrogramAugment).parameters
    return {name: encode(getattr(augment, name)) for name in names}


def _decode_augment(fields: dict[str, Any]) -> SpectrogramAugment:
    return SpectrogramAugment(**{name: decode(value) for name, value in fields.items()})


def _encode_items(items: tuple) -> list:
    return [encode(item) for item in items]


def _decode_tuple(items: list) -> tuple:
    return tuple(decode(item) for item in items)


def _encode_scale(scale: PixelScale) -> dict[str, Any]:
    return {name: encode(value) for name, value in asdict(scale).items()}


def _decode_scale(fields: dict[str, Any]) -> PixelScale:
    return PixelScale(**{name: decode(value) for name, value in fields.items()})


# What stands for what, how it is written and how it is read.
_TAGS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "$array": (np.ndarray, _encode_array, _decode_array),
    "$augment": (SpectrogramAugment, _encode_augment, _decode_augment),
    "$device": (torch.device, str, torch.device),
    "$dict": (dict, _encode_dict, _decode_dict),
    "$float": (float, repr, float),
    "$path": (Path, str, Path),
    "$scale": (PixelScale, _encode_scale, _decode_scale),
    "$tuple": (tuple, _encode_items, _decode_tuple),
}
