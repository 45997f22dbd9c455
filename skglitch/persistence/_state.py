"""What a fitted estimator consists of, and how it is put together again.

A record is a dict of plain values: the class, the parameters, the attributes that fit has set,
and what has to be known of the net beyond them. The tensors of the net go apart. Everything
that a record cannot hold is decided on here.
"""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from skorch.history import History
from torch import nn

from .._backbones import Backbone, Readout
from .._training import choose_device, seeded, to_channels_last
from ._codec import NotPlainError, decode, encode
from ._file import Tensors

# The classes that a file may name, and where they are: nothing else is ever imported.
TRUSTED = {
    "CNNClassifier": "skglitch.estimators",
    "TruncatedCNNTransformer": "skglitch.estimators",
}
# Parameters that name a net; one that is not a name has to be given again.
_NET_PARAMETERS = ("backbone", "source")
# What fit sets and loading makes anew from the tensors and the record of the net.
_REBUILT = ("net_", "history_", "encoder_", "classifier_")
# Private attributes that outlive a fit.
_PRIVATE = ("_n_features_out", "_sklearn_output_config")
# How pictures reach the net. Tables of later versions may say otherwise for the same name.
_TRUNK_FACTS = ("min_size", "fixed_size", "in_channels")
# Parameters that files of earlier versions do not have, and what was done without them.
_OF_OLD_READING = {
    "strict_weights": True,
    "input_size": None,
    "layer": "penultimate",
    "pooling": "mean",
    "n_bands": 1,
    "colors": "gray",
}
_BEFORE: dict[str, dict[str, Any]] = {
    "CNNClassifier": {
        **_OF_OLD_READING,
        "head_init": "zeros",
        "head_epochs": 0,
        "layer_decay": 1.0,
        "loss": "cross_entropy",
        "focal_gamma": 2.0,
        "balanced_batches": False,
        "mixup": 0.0,
        "auxiliary_weight": 0.0,
    },
    "TruncatedCNNTransformer": {**_OF_OLD_READING, "normalize": False},
}
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
    """Take a fitted estimator apart.

    Parameters
    ----------
    estimator : CNNClassifier or TruncatedCNNTransformer
    parts : Parts
        Is added to.

    Returns
    -------
    record : dict
        Plain values only.
    """
    record = _unfitted_record(estimator, parts)
    record["fitted"] = _fitted_attributes(estimator, parts)
    if hasattr(estimator, "net_"):
        record["net"] = _record_of_net(estimator.net_, parts)
    elif hasattr(estimator, "classifier_"):
        record["classifier"] = record_of(estimator.classifier_, parts)
        if estimator._is_own_readout():
            parts.tensors["center"] = estimator.encoder_.center.detach().cpu().clone()
    else:
        record["trunk"] = _record_of_trunk(estimator.encoder_.trunk)
        record["trunk"]["readout"] = _record_of_readout(estimator.encoder_.readout)
        _put(parts.tensors, "encoder.", estimator.encoder_)
    return record


def restore(record: dict[str, Any], restorer: Restorer) -> Any:
    """Put an estimator together from its record and its tensors."""
    classifier = restore(record["classifier"], restorer) if "classifier" in record else None
    estimator = _restore_unfitted(record, restorer, classifier)
    for name, value in record["fitted"].items():
        if not name.endswith("_") and name not in _PRIVATE:
            raise ValueError(f"it sets the attribute {name!r}, which is none of fit")
        setattr(estimator, name, _decode_fitted(value, restorer))
    if "net" in record:
        _restore_net(estimator, record["net"], restorer)
    elif classifier is not None:
        estimator.classifier_ = classifier
        estimator._adopt(classifier)
        if "center" in restorer.tensors:
            estimator.encoder_.center.copy_(restorer.tensors["center"])
    else:
        _restore_encoder(estimator, record["trunk"], restorer)
    return estimator


def _decode_fitted(value: Any, restorer: Restorer) -> Any:
    if isinstance(value, dict) and "$tensor" in value:
        return restorer.tensors[value["$tensor"]].numpy().copy()
    return decode(value)


def _unfitted_record(estimator: Any, parts: Parts) -> dict[str, Any]:
    name = type(estimator).__name__
    params = estimator.get_params(deep=False)
    encoded = {key: _encode_param(estimator, key, params[key], parts) for key in params}
    return {"class": name, "params": encoded}


