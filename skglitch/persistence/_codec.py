"""Conversion of estimators to JSON and arrays, and back, without running code.

Values that JSON lacks, such as tuples, arrays and objects, are JSON objects with one key, which
starts with ``$`` and is one of a closed list, so that a file cannot name code to run. An object of
a trusted type is its type and the attributes from ``__getstate__``, which are set on a new object.
Estimators with a net have ``_get_state`` and ``_from_state`` instead.
"""

from __future__ import annotations

import importlib
import inspect
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.base import BaseEstimator
from sklearn.neighbors import BallTree, KDTree
from sklearn.tree._tree import NODE_DTYPE, Tree
from sklearn.utils import Bunch

from .._device import replace_missing
from .._training import SpectrogramAugment
from ._file import Arrays

# The estimators that a file may hold are the public ones of these modules.
_MODULES = {
    *("skglitch.discovery", "skglitch.estimators", "skglitch.spectrograms"),
    *(f"sklearn.{name}" for name in sklearn.__all__),
}
# They may contain these, and private classes of one package. No other objects are created.
_PARTS = (
    "skglitch.estimators.SpectrogramAugment",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
)
_PRIVATE = "skglitch.discovery._"
# Parameters for a net, which must be passed to load if they are not a name.
_NET_PARAMETERS = ("backbone", "source")
# Parameters that predictions do not need, and that may be replaced by their defaults.
_FIT_PARAMETERS = {"augment", "callbacks", "cv", "net_params", "random_state", "scoring", "weights"}
# Recreated by fit or from other attributes. "memory" is a folder of pickles, which fit would run.
_LEFT_OUT = {"_loss_function_", "_metadata_request", "_optimizer", "_random_state", "_tree"}
_LEFT_OUT |= {"memory", "random_state_"}
# The only attribute that does not end in "_" among those that fit sets.
_OUTPUT_CONFIG = "_sklearn_output_config"


def find_type(name: str) -> Any:
    """Return the type of this name, or raise ValueError if a file may not hold it."""
    module, _, attribute = name.rpartition(".")
    is_part = name in _PARTS or name.startswith(_PRIVATE)
    if is_part or module in _MODULES:
        try:
            found = getattr(importlib.import_module(module), attribute, None)
        except ImportError:
            found = None
        if isinstance(found, type):
            # Not what a private module imports from elsewhere.
            is_own = name in _PARTS or found.__module__ == module
            if is_own if is_part else issubclass(found, BaseEstimator):
                return found
    raise ValueError(f"it holds a {name!r}, which is not one of the types that a file may hold")


def name_of(kind: type) -> str | None:
    """Return the name by which :func:`find_type` finds a type; None if a file cannot hold it."""
    modules = kind.__module__.partition("._")[0], kind.__module__, "skglitch.estimators"
    for name in (f"{module}.{kind.__qualname__}" for module in modules):
        try:
            if find_type(name) is kind:
                return name
        except ValueError:
            continue
    return None


def parameters_of(kind: Any) -> Mapping[str, Any]:
    """Return what the constructor of an estimator takes."""
    has_params = hasattr(kind, "get_params") or kind is SpectrogramAugment
    return inspect.signature(kind).parameters if has_params else {}


class NotPlainError(TypeError):
    """A value that cannot be stored without pickle."""


def build_index(neighbors: Any) -> Any:
    """Rebuild the index of nearest neighbors, as in fit."""
    kind = {"ball_tree": BallTree, "kd_tree": KDTree}.get(neighbors._fit_method)
    options = {"metric": neighbors.effective_metric_, **neighbors.effective_metric_params_}
    return None if kind is None else kind(neighbors._fit_X, neighbors.leaf_size, **options)


def make_records(fields: dict[str, np.ndarray]) -> np.ndarray:
    """Make a structured array from its columns."""
    dtype = [(name, column.dtype) for name, column in fields.items()]
    return np.array(list(zip(*fields.values(), strict=True)), dtype)


def make_tree(fields: list[Any]) -> Tree:
    """Rebuild a decision tree after checking its branches, which predictions do not."""
    n_features, n_classes, n_outputs, state = fields
    nodes = state["nodes"].astype(NODE_DTYPE)
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    is_below = np.minimum(left, right) > np.arange(len(nodes))
    is_there = (np.maximum(left, right) < len(nodes)) & (feature >= 0) & (feature < n_features)
    if not ((left == -1) & (right == -1) | is_below & is_there).all():
        raise ValueError("it holds a decision tree whose branches lead nowhere")
    tree = Tree(n_features, n_classes, n_outputs)
    tree.__setstate__({**state, "nodes": nodes})
    return tree


