"""From what an estimator says it consists of to plain values and tensors, and back.

Each estimator has ``_get_state`` and ``_from_state``. What of a state is not plain is decided
here: a net that is no name has to be given again, and what predictions do not need is left out.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .._device import choose_device
from ._codec import NotPlainError, decode, encode
from ._file import Tensors

# The classes that a file may name, and where they are: nothing else is ever imported.
TRUSTED = {
    "CNNClassifier": "skglitch.estimators",
    "TruncatedCNNTransformer": "skglitch.estimators",
}
# Parameters that name a net; one that is not a name has to be given again.
_NET_PARAMETERS = ("backbone", "source")
# The only private attribute that a file may set.
_PRIVATE = ("_sklearn_output_config",)
# Arrays with more numbers than this are written as tensors, not as text.
_LARGE = 1000


@dataclass
class Parts:
    """What is gathered, beside the record, while an estimator is taken apart.

    Attributes
    ----------
    tensors : dict
        Tensors by name.
    dropped : list of str
        What is left out, as predictions do not need it.
    given : list of str
        What is left out and has to be given again to load the file.
    """

    tensors: Tensors = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)


@dataclass
class Restorer:
    """What there is to put an estimator together.

    Attributes
    ----------
    tensors : dict
        Tensors by name.
    backbone : object
        The module, or the callable that makes it, where the file has no name of one.
    device : object
        In place of the device that was asked for when the file was written.
    needs_backbone : bool
        Whether ``backbone`` was of use.
    remarks : list of str
        What came back otherwise than it was.
    """

    tensors: Tensors
    backbone: Any = None
    device: Any = None
    needs_backbone: bool = False
    remarks: list[str] = field(default_factory=list)


def record_of(estimator: Any, parts: Parts) -> dict[str, Any]:
    """Take a fitted estimator apart: a dict of plain values, and ``parts`` is added to."""
    name = type(estimator).__name__
    return {"class": name, **_encode_state(name, estimator._get_state(), parts, "")}


def restore(record: dict[str, Any], restorer: Restorer) -> Any:
    """Put an estimator together from its record and its tensors."""
    cls = _trusted(record["class"])
    state = _decode_state(record["class"], record, restorer, "")
    return cls._from_state(state, restorer.backbone if restorer.needs_backbone else None)


def _trusted(name: str) -> Any:
    if name not in TRUSTED:
        raise ValueError(f"it holds a {name!r}, which is none of {', '.join(TRUSTED)}")
    return getattr(importlib.import_module(TRUSTED[name]), name)


def _encode_state(name: str, state: dict[str, Any], parts: Parts, prefix: str) -> dict[str, Any]:
    record = {"params": _encode_params(name, state["params"], parts)}
    record["fitted"] = {
        key: _encode_fitted(name, key, value, parts, prefix)
        for key, value in state["fitted"].items()
    }
    if "net" in state:
        rows = [_encode_row(row, parts) for row in state["net"]["history"]]
        record["net"] = {**encode({**state["net"], "history": []}), "history": rows}
    if "module" in state:
        record["module"] = encode(state["module"])
    for key, tensor in state["weights"].items():
        # A copy each: safetensors takes neither channels-last nor shared memory.
        tensor = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        parts.tensors[f"{prefix}weights.{key}"] = tensor
    if "classifier" in state:
        source = state["source"]
        record["source"] = (
            source if isinstance(source, str) else _encode_params("CNNClassifier", source, parts)
        )
        record["classifier"] = _encode_state(
            "CNNClassifier", state["classifier"], parts, f"{prefix}classifier."
        )
    return record


def _decode_state(
    name: str, record: dict[str, Any], restorer: Restorer, prefix: str
) -> dict[str, Any]:
    state = {"params": _decode_params(name, record["params"], restorer)}
    for key in record["fitted"]:
        if not key.endswith("_") and key not in _PRIVATE:
            raise ValueError(f"it sets the attribute {key!r}, which is none of fit")
    state["fitted"] = {
        key: _decode_fitted(value, restorer) for key, value in record["fitted"].items()
    }
    for key in ("net", "module"):
        if key in record:
            state[key] = decode(record[key])
    start = f"{prefix}weights."
    state["weights"] = {
        key.removeprefix(start): tensor
        for key, tensor in restorer.tensors.items()
        if key.startswith(start)
    }
    if "classifier" in record:
        source = record["source"]
        state["source"] = (
            source if isinstance(source, str) else _decode_params("CNNClassifier", source, restorer)
        )
        state["classifier"] = _decode_state(
            "CNNClassifier", record["classifier"], restorer, f"{prefix}classifier."
        )
    return state


def _encode_params(name: str, params: dict[str, Any], parts: Parts) -> dict[str, Any]:
    encoded = {}
    for key, value in params.items():
        if key in _NET_PARAMETERS and not isinstance(value, str):
            kind = getattr(value, "__name__", type(value).__name__)
            parts.given.append(f"{key} ({kind})")
            encoded[key] = {"$given": kind}
            continue
        try:
            encoded[key] = encode(value)
        except NotPlainError:
            default = inspect.signature(_trusted(name)).parameters[key].default
            parts.dropped.append(f"{key}={value!r:.80} (becomes {default!r})")
            encoded[key] = encode(default)
    return encoded


def _decode_params(name: str, params: dict[str, Any], restorer: Restorer) -> dict[str, Any]:
    unknown = sorted(set(params) - set(inspect.signature(_trusted(name)).parameters))
    if unknown:
        raise ValueError(f"{name} has no parameter {', '.join(unknown)} in this version")
    decoded = {}
    for key, value in params.items():
        if isinstance(value, dict) and "$given" in value:
            if restorer.backbone is None:
                raise ValueError(
                    f"its {key} was no name but a module or callable ({value['$given']}), whose "
                    "code is not in the file: give it again with load(path, backbone=...)"
                )
            restorer.needs_backbone = True
            decoded[key] = restorer.backbone
        else:
            decoded[key] = decode(value)
    decoded["device"] = _choose_device(decoded["device"], restorer)
    return decoded


def _encode_fitted(name: str, key: str, value: Any, parts: Parts, prefix: str) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size > _LARGE:
        parts.tensors[f"{prefix}array.{key}"] = torch.from_numpy(value.copy())
        return {"$tensor": f"{prefix}array.{key}"}
    try:
        return encode(value)
    except NotPlainError as error:
        raise TypeError(f"{name}.{key}: {error}.") from None


def _decode_fitted(value: Any, restorer: Restorer) -> Any:
    if isinstance(value, dict) and "$tensor" in value:
        return restorer.tensors[value["$tensor"]].numpy().copy()
    return decode(value)


def _encode_row(row: dict[str, Any], parts: Parts) -> dict[str, Any]:
    """Leave out what a callback of the user's own wrote, if it is no plain value."""
    plain = {}
    for name, value in row.items():
        if name == "batches":
            plain[name] = [_encode_row(batch, parts) for batch in value]
            continue
        try:
            plain[name] = encode(value)
        except NotPlainError:
            parts.dropped.append(f"the column {name!r} of history_")
    return plain


def _choose_device(device: Any, restorer: Restorer) -> Any:
    """Keep the device that was asked for if this machine has it."""
    if restorer.device is not None:
        return restorer.device
    try:
        choose_device(device)
    except ValueError:
        restorer.remarks.append(f"device={str(device)!r} is not there, 'auto' takes its place")
        return "auto"
    return device
