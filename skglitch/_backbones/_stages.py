"""Stages of a net from input to output: what is unfrozen, or given a learning rate, together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from torch import nn

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
# A block with a larger part of all layers than this is no block but holds most of the net.
_LARGEST_BLOCK = 0.25


def stages_of(net: nn.Module) -> list[tuple[str, ...]]:
    """Group the modules of ``net`` into stages, in the order of definition.

    Parameters
    ----------
    net : torch.nn.Module

    Returns
    -------
    stages : list of tuple of str
        Names of modules, and of parameters and buffers that ``net`` or a container holds
        itself. A tensor is in a stage if its name is there, or starts with a name there and a
        dot; each tensor is in exactly one.

    Notes
    -----
    Containers are opened, and so are other modules that hold more than a quarter of all layers
    (the encoder of a vision transformer, a net within a net); the blocks that come to light are
    a stage each. What has no layer, that is no parameter with two axes or more, joins the stage
    before it: batch norms, activations, pooling.
    """
    stages: list[tuple[str, ...]] = []
    stage: list[str] = []
    has_layer = False
    for name, is_layer in _parts(net, "", _n_layers(net)):
        if is_layer and has_layer:
            stages.append(tuple(stage))
            stage = []
        stage.append(name)
        has_layer |= is_layer
    return [*stages, tuple(stage)] if stage else stages


def _parts(module: nn.Module, prefix: str, n_layers: int) -> Iterator[tuple[str, bool]]:
    """Names of what a container holds, and whether there are layers in it."""
    own = itertools.chain(
        module.named_parameters(recurse=False), module.named_buffers(recurse=False)
    )
    for name, _ in own:
        yield prefix + name, False
    for name, child in module.named_children():
        here = _n_layers(child)
        is_block = not isinstance(child, _CONTAINERS) and here <= _LARGEST_BLOCK * n_layers
        if is_block or not any(True for _ in child.children()):
            yield prefix + name, here > 0
        else:
            yield from _parts(child, f"{prefix}{name}.", n_layers)


def _n_layers(module: nn.Module) -> int:
    return sum(parameter.ndim > 1 for parameter in module.parameters())