def _encode_param(estimator: Any, name: str, value: Any, parts: Parts) -> Any:
    if name in _NET_PARAMETERS and not isinstance(value, str):
        return _encode_net_param(estimator, name, value, parts)
    try:
        return encode(value)
    except NotPlainError:
        default = inspect.signature(type(estimator)).parameters[name].default
        parts.dropped.append(f"{name}={value!r:.80} (becomes {default!r})")
        return encode(default)


def _encode_net_param(estimator: Any, name: str, value: Any, parts: Parts) -> Any:
    if isinstance(value, FrozenEstimator):
        return {"$frozen": _encode_net_param(estimator, name, value.estimator, parts)}
    if value is getattr(estimator, "classifier_", None):
        return {"$classifier": None}
    if type(value).__name__ in TRUSTED and hasattr(value, "get_params"):
        return {"$unfitted": _unfitted_record(value, parts)}
    kind = getattr(value, "__name__", type(value).__name__)
    parts.given.append(f"{name} ({kind})")
    return {"$given": kind}


def _fitted_attributes(estimator: Any, parts: Parts) -> dict[str, Any]:
    known = {*estimator.get_params(deep=False), *_REBUILT}
    fitted = {}
    for name, value in vars(estimator).items():
        if name in known:
            continue
        if not name.endswith("_") and name not in _PRIVATE:
            parts.dropped.append(name)
            continue
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size > _LARGE:
            parts.tensors[f"array.{name}"] = torch.from_numpy(value.copy())
            fitted[name] = {"$tensor": f"array.{name}"}
            continue
        try:
            fitted[name] = encode(value)
        except NotPlainError as error:
            raise TypeError(f"{type(estimator).__name__}.{name}: {error}.") from None
    return fitted


def _record_of_net(net: Any, parts: Parts) -> dict[str, Any]:
    _put(parts.tensors, "module.", net.module_)
    return {
        "max_epochs": int(net.max_epochs),
        "n_samples": _n_samples(net.history),
        "interrupted": bool(net.interrupted_),
        "batch_norm_is_fixed": bool(getattr(net.module_, "batch_norm_is_fixed", False)),
        "normalizes": bool(net.module_.encoder.normalize),
        "readout": _record_of_readout(net.module_.encoder.readout),
        "history": [_plain_row(row, parts) for row in net.history],
        "trunk": _record_of_trunk(net.module_.encoder.trunk),
    }


def _n_samples(history: Any) -> int:
    batches = history[0].get("batches", []) if len(history) else []
    return int(sum(batch.get("train_batch_size", 0) for batch in batches)) or 1


def _plain_row(row: dict[str, Any], parts: Parts) -> dict[str, Any]:
    """Leave out what a callback of the user's own wrote, if it is no plain value."""
    plain = {}
    for name, value in row.items():
        if name == "batches":
            plain[name] = [_plain_row(batch, parts) for batch in value]
            continue
        try:
            plain[name] = encode(value)
        except NotPlainError:
            parts.dropped.append(f"the column {name!r} of history_")
    return plain


def _record_of_trunk(trunk: Backbone) -> dict[str, Any]:
    facts = {name: encode(getattr(trunk, name)) for name in _TRUNK_FACTS}
    facts["loaded"] = encode(trunk.loaded)
    facts |= {name: getattr(trunk, name).flatten().tolist() for name in ("mean", "scale")}
    if hasattr(trunk.net, "transform_input"):
        # Inception and GoogLeNet: torchvision switches it on with its own weights.
        facts["transform_input"] = bool(trunk.net.transform_input)
    return facts


def _record_of_readout(readout: Readout) -> dict[str, Any]:
    return {
        "layer": encode(readout.layers),
        "pooling": readout.pooling,
        "n_bands": readout.n_bands,
    }


def _put(tensors: Tensors, prefix: str, module: nn.Module) -> None:
    for name, tensor in module.state_dict().items():
        if not name.startswith("augment."):
            # A copy each: safetensors takes neither channels-last nor shared memory.
            tensor = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            tensors[prefix + name] = tensor


def _restore_unfitted(record: dict[str, Any], restorer: Restorer, classifier: Any = None) -> Any:
    name = record["class"]
    if name not in TRUSTED:
        raise ValueError(f"it holds a {name!r}, which is none of {', '.join(TRUSTED)}")
    cls = getattr(importlib.import_module(TRUSTED[name]), name)
    unknown = sorted(set(record["params"]) - set(inspect.signature(cls).parameters))
    if unknown:
        raise ValueError(f"{name} has no parameter {', '.join(unknown)} in this version")
    params = {
        key: _decode_param(key, value, restorer, classifier)
        for key, value in record["params"].items()
    }
    params = _BEFORE[name] | params
    params["device"] = _device_here(params.get("device", "auto"), restorer)
    return cls(**params)


