"""Estimators as JSON and arrays, and back, with nothing lost and nothing run.

JSON has no tuples, arrays or objects. What it lacks is written as an object with one key that
starts with ``$``; which such keys there are is a closed list, so that a file cannot name code to
run. An object of a trusted type is its type and what ``__getstate__`` returns, which are its
attributes; they are set on a new object. Estimators with a net have ``_get_state`` and
``_from_state`` instead.
"""

from __future__ import annotations

import importlib
import inspect
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .._device import replace_missing
from .._training import SpectrogramAugment
from ._file import Arrays

# The types that a file may hold: nothing else is ever imported or made. These are what save takes.
ESTIMATORS = (
    "skglitch.estimators.CNNClassifier",
    "skglitch.estimators.TruncatedCNNTransformer",
    "skglitch.discovery.NewClassFinder",
    "skglitch.discovery.NoveltyDetector",
    "skglitch.discovery.SimilarityIndex",
)
# What these may consist of, besides the private classes of one room.
_PARTS = (
    "skglitch.estimators.SpectrogramAugment",
    "sklearn.decomposition.PCA",
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    "sklearn.frozen.FrozenEstimator",
    "sklearn.linear_model.LogisticRegression",
    "sklearn.neighbors.KNeighborsClassifier",
    "sklearn.neighbors.LocalOutlierFactor",
    "sklearn.neighbors.NearestNeighbors",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing.Normalizer",
    "sklearn.preprocessing.StandardScaler",
)
_PRIVATE = "skglitch.discovery._"
# Parameters that name a net; one that is not a name has to be given again.
_NET_PARAMETERS = ("backbone", "source")
# The only attribute that does not end in "_" among those that fit sets.
_OUTPUT_CONFIG = "_sklearn_output_config"


def find_type(name: str) -> Any:
    """Return the type of this name, or raise ValueError if a file may not hold it."""
    module, _, attribute = name.rpartition(".")
    is_private = name.startswith(_PRIVATE)
    if is_private or name in ESTIMATORS or name in _PARTS:
        try:
            found = getattr(importlib.import_module(module), attribute, None)
        except ImportError:
            found = None
        # Not what a private module has imported from elsewhere.
        if isinstance(found, type) and (not is_private or found.__module__ == module):
            return found
    raise ValueError(f"it holds a {name!r}, which is not one of the types that a file may hold")


def name_of(kind: type) -> str | None:
    """Return the name by which :func:`find_type` finds a type; None if a file cannot hold it."""
    public = [name for name in (*ESTIMATORS, *_PARTS) if name.endswith(f".{kind.__name__}")]
    for name in (*public, f"{kind.__module__}.{kind.__qualname__}"):
        try:
            if find_type(name) is kind:
                return name
        except ValueError:
            continue
    return None


class NotPlainError(TypeError):
    """A value that has no place in a file without pickle."""


