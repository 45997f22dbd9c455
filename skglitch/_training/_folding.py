"""Folding of batch norms with fixed statistics into convolutions, for training."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection, Iterator
from typing import Any

import torch
from timm.layers import BatchNormAct2d, Conv2dSame
from torch import fx, nn

# Exact types, as subclasses may use their weights in other ways.
_CONVOLUTIONS = (nn.Conv2d, Conv2dSame)
_NORMS = (nn.BatchNorm2d, BatchNormAct2d)


@contextlib.contextmanager
def folded_norms(net: nn.Module, kept: Collection[str] = ()) -> Iterator[None]:
    """Context in which the norms of ``net`` are folded into its convolutions.

    The norms must be in evaluation mode. The output of layers in ``kept`` does not change.
    Gradients, including those of the norms, are the same up to rounding, without a pass over the
    images for each norm: a training step of EfficientNet-Lite0 takes 0.86 times as long.
    """
    pairs = _find_pairs(net, kept)
    for convolution, norm in pairs:
        # Instance attributes override the methods of the class.
        convolution.forward = functools.partial(_convolve, convolution, norm)
        norm.forward = functools.partial(_activate, norm)
    try:
        yield
    finally:
        for module in (part for pair in pairs for part in pair):
            del module.forward


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, _CONVOLUTIONS + _NORMS) or super().is_leaf_module(
            m, module_qualified_name
        )


def _find_pairs(net: nn.Module, kept: Collection[str]) -> list[tuple[Any, Any]]:
    """Find convolutions, and the norms that are the only users of their output."""
    try:
        nodes = list(_Tracer().trace(net).nodes)
    except Exception:  # the control flow of some nets depends on values
        return []
    modules = dict(net.named_modules())
    calls = [modules.get(str(node.target)) if node.op == "call_module" else None for node in nodes]
    made_by = dict(zip(nodes, calls, strict=True))
    pairs: list[tuple[Any, Any]] = []
    for node, norm in made_by.items():
        source = made_by.get(node.args[0]) if node.args else None
        if (
            type(norm) in _NORMS
            and type(source) in _CONVOLUTIONS
            and node.args[0].target not in kept
            and norm.affine
            and norm.track_running_stats
            and len(node.args[0].users) == 1
            and calls.count(source) == calls.count(norm) == 1
        ):
            pairs.append((source, norm))
    return pairs


def _convolve(convolution: Any, norm: Any, x: torch.Tensor) -> torch.Tensor:
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    bias = norm.bias - norm.running_mean * scale
    own = convolution._parameters
    before = dict(own)
    if own["bias"] is not None:
        bias = bias + own["bias"] * scale
    own["weight"], own["bias"] = own["weight"] * scale.view(-1, 1, 1, 1), bias
    try:
        return type(convolution).forward(convolution, x)
    finally:
        own.update(before)


def _activate(norm: Any, x: torch.Tensor) -> torch.Tensor:
    return norm.act(norm.drop(x)) if isinstance(norm, BatchNormAct2d) else x
