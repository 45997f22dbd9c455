"""Backbones from names or modules."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import _files
from ._backbone import Backbone
from ._published import weights_file
from ._registry import DEFAULT_BACKBONE, BackboneInfo, find_backbone, torchvision_names
from ._surgery import cut_head, input_channels, output_width
from ._weights import StateDict, check_state_dict, load, read_state_dict

IMAGENET = "imagenet"
GLITCHES = "glitches"
NATIVE = "native"


def make_backbone(
    backbone: str | nn.Module | Callable[[], nn.Module],
    weights: Any,
    *,
    input_size: Any = None,
) -> Backbone:
    """Build a backbone, a net without its head; parameters are as in CNNClassifier."""
    _check_weights(weights)
    if weights == GLITCHES and backbone != DEFAULT_BACKBONE:
        raise ValueError(
            f"weights={GLITCHES!r} are for {DEFAULT_BACKBONE!r} only, not for backbone="
            f"{backbone!r:.80}: pass 'imagenet', a path, a state dict or None."
        )
    if isinstance(backbone, str):
        return _make_named(backbone, weights, input_size)
    return _wrap_module(backbone, weights, input_size)


def _make_named(name: str, weights: Any, input_size: Any) -> Backbone:
    info = _info_for(name, weights)
    size = _size_for(info, input_size)
    source: str | None
    is_packaged = info.weights is not None and info.weights.package is not None
    if info.library == "timm" and weights == IMAGENET and not is_packaged:
        net, source = _load_by_timm(info)
    else:
        state, source = _read(info, weights)
        # Initial weights that are overwritten must not change the random numbers of the training.
        with torch.random.fork_rng(devices=(), enabled=state is not None):
            net = info.build()
        if state is not None and weights == IMAGENET and is_packaged:
            # The package has the same tensors in the same order, under other names.
            state = dict(zip(net.state_dict(), state.values(), strict=True))
        net, cut = cut_head(net)
        if state is not None:
            load(net, state, cut=cut, source=str(source))
        if hasattr(net, "transform_input"):
            # torchvision sets this for its own weights, which were trained with it.
            net.transform_input = state is not None  # type: ignore[assignment]
    trial_size = info.input_size if info.fixed_size else (info.min_size,) * 2
    return Backbone(
        net,
        width=output_width(net, info.in_channels, trial_size),
        mean=info.mean,
        std=info.std,
        min_size=info.min_size,
        fixed_size=size,
        in_channels=info.in_channels,
        readout=info.readout,
        loaded={"extent": "none" if source is None else "whole", "source": source},
    )


def _wrap_module(backbone: Any, weights: Any, input_size: Any) -> Backbone:
    net: Any = None
    if isinstance(backbone, nn.Module):
        net = copy.deepcopy(backbone)
    elif callable(backbone):
        net = backbone()
    if not isinstance(net, nn.Module):
        raise ValueError(
            f"backbone={backbone!r} is neither a name, a torch.nn.Module nor a callable that "
            "returns one."
        )
    if isinstance(weights, Enum):
        raise ValueError(f"weights={weights} are for a backbone by name, not for a module.")
    if input_size == NATIVE:
        raise ValueError("input_size='native' requires a backbone by name.")
    size = _checked_size(input_size, 1)
    channels = input_channels(net)
    try:
        net, cut = cut_head(net)
    except ValueError as error:
        raise ValueError(f"backbone={type(net).__name__}: {error}") from error
    loaded = {"extent": "own", "source": "the module"}
    if weights is not None and weights != IMAGENET:
        is_mapping = isinstance(weights, Mapping)
        source = "a mapping" if is_mapping else str(weights)
        state = check_state_dict(weights, source) if is_mapping else read_state_dict(weights)
        load(net, state, cut=cut, source=source)
        loaded = {"extent": "whole", "source": source}
    return Backbone(
        net,
        width=output_width(net, channels, size or (64, 64)),
        mean=(0.5,) * channels,
        std=(0.5,) * channels,
        fixed_size=size,
        in_channels=channels,
        loaded=loaded,
    )


def _check_weights(weights: Any) -> None:
    if isinstance(weights, str):
        is_path = os.sep in weights or "." in weights or Path(weights).exists()
        is_allowed = weights in (IMAGENET, GLITCHES) or is_path
    else:
        is_allowed = weights is None or isinstance(weights, os.PathLike | Mapping | Enum)
    if not is_allowed:
        raise ValueError(
            f"weights={weights!r} must be 'imagenet', 'glitches', the path of a file, a state "
            "dict, torchvision weights or None."
        )


def _info_for(name: str, weights: Any) -> BackboneInfo:
    info = find_backbone(name)
    if weights == IMAGENET and info.weights is None:
        raise ValueError(
            f"weights={IMAGENET!r}: there are no published weights of {name!r}. Train it from "
            "scratch with weights=None, or pass a file as weights=PATH."
        )
    # torchvision, whose weights are enums, is imported late, as this takes seconds.
    if not isinstance(weights, Enum):
        return info
    from torchvision.models import get_model_weights

    if name not in torchvision_names() or not isinstance(weights, get_model_weights(name)):
        raise ValueError(f"weights={weights} are not for backbone={name!r}.")
    return find_backbone(name, weights)


def _size_for(info: BackboneInfo, wanted: Any) -> tuple[int, int] | None:
    """Size to which images are resized, None for no resizing."""
    native = info.input_size
    if wanted == NATIVE or (wanted is None and info.fixed_size):
        return native
    size = _checked_size(wanted, info.min_size)
    if info.fixed_size and size != native:
        raise ValueError(
            f"input_size={wanted!r}: {info.name} takes pictures of {native[0]} x {native[1]} "
            "pixels only; input_size=None resizes them to that."
        )
    return size


def _checked_size(wanted: Any, smallest: int) -> tuple[int, int] | None:
    if wanted is None:
        return None
    size = (wanted, wanted) if isinstance(wanted, int | np.integer) else wanted
    sides = tuple(size) if isinstance(size, tuple | list) else ()
    if len(sides) != 2 or not all(isinstance(n, int | np.integer) and n >= smallest for n in sides):
        raise ValueError(
            f"input_size={wanted!r} must be None, 'native', a whole number of pixels or two of "
            f"them, each at least {smallest} for this backbone."
        )
    return int(sides[0]), int(sides[1])


def _read(info: BackboneInfo, weights: Any) -> tuple[StateDict | None, str | None]:
    """Read the state dict for ``weights``, and describe its source."""
    if weights is None:
        return None, None
    if isinstance(weights, Mapping):
        return check_state_dict(weights, "the mapping"), "a mapping"
    if weights != IMAGENET and not isinstance(weights, Enum):
        path = _files.PRETRAINED if weights == GLITCHES else weights
        return read_state_dict(path), str(weights)
    assert info.weights is not None  # checked by _info_for
    return read_state_dict(weights_file(info.name, info.weights)), info.weights.url


def _load_by_timm(info: BackboneInfo) -> tuple[nn.Module, str]:
    import timm

    assert info.weights is not None  # checked by _info_for
    url = info.weights.url
    try:
        net = timm.create_model(info.name, pretrained=True)
    except Exception as error:
        raise OSError(
            f"The weights of {info.name!r} could not be downloaded from {url}: {error} Download "
            "them on another machine and pass the file as weights=PATH, use backbone="
            f"{DEFAULT_BACKBONE!r}, whose weights are installed, or weights=None for random ones."
        ) from error
    return cut_head(net)[0], url