class Writer:
    """Takes an estimator apart into what :func:`json.dumps` writes, and arrays by name."""

    def __init__(self) -> None:
        self.arrays: Arrays = {}
        self.dropped: list[str] = []  # predictions do not need it
        self.given: list[str] = []  # to be given again when the file is loaded
        # The objects are kept too: the identity of one that is gone may be that of another.
        self._names: dict[int, tuple[str, Any]] = {}

    def encode(self, value: Any, path: str = "") -> Any:
        """Turn a value into plain JSON; ``path`` says where it stands, in names and messages."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            # JSON proper has no infinities and no NaN.
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, np.generic):
            return {"$scalar": self._encode_array(np.asarray(value), path)}
        if isinstance(value, np.ndarray):
            return self._encode_array(np.asarray(value), path)
        if isinstance(value, torch.Tensor):
            # In the order of its axes: a net in channels-last layout has the same state dict.
            array = value.detach().cpu().contiguous().numpy()
            return {"$tensor": self._store(value, array, path)}
        if type(value) is list:
            return self._encode_items(value, path)
        if type(value) is tuple:
            return {"$tuple": self._encode_items(value, path)}
        if type(value) is dict:
            return self._encode_dict(value, path)
        if isinstance(value, torch.device):
            return {"$device": str(value)}
        if isinstance(value, os.PathLike):
            return {"$path": os.fspath(value)}
        if type(value).__name__ == "DataFrame":  # without importing pandas
            columns = [[name, str(item.dtype), item.to_numpy()] for name, item in value.items()]
            index = [value.index.name, value.index.to_numpy()]
            fields = {"columns": columns, "index": index, "attrs": value.attrs}
            return {"$frame": self._encode_dict(fields, path)}
        return self._encode_object(value, path)

    def _encode_items(self, items: Any, path: str) -> list[Any]:
        return [self.encode(item, f"{path}.{index}") for index, item in enumerate(items)]

    def _encode_dict(self, value: dict, path: str) -> Any:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: self.encode(item, f"{path}.{key}") for key, item in value.items()}
        return {"$dict": self._encode_items(value.items(), path)}

    def _encode_array(self, array: np.ndarray, path: str) -> Any:
        if array.dtype.kind in "UO":
            values = self._encode_items(array.ravel().tolist(), path)
            return {"$values": [array.dtype.str, list(array.shape), values]}
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise NotPlainError(f"{path}: an array of {array.dtype} cannot be stored")
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            # Sums in another order would differ in their last bits.
            return {"$transposed": self._store(array, array.T, path)}
        return {"$array": self._store(array, array, path)}

    def _store(self, value: Any, array: np.ndarray, path: str) -> str:
        if id(value) not in self._names:
            while path in self.arrays:
                path += "_"
            self._names[id(value)] = path, value
            array = array.astype(array.dtype.newbyteorder("="), copy=False)
            # A dimension less would come back, were it not for reshape.
            self.arrays[path] = np.ascontiguousarray(array).reshape(array.shape)
        return self._names[id(value)][0]

    def _encode_object(self, value: Any, path: str) -> dict[str, Any]:
        if id(value) in self._names:
            return {"$same": self._names[id(value)][0]}
        kind: Any = type(value)
        name = name_of(kind)
        if name is None:
            raise NotPlainError(f"{path}: a {kind.__name__} cannot be stored without pickle")
        if hasattr(kind, "_get_state"):
            state = self._encode_state(kind, value._get_state(), path)
        elif isinstance(value, SpectrogramAugment):
            names = inspect.signature(kind).parameters
            state = {key: self.encode(getattr(value, key), path) for key in names}
        else:
            params = inspect.signature(kind).parameters if hasattr(kind, "get_params") else {}
            state = {
                key: self._encode_param(params[key], item, f"{path}.{key}")
                if key in params
                else self.encode(item, f"{path}.{key}")
                for key, item in (kind.__getstate__(value) or {}).items()
                if key != "_metadata_request"  # of fit, which predictions do not need
            }
        self._names[id(value)] = path, value
        return {"$object": [name, path, state]}

    def _encode_state(self, kind: type, state: dict[str, Any], path: str) -> dict[str, Any]:
        """Encode what ``_get_state`` returned, but for what predictions do not need."""
        known = inspect.signature(kind).parameters
        encoded: dict[str, Any] = {}
        for key, value in state.items():
            name = f"{path}.{key}"
            if key == "params":
                encoded[key] = {
                    param: self._encode_param(known[param], item, f"{name}.{param}")
                    for param, item in value.items()
                }
            elif key == "history":
                encoded[key] = [self._encode_row(row, name) for row in value]
            else:
                encoded[key] = self.encode(value, name)
        return encoded

    def _try_encode(self, value: Any, path: str) -> Any:
        """Encode a value, or leave no trace of it."""
        arrays, names = dict(self.arrays), dict(self._names)
        try:
            return self.encode(value, path)
        except NotPlainError:
            self.arrays, self._names = arrays, names
            raise

    def _encode_param(self, parameter: inspect.Parameter, value: Any, path: str) -> Any:
        try:
            return self._try_encode(value, path)
        except NotPlainError:
            name = parameter.name
            if parameter.default is parameter.empty:
                raise
            if name in _NET_PARAMETERS:
                kind = getattr(value, "__name__", type(value).__name__)
                self.given.append(f"{name} ({kind})")
                return {"$given": [name, kind]}
            self.dropped.append(f"{name}={value!r:.80} (becomes {parameter.default!r})")
            return self.encode(parameter.default, path)

    def _encode_row(self, row: dict[str, Any], path: str) -> dict[str, Any]:
        """Leave out what a callback of the user's own wrote, if it is no plain value."""
        plain = {}
        for name, value in row.items():
            if name == "batches":
                plain[name] = [self._encode_row(batch, path) for batch in value]
                continue
            try:
                plain[name] = self._try_encode(value, path)
            except NotPlainError:
                self.dropped.append(f"the column {name!r} of history_")
        return plain


