"""Removal of the head of any classification network."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

# The auxiliary classifiers of Inception V3 and GoogLeNet, for training from scratch.
_AUXILIARY = ("AuxLogits", "aux1", "aux2")


def cut_head(net: Any) -> tuple[nn.Module, tuple[str, ...]]:
    """Remove head and auxiliary classifiers in place, and return the prefixes of their keys."""
    auxiliary: list[str] = []
    if hasattr(net, "aux_logits"):
        auxiliary = [name for name in _AUXILIARY if getattr(net, name, None) is not None]
        for name in auxiliary:
            setattr(net, name, None)
        net.aux_logits = False  # it returns one tensor from now on
    if hasattr(net, "pretrained_cfg") and hasattr(net, "reset_classifier"):
        heads = net.pretrained_cfg["classifier"]
        net.reset_classifier(0)
        heads = (heads,) if isinstance(heads, str) else heads
        return net, tuple(f"{head}." for head in heads)
    linear = _last_of(net, nn.Linear)
    if linear:
        _replace(net, linear, nn.Identity())
        return net, (f"{linear}.", *(f"{name}." for name in auxiliary))
    convolution = _last_of(net, nn.Conv2d)
    if not convolution:
        raise ValueError("the module has no torch.nn.Linear or Conv2d to cut off.")
    # A convolution that classifies (SqueezeNet) is in a block with dropout and pooling. The whole
    # block is replaced by pooling.
    block = convolution.rpartition(".")[0]
    if not block:
        _replace(net, convolution, nn.Identity())
        return net, (f"{convolution}.",)
    _replace(net, block, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1)))
    return net, (f"{block}.",)


def pool(features: torch.Tensor) -> torch.Tensor:
    """Average feature maps ``(n, c, h, w)`` or tokens ``(n, t, c)`` to ``(n, c)`` float32."""
    if not torch.is_tensor(features):
        raise TypeError(f"it returns a {type(features).__name__}, not a tensor")
    if features.ndim == 4:
        features = features.mean(dim=(2, 3), dtype=torch.float32)
    elif features.ndim == 3:
        features = features.mean(dim=1, dtype=torch.float32)
    return features.float()


def input_channels(net: nn.Module) -> int:
    """Count the input channels of the first convolution of ``net``, 3 if it has none."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    return 3


def output_width(net: nn.Module, in_channels: int, size: tuple[int, int]) -> int:
    """Count the features of a net, by a trial with an image of this size."""
    device = next((tensor.device for tensor in net.parameters()), torch.device("cpu"))
    was_training = net.training
    net.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pool(net(torch.zeros(1, in_channels, *size, device=device))).shape[1]
    except Exception as error:
        shape = (1, in_channels, *size)
        raise ValueError(
            f"backbone={type(net).__name__} fails on a batch of shape {shape}: {error}"
        ) from error
    finally:
        net.train(was_training)


def _last_of(net: nn.Module, kind: type[nn.Module]) -> str:
    names = [name for name, module in net.named_modules() if isinstance(module, kind)]
    return names[-1] if names else ""


def _replace(net: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, new)