def _decode_param(name: str, value: Any, restorer: Restorer, classifier: Any) -> Any:
    tag = next(iter(value), "") if isinstance(value, dict) else ""
    if tag == "$frozen":
        return FrozenEstimator(_decode_param(name, value[tag], restorer, classifier))
    if tag == "$classifier":
        return classifier
    if tag == "$unfitted":
        return _restore_unfitted(value[tag], restorer)
    if tag == "$given":
        if restorer.backbone is None:
            raise ValueError(
                f"its {name} was no name but a module or callable ({value[tag]}), whose code is "
                "not in the file: give it again with load(path, backbone=...)"
            )
        restorer.needs_backbone = True
        return restorer.backbone
    return decode(value)


def _device_here(device: Any, restorer: Restorer) -> Any:
    """Keep the device that was asked for where this machine has it."""
    if restorer.device is not None:
        return restorer.device
    try:
        choose_device(device)
    except ValueError:
        restorer.remarks.append(f"device={str(device)!r} is not there, 'auto' takes its place")
        return "auto"
    return device


def _without_weights(estimator: Any, readout: dict[str, Any] | None) -> Any:
    """Make a twin that builds the same net with random weights, from no file and no network."""
    twin = copy.copy(estimator)
    twin.weights = None
    # What "auto" stood for when the file was written, not what it stands for now.
    for name, value in (readout or {}).items():
        setattr(twin, name, decode(value))
    # None would draw from numpy's global generator, which is the caller's.
    twin.random_state = 0
    return twin


def _restore_net(estimator: Any, record: dict[str, Any], restorer: Restorer) -> None:
    twin = _without_weights(estimator, record.get("readout"))
    twin.max_epochs = record["max_epochs"]
    device = choose_device(estimator.device)
    with seeded(0, device):
        module = twin._make_module(normalize=record.get("normalizes", False))
        to_channels_last(module, device)
        net = twin._make_net(module, device, range(record["n_samples"]), None, 0)
        net.initialize()
    _restore_trunk(module.encoder.trunk, record["trunk"])
    _fill(module, "module.", restorer.tensors)
    if record["batch_norm_is_fixed"]:
        module.fix_batch_norm()
    net.history_ = History(_decode_rows(record["history"]))
    net.interrupted_ = False
    estimator._keep(net)
    net.interrupted_ = record["interrupted"]
    if not hasattr(estimator, "exemplars_"):
        # A file from before classes could be added: nothing is kept of the old ones.
        estimator.exemplars_ = np.empty((0, module.encoder.width), dtype=np.float32)
        estimator.exemplar_classes_ = estimator.classes_[:0]


def _decode_rows(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [decode(row) for row in rows]


def _restore_encoder(estimator: Any, trunk: dict[str, Any], restorer: Restorer) -> None:
    twin = _without_weights(estimator, trunk.get("readout"))
    twin._load(estimator.source)
    _restore_trunk(twin.encoder_.trunk, trunk)
    _fill(twin.encoder_, "encoder.", restorer.tensors)
    estimator.encoder_ = twin.encoder_


def _restore_trunk(trunk: Backbone, facts: dict[str, Any]) -> None:
    for name in _TRUNK_FACTS:
        setattr(trunk, name, decode(facts[name]))
    for name in ("mean", "scale"):
        values = torch.tensor(facts[name]).view(1, -1, 1, 1)
        setattr(trunk, name, values.to(getattr(trunk, name).device))
    if "loaded" in facts:
        trunk.loaded = decode(facts["loaded"])
    if "transform_input" in facts:
        trunk.net.transform_input = facts["transform_input"]


def _fill(module: nn.Module, prefix: str, tensors: Tensors) -> None:
    state = {key[len(prefix) :]: t for key, t in tensors.items() if key.startswith(prefix)}
    # An augmentation has no part in predictions, so its buffers may come and go.
    state |= {k: t for k, t in module.state_dict().items() if k.startswith("augment.")}
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(
            "its weights do not fit the net that its parameters ask for: "
            + " ".join(str(error).split())[:300]
        ) from error
