"""Nets without memory for their weights: quick to build, and filled once weights are known."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import torch
from torch import nn

from ._surgery import pool


def sketch(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a net on the meta device, where nothing is computed or kept, if that works.

    Parameters
    ----------
    build : callable
        Returns a net.

    Returns
    -------
    net : torch.nn.Module
        On the meta device, or, where the net computes with numbers while it is built, on the
        CPU.
    """
    # Whether this runs depends on what the process did before; random numbers must not.
    with torch.random.fork_rng(devices=()):
        try:
            with torch.device("meta"):
                return build()
        except (RuntimeError, TypeError, ValueError):
            return build()


def from_sketch(net: nn.Module) -> nn.Module | None:
    """Copy a sketch to the CPU with memory for its state dict, whose values are not set.

    Returns
    -------
    net : torch.nn.Module or None
        None if a state dict would not set all there is to set.
    """
    in_state = set(net.state_dict())
    if any(name not in in_state for name, _ in net.named_buffers()):
        return None
    if any(torch.is_tensor(value) for module in net.modules() for value in vars(module).values()):
        return None
    return copy.deepcopy(net).to_empty(device="cpu")


def output_width(net: nn.Module, in_channels: int, size: tuple[int, int]) -> int:
    """Find the number of features that a net gives by a trial.

    Parameters
    ----------
    net : torch.nn.Module
    in_channels : int
    size : tuple of int
        Height and width of the picture it is tried with.

    Returns
    -------
    width : int

    Raises
    ------
    TypeError
        If it returns something else than a tensor.
    """
    device = next((tensor.device for tensor in net.parameters()), torch.device("cpu"))
    was_training = net.training
    net.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            output = net(torch.zeros(1, in_channels, *size, device=device))
    finally:
        net.train(was_training)
    if not torch.is_tensor(output):
        raise TypeError(f"it returns a {type(output).__name__}, not a tensor")
    return pool(output).shape[1]