# More types, with functions that convert them to values of other types and back.
_UFUNCS = {name: found for name, found in vars(np).items() if isinstance(found, np.ufunc)}
_KINDS: dict[str, tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "$bunch": (Bunch, dict, lambda items: Bunch(**items)),
    "$device": (torch.device, str, torch.device),
    "$dtype": (np.dtype, str, np.dtype),
    "$path": (os.PathLike, os.fspath, Path),
    "$slice": (slice, lambda value: [value.start, value.stop, value.step], lambda x: slice(*x)),
    "$tree": (Tree, lambda tree: [*tree.__reduce__()[1], tree.__getstate__()], make_tree),
    "$ufunc": (np.ufunc, lambda ufunc: ufunc.__name__, _UFUNCS.__getitem__),
}


class Writer:
    """Convert an estimator to JSON-serializable values, and arrays by name."""

    def __init__(self) -> None:
        self.arrays: Arrays = {}
        self.dropped: list[str] = []  # not needed for predictions
        self.given: list[str] = []  # must be passed to load
        # With the objects, as the id of a deleted object may be reused.
        self._names: dict[int, tuple[str, Any]] = {}

    def encode(self, value: Any, path: str = "") -> Any:
        """Convert a value to plain JSON; ``path`` is its place, for names and messages."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            # Standard JSON has no infinity and no NaN.
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
        for tag, (kind, take_apart, _) in _KINDS.items():
            if isinstance(value, kind) and (kind is not np.ufunc or value in _UFUNCS.values()):
                return {tag: self.encode(take_apart(value), path)}
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
        if array.dtype.names:
            fields = {name: array[name] for name in array.dtype.names}
            return {"$records": self._encode_dict(fields, path)}
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise NotPlainError(f"{path}: an array of {array.dtype} cannot be stored")
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            # Sums in another order may differ in the last bits.
            return {"$transposed": self._store(array, array.T, path)}
        return {"$array": self._store(array, array, path)}

    def _store(self, value: Any, array: np.ndarray, path: str) -> str:
        if id(value) not in self._names:
            while path in self.arrays:
                path += "_"
            self._names[id(value)] = path, value
            array = array.astype(array.dtype.newbyteorder("="), copy=False)
            # ascontiguousarray adds a dimension to scalars.
            self.arrays[path] = np.ascontiguousarray(array).reshape(array.shape)
        return self._names[id(value)][0]

    def _encode_object(self, value: Any, path: str) -> dict[str, Any]:
        if id(value) in self._names:
            return {"$same": self._names[id(value)][0]}
        kind: Any = type(value)
        name = name_of(kind)
        if name is None:
            tip = "joblib.dump stores it"
            if hasattr(value, "best_estimator_"):
                tip = "put best_estimator_ in its place"
            raise NotPlainError(f"{path}: a {kind.__name__} cannot be stored without pickle; {tip}")
        known = parameters_of(kind)
        if isinstance(value, SpectrogramAugment):
            state = {key: self.encode(getattr(value, key), path) for key in known}
        else:
            has_state = hasattr(kind, "_get_state")
            attributes = value._get_state() if has_state else kind.__getstate__(value) or {}
            state = self._encode_attributes(known, attributes, path)
        self._names[id(value)] = path, value
        return {"$object": [name, path, state]}

    def _encode_attributes(self, known: Any, values: dict, path: str) -> dict[str, Any]:
        """Encode attributes, of which ``known`` are parameters, or what ``_get_state`` returned."""
        encoded: dict[str, Any] = {}
        for key in sorted(values.keys() - _LEFT_OUT):
            value, name = values[key], f"{path}.{key}"
            if key in known:
                encoded |= self._encode_param(known[key], value, path)
            elif key == "params":
                encoded[key] = self._encode_attributes(known, value, name)
            elif key == "history":
                encoded[key] = [self._encode_row(row, name) for row in value]
            else:
                encoded[key] = self.encode(value, name)
        return encoded

    def _try_encode(self, value: Any, path: str) -> Any:
        """Encode a value; if this fails, restore the arrays and names."""
        arrays, names = dict(self.arrays), dict(self._names)
        try:
            return self.encode(value, path)
        except NotPlainError:
            self.arrays, self._names = arrays, names
            raise

    def _encode_param(self, parameter: inspect.Parameter, value: Any, path: str) -> dict[str, Any]:
        """Encode a parameter by its name, or leave it out if its default may replace it."""
        name = parameter.name
        try:
            return {name: self._try_encode(value, f"{path}.{name}")}
        except NotPlainError:
            if value is parameter.default:
                return {}
            if name in _NET_PARAMETERS:
                kind = getattr(value, "__name__", type(value).__name__)
                self.given.append(f"{name} ({kind})")
                return {name: {"$given": [name, kind]}}
            # The weights of nearest neighbors may be a function, which predictions need.
            if name not in _FIT_PARAMETERS or (name == "weights" and callable(value)):
                raise
            self.dropped.append(f"{name}={value!r:.80} (becomes {parameter.default!r})")
            return {}

    def _encode_row(self, row: dict[str, Any], path: str) -> dict[str, Any]:
        """Encode a row of the history, without values from callbacks that are not plain."""
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
    """Rebuild an estimator from the output of a :class:`Writer`."""

    # If this is a list, it gets paths, types and attributes of objects, which are not created.
    parts: list[tuple[str, str, dict[str, Any]]] | None = None

    def __init__(self, arrays: Arrays, backbone: Any = None, device: Any = None) -> None:
        self.arrays = arrays
        self.backbone = backbone  # if the file does not name one
        self.device = device  # replaces the one in the file
        self.used_backbone = False
        self.remarks: list[str] = []  # what differs from what was saved
        self._objects: dict[str, Any] = {}
        self._decoders: dict[str, Callable[[Any], Any]] = {
            "$array": self.arrays.__getitem__,
            "$dict": lambda pairs: dict(map(self.decode, pairs)),
            "$float": float,
            "$frame": self._decode_frame,
            "$given": self._decode_given,
            "$object": lambda fields: self._decode_object(*fields),
            "$records": lambda fields: make_records(self.decode(fields)),
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
        if tag not in (*self._decoders, *_KINDS) or len(encoded) != 1:
            raise ValueError(f"it holds a value of the unknown kind {tag!r}")
        if tag in _KINDS:
            return _KINDS[tag][2](self.decode(encoded[tag]))
        return self._decoders[tag](encoded[tag])

    def _decode_values(self, dtype: str, shape: list[int], values: list[Any]) -> np.ndarray:
        # As wide as the longest text, as a damaged dtype could take any amount of memory.
        kind = np.dtype(dtype).kind
        if kind == "U":
            return np.array(self.decode(values), dtype=str).reshape(shape)
        if kind != "O":
            raise ValueError(f"it holds a list of dtype {dtype!r}")
        array = np.empty(len(values), dtype=object)
        # Item by item, as numpy would make another axis of items that are lists.
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
                f"its {name} is a module or callable ({kind}), whose code is not in the file: pass "
                "it to load(path, backbone=...)"
            )
        self.used_backbone = True
        return self.backbone

    def _decode_object(self, name: str, path: str, encoded: dict[str, Any]) -> Any:
        kind = find_type(name)
        state = {key: self.decode(item) for key, item in encoded.items()}
        params = state.get("params", state)
        if self.parts is None and "device" in params:
            device = params["device"] if self.device is None else self.device
            params["device"], remark = replace_missing(device)
            self.remarks += [remark] if remark else []
        if self.parts is not None:
            self.parts.append((path, name, state))
            restored = kind.__name__
        elif hasattr(kind, "_from_state"):
            self._check_state(kind, state)
            restored = kind._from_state(state)
        elif kind is SpectrogramAugment:
            restored = SpectrogramAugment(**state)
        else:
            state.pop("memory", None)
            for parameter in parameters_of(kind).values():
                if parameter.default is not parameter.empty:
                    state.setdefault(parameter.name, parameter.default)
            for key in state:
                if callable(getattr(kind, key, None)):
                    raise ValueError(f"it sets the attribute {key!r}, a method of {name}")
            restored = kind.__new__(kind)
            if hasattr(kind, "__setstate__"):
                restored.__setstate__(state)  # scikit-learn warns about other versions
            else:
                vars(restored).update(state)
            if "_fit_method" in state:
                restored._tree = build_index(restored)
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
