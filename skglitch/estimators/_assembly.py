"""From the parameters that both estimators share to the part of the net that they share."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions

from .._backbones import POOLINGS, Backbone, Readout, make_backbone
from .._training import COLORS, ViewEncoder, run_in_batches
from ..spectrograms import PixelScale, ViewLayout

AUTO = "auto"
# Features are centered on a mean of this many images at most: more would hardly move it.
CENTRED_IMAGES = 512

SHARED_CONSTRAINTS: dict = {
    "weights": [str, PathLike, Mapping, Enum, None],
    "strict_weights": ["boolean"],
    "input_size": [Integral, tuple, list, StrOptions({"native"}), None],
    "layer": [str, tuple, list],
    "pooling": [StrOptions({AUTO, *POOLINGS})],
    "n_bands": [Interval(Integral, 1, None, closed="left"), StrOptions({AUTO})],
    "views": [str, Real, tuple, list],
    "colors": [StrOptions(set(COLORS))],
    "durations": [tuple, list],
    "image_shape": [tuple, list, None],
}


def make_encoder(
    estimator: Any,
    backbone: Any,
    *,
    normalize: bool | None = None,
) -> ViewEncoder:
    """Build the net without its last layer that the parameters of an estimator ask for.

    Parameters
    ----------
    estimator : CNNClassifier or TruncatedCNNTransformer
        Knows ``image_shape_`` already.
    backbone : str, torch.nn.Module or callable
    normalize : bool, default=None
        None normalizes the features of pre-trained nets only: those of others do not stay
        where they are.
    """
    layout = ViewLayout.from_parameter(
        estimator.views, tuple(estimator.durations), n_views=estimator.image_shape_[0]
    )
    trunk = make_backbone(backbone, estimator.weights, input_size=estimator.input_size)
    return ViewEncoder(
        trunk,
        layout,
        readout_for(estimator, trunk, trunk.readout),
        image_shape=estimator.image_shape_,
        normalize=is_pretrained(trunk) if normalize is None else normalize,
        colors=estimator.colors,
    )


def readout_for(estimator: Any, trunk: Backbone, best: Readout) -> Readout:
    """Layers and pooling that the parameters of an estimator ask for.

    Parameters
    ----------
    estimator : CNNClassifier or TruncatedCNNTransformer
    trunk : Backbone
    best : Readout
        What ``layer="auto"`` stands for.

    Raises
    ------
    ValueError
        If ``layer`` names a layer that the net does not have.
    """
    layers = (estimator.layer,) if isinstance(estimator.layer, str) else tuple(estimator.layer)
    if not layers:
        raise ValueError(f"layer={estimator.layer!r} names no layer.")
    if layers == (AUTO,):
        layers = best.layers
    else:
        best = Readout()
    for layer in layers:
        trunk.check_layer(layer)
    pooling, n_bands = estimator.pooling, estimator.n_bands
    return Readout(
        layers,
        best.pooling if pooling == AUTO else pooling,
        best.n_bands if n_bands == AUTO else int(n_bands),
    )


def is_pretrained(trunk: Backbone) -> bool:
    """Whether weights were read for the trunk."""
    return trunk.loaded["extent"] == "whole"


def evenly(n_samples: int, n_most: int) -> np.ndarray:
    """Rows of up to ``n_most`` samples, spread evenly over all."""
    return np.linspace(0, n_samples - 1, min(n_samples, n_most)).round().astype(int)


def run_encoder(
    encoder: ViewEncoder,
    images: np.ndarray,
    scale: PixelScale,
    *,
    normalized: bool = True,
    batch_size: int,
    dtype: torch.dtype,
    progress: str = "",
) -> np.ndarray:
    """Features ``(n_samples, n_features)`` of all images, float32, where the encoder is."""
    return run_in_batches(
        encoder,
        encoder if normalized else encoder.features,
        images,
        scale,
        batch_size=batch_size,
        # A net that is shared with a classifier must not be moved.
        device=encoder.trunk.mean.device,
        dtype=dtype,
        progress=progress,
    )
