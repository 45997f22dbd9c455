"""The state of an estimator as plain values, and the estimator restored from it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from torch import nn

from .._training import PixelScale, spread
from ._encoder import Encoder

# Number of images in a checksum.
_HASHED = 32
# Rebuilt from parameters, facts and weights.
_REBUILT = ("net_", "history_", "encoder_", "classifier_")


def get_state(estimator: Any) -> dict[str, Any]:
    """Return parameters, fitted attributes except the net, and the ``set_output`` config."""
    params = estimator.get_params(deep=False)
    if estimator.encoder is not None:
        params["encoder"] = estimator.encoder.get_params()
    fitted = {
        name: value
        for name, value in vars(estimator).items()
        if name == "_sklearn_output_config" or (name.endswith("_") and name not in _REBUILT)
    }
    if "scale_" in fitted:
        fitted["scale_"] = asdict(estimator.scale_)
    return {"params": params, "fitted": fitted}


def make_estimator(cls: Any, params: Mapping[str, Any], fitted: Mapping[str, Any]) -> Any:
    """Make an estimator from what :func:`get_state` returned."""
    encoder = params["encoder"]
    encoder = Encoder(**encoder) if isinstance(encoder, Mapping) else encoder
    estimator = cls(**{**params, "encoder": encoder})
    for name, value in fitted.items():
        setattr(estimator, name, PixelScale(**value) if name == "scale_" else value)
    return estimator


def describe_data(images: np.ndarray, labels: Any) -> dict[str, Any]:
    """Describe the data of a fit: date, shape, class counts, checksum of labels and some images."""
    listed = [] if labels is None else np.asarray(labels).ravel().tolist()
    facts = {"shape": list(images.shape), "dtype": str(images.dtype)}
    checksum = hashlib.sha256(repr((facts, listed)).encode())
    checksum.update(np.asarray(images[spread(len(images), _HASHED)]).tobytes())
    date = datetime.now(UTC).isoformat(timespec="seconds")
    counts = dict(Counter(listed))
    return {"date": date, **facts, "sha256": checksum.hexdigest(), "class_counts": counts}


def get_weights(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dict without the augmentation, which predictions do not use."""
    state = module.state_dict()
    return {name: value for name, value in state.items() if not name.startswith("augment.")}


def set_weights(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Fill a module without an augmentation with what :func:`get_weights` returned."""
    try:
        module.load_state_dict(dict(weights), strict=True)
    except RuntimeError as error:
        raise ValueError(
            "the weights do not fit the net that the parameters describe: "
            + " ".join(str(error).split())[:300]
        ) from error