class Reader:
    """Puts an estimator together from what a :class:`Writer` made of it."""

    def __init__(self, arrays: Arrays, backbone: Any = None, device: Any = None) -> None:
        self.arrays = arrays
        self.backbone = backbone  # where the file has no name of one
        self.device = device  # replaces the one in the file
        self.used_backbone = False
        self.remarks: list[str] = []  # what came back otherwise than it was
        self._objects: dict[str, Any] = {}
        self._decoders: dict[str, Callable[[Any], Any]] = {
            "$array": self.arrays.__getitem__,
            "$device": torch.device,
            "$dict": lambda pairs: dict(map(self.decode, pairs)),
            "$float": float,
            "$frame": self._decode_frame,
            "$given": self._decode_given,
            "$object": lambda fields: self._decode_object(*fields),
            "$path": Path,
            "$same": lambda path: self._objects[path],
            "$scalar": lambda array: self.decode(array)[()],
            "$tensor": lambda name: torch.from_numpy(self.arrays[name]),
            "$transposed": lambda name: self.arrays[name].T,
            "$tuple": lambda items: tuple(map(self.decode, items)),
            "$values": lambda fields: self._decode_values(*fields),
        }

    def decode(self, encoded: Any) -> Any:
        """Undo :meth:`Writer.encode`, or raise ValueError if it did not write this."""
        if isinstance(encoded, list):
            return [self.decode(item) for item in encoded]
        if not isinstance(encoded, dict):
            return encoded
        tag = next(iter(encoded), "")
        if not tag.startswith("$"):
            return {key: self.decode(item) for key, item in encoded.items()}
        if tag not in self._decoders or len(encoded) != 1:
            raise ValueError(f"it holds a value of the unknown kind {tag!r}")
        return self._decoders[tag](encoded[tag])

    def _decode_values(self, dtype: str, shape: list[int], values: list[Any]) -> np.ndarray:
        # As wide as the longest text: a damaged dtype would take any amount of memory.
        kind = np.dtype(dtype).kind
        if kind == "U":
            return np.array(self.decode(values), dtype=str).reshape(shape)
        if kind != "O":
            raise ValueError(f"it holds a list of dtype {dtype!r}")
        array = np.empty(len(values), dtype=object)
        # Item by item: an array of objects would take items that are lists for another axis.
        for index, item in enumerate(values):
            array[index] = self.decode(item)
        return array.reshape(shape)

    def _decode_frame(self, encoded: dict[str, Any]) -> Any:
        import pandas as pd

        fields = self.decode(encoded)
        name, index = fields["index"]
        frame = pd.DataFrame(
            {column: pd.Series(values, dtype=dtype) for column, dtype, values in fields["columns"]}
        )
        frame.index = pd.Index(index, name=name)
        frame.attrs = fields["attrs"]
        return frame

    def _decode_given(self, fields: list[str]) -> Any:
        name, kind = fields
        if self.backbone is None:
            raise ValueError(
                f"its {name} was no name but a module or callable ({kind}), whose code is not in "
                "the file: give it again with load(path, backbone=...)"
            )
        self.used_backbone = True
        return self.backbone

    def _decode_object(self, name: str, path: str, encoded: dict[str, Any]) -> Any:
        kind = find_type(name)
        state = {key: self.decode(item) for key, item in encoded.items()}
        if hasattr(kind, "_from_state"):
            self._check_state(kind, state)
            restored = kind._from_state(state)
        elif kind is SpectrogramAugment:
            restored = SpectrogramAugment(**state)
        else:
            for key in state:
                if callable(getattr(kind, key, None)):
                    raise ValueError(f"it sets the attribute {key!r}, a method of {name}")
            restored = kind.__new__(kind)
            if hasattr(kind, "__setstate__"):
                restored.__setstate__(state)  # scikit-learn's warns of another version
            else:
                vars(restored).update(state)
        self._objects[path] = restored
        return restored

    def _check_state(self, kind: Any, state: dict[str, Any]) -> None:
        params, fitted = state["params"], state["fitted"]
        unknown = sorted(set(params) - set(inspect.signature(kind).parameters))
        if unknown:
            raise ValueError(
                f"{kind.__name__} has no parameter {', '.join(unknown)} in this version"
            )
        for name in fitted:
            if not name.endswith("_") and name != _OUTPUT_CONFIG:
                raise ValueError(f"it sets the attribute {name!r}, which fit does not set")
        if "device" in params:
            device = params["device"] if self.device is None else self.device
            params["device"], remark = replace_missing(device)
            self.remarks += [remark] if remark else []
