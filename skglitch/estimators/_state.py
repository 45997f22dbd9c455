"""What a file has to hold of an estimator, and the estimator made again from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from .._training import PixelScale
from ._encoder import Encoder

# Made again from parameters, facts and weights.
_REBUILT = ("net_", "history_", "encoder_", "classifier_")


def get_params_state(estimator: Any) -> dict[str, Any]:
    """Return the parameters of an estimator, with those of its encoder as a dict."""
    params = estimator.get_params(deep=False)
    if estimator.encoder is not None:
        params["encoder"] = estimator.encoder.get_params()
    return params


def get_fitted_state(estimator: Any) -> dict[str, Any]:
    """Return the fitted attributes but the net, and the choice of ``set_output``."""
    fitted = {
        name: value
        for name, value in vars(estimator).items()
        if name == "_sklearn_output_config" or (name.endswith("_") and name not in _REBUILT)
    }
    return {**fitted, "scale_": asdict(estimator.scale_)}


def make_estimator(cls: Any, params: Mapping[str, Any], fitted: Mapping[str, Any]) -> Any:
    """Make an estimator from what the functions above returned."""
    encoder = params["encoder"]
    encoder = Encoder(**encoder) if isinstance(encoder, Mapping) else encoder
    estimator = cls(**{**params, "encoder": encoder})
    for name, value in fitted.items():
        setattr(estimator, name, PixelScale(**value) if name == "scale_" else value)
    return estimator


def get_weights(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dict without the augmentation, which has no part in predictions."""
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
