"""The parameters of the encoder, and the encoder module that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from numbers import Integral, Real
from os import PathLike
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import Interval, StrOptions

from .._backbones import POOLINGS, Backbone, Readout, make_backbone
from .._training import COLORMAPS, ViewEncoder, ViewLayout

AUTO = "auto"


class Encoder(BaseEstimator):
    """Parameters of the features that a network computes from a glitch.

    It is the parameter ``encoder`` of :class:`CNNClassifier` and
    :class:`TruncatedCNNTransformer`, and has no ``fit``.

    Parameters
    ----------
    layer : str or tuple of str, default="auto"
        The layers to read: ``"penultimate"`` for the input of the last layer of the net, or names
        of modules, whose features are concatenated. Later layers are not computed. ``"auto"`` is
        the layers that separate glitches best, where this was measured, else ``"penultimate"``.
    pooling : {"auto", "mean", "std", "max"}, default="auto"
        How each channel of a feature map is reduced to one number: its mean, standard deviation
        or maximum. ``"auto"`` is chosen with ``layer="auto"``, and is the mean for other layers.
    n_bands : int or "auto", default="auto"
        Number of frequency bands that are pooled separately. ``"auto"`` is chosen with
        ``layer="auto"``, and is 1 for other layers.
    colormap : {"viridis", "gray"}, default="viridis"
        How a single view or a mosaic becomes an RGB image: in the colors of Gravity Spy's
        pictures, or with the same value in the three channels.
    input_size : int, tuple of int, {"native"} or None, default=None
        Height and width in pixels to which images are resized. ``"native"`` is the size at which
        the weights were trained. None resizes only images that are too small for the net.
    durations : tuple of float, default=None
        Durations in s of the views of X, for displays, reports, the command line, and for
        ``views`` if it contains durations. None is 0.5, 1, 2 and 4 s if there are four views.
        Otherwise they are unknown, unless ``views`` is the duration of the only view.

    See Also
    --------
    CNNClassifier : Classify glitches by these features.
    TruncatedCNNTransformer : Return these features.

    Examples
    --------
    >>> from skglitch import CNNClassifier
    >>> from skglitch.estimators import Encoder
    >>> classifier = CNNClassifier(encoder=Encoder(layer="penultimate"))
    >>> classifier.set_params(encoder__colormap="gray").encoder
    Encoder(colormap='gray', layer='penultimate')
    """

    _parameter_constraints: dict = {
        "layer": [str, tuple, list],
        "pooling": [StrOptions({AUTO, *POOLINGS})],
        "n_bands": [Interval(Integral, 1, None, closed="left"), StrOptions({AUTO})],
        "colormap": [StrOptions(set(COLORMAPS))],
        "input_size": [Integral, tuple, list, StrOptions({"native"}), None],
        "durations": [tuple, list, None],
    }

    def __init__(
        self,
        *,
        layer: Any = AUTO,
        pooling: str = AUTO,
        n_bands: int | str = AUTO,
        colormap: str = "viridis",
        input_size: Any = None,
        durations: tuple[float, ...] | None = None,
    ) -> None:
        self.layer = layer
        self.pooling = pooling
        self.n_bands = n_bands
        self.colormap = colormap
        self.input_size = input_size
        self.durations = durations


# Constraints of the parameters that both estimators have.
SHARED_CONSTRAINTS: dict = {
    "weights": [str, PathLike, Mapping, Enum, None],
    "views": [str, Real, tuple, list],
    "encoder": [Encoder, None],
    "image_shape": [tuple, list, None],
}


def with_encoder(estimator: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Add an encoder to arguments of ``set_params`` that set its parameters, if it is None."""
    encoder = params.get("encoder", estimator.encoder)
    if encoder is None and any(name.startswith("encoder__") for name in params):
        return {**params, "encoder": Encoder()}
    return params


def encoder_params(estimator: Any, layer: Any = AUTO) -> Encoder:
    """Check the encoder parameters of an estimator; ``layer`` overrides theirs unless "auto"."""
    params = Encoder() if estimator.encoder is None else estimator.encoder
    params._validate_params()
    return params if layer == AUTO else clone(params).set_params(layer=layer)


def build_encoder(
    estimator: Any, params: Encoder, backbone: Any, weights: Any, *, normalize: bool | None
) -> ViewEncoder:
    """Build the encoder module of an estimator that knows the shape and durations of X."""
    shape, durations = estimator.image_shape_, estimator.durations_
    layout = ViewLayout.from_parameter(estimator.views, durations, n_views=shape[0])
    net = make_backbone(backbone, weights, input_size=params.input_size)
    # Features of nets with random weights change too much in training to be normalized.
    return ViewEncoder(
        net,
        layout,
        choose_readout(params, net, net.readout),
        image_shape=shape,
        normalize=is_pretrained(net) if normalize is None else normalize,
        colormap=params.colormap,
    )


def choose_readout(params: Encoder, backbone: Backbone, best: Readout) -> Readout:
    """Choose layers and pooling by the parameters, with ``best`` for ``layer="auto"``."""
    layers = (params.layer,) if isinstance(params.layer, str) else tuple(params.layer)
    if not layers:
        raise ValueError(f"layer={params.layer!r} names no layer.")
    if layers == (AUTO,):
        layers = best.layers
    else:
        best = Readout()
    for layer in layers:
        backbone.check_layer(layer)
    pooling = best.pooling if params.pooling == AUTO else params.pooling
    n_bands = best.n_bands if params.n_bands == AUTO else int(params.n_bands)
    return Readout(layers, pooling, n_bands)


def is_pretrained(backbone: Backbone) -> bool:
    """Whether the backbone has loaded weights."""
    return backbone.loaded["extent"] == "whole"


def restore_encoder(estimator: Any, backbone: Any, facts: dict[str, Any]) -> ViewEncoder:
    """Build an encoder with random weights from the facts of another one."""
    # The facts hold what "auto" meant when they were saved.
    names = ("layer", "pooling", "n_bands", "colormap")
    settled = clone(encoder_params(estimator)).set_params(**{name: facts[name] for name in names})
    encoder = build_encoder(estimator, settled, backbone, None, normalize=facts["normalize"])
    encoder.set_backbone_facts(facts)
    return encoder
