"""Reading weights: once a process, never by unpickling code."""

from __future__ import annotations

import functools
import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

StateDict = Mapping[str, torch.Tensor]
# Batch norms count batches in it; files of old have none.
_COUNTER = "num_batches_tracked"
# Names as torchvision's file for DenseNet has them: "norm.1" is "norm1" today.
_OF_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..+)$")


def read_state_dict(path: str | os.PathLike[str]) -> StateDict:
    """Read a state dict from a file, from memory where this process has read it before.

    Parameters
    ----------
    path : path
        A file of :func:`torch.save`, or of safetensors if its name ends so.

    Returns
    -------
    state : mapping of str to Tensor
        Shared by all who read the file: to copy from, not to change.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a state dict that loads without running code.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"weights: there is no file {str(file)!r}.")
    stat = file.stat()
    return _read_cached(str(file), stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=4)
def _read_cached(path: str, _mtime_ns: int, _size: int) -> StateDict:
    # Modification time and size are there to make a changed file another key.
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"weights: {path!r} is not a file of tensors that torch.load(..., weights_only=True) "
            f"or safetensors takes; if it was downloaded, delete it and try again: {error}"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    return check_state_dict(state, repr(path))


def check_state_dict(state: Any, source: str) -> StateDict:
    """Return ``state`` if it is a mapping of names to tensors, else fail."""
    if not isinstance(state, Mapping) or not all(map(torch.is_tensor, state.values())):
        raise ValueError(f"weights: {source} does not hold a state dict (names and tensors).")
    return state


def fit(
    net: nn.Module, state: StateDict, *, cut: tuple[str, ...], source: str
) -> dict[str, torch.Tensor]:
    """Check that a state dict is that of a net whose last layer is cut off, maybe a sketch.

    Parameters
    ----------
    net : torch.nn.Module
    state : mapping of str to Tensor
    cut : tuple of str
        Prefixes of keys that went with the last layer, or with auxiliary heads: ignored.
    source : str
        Where ``state`` comes from, for messages.

    Returns
    -------
    given : dict
        The tensors of the net, under the net's names.

    Raises
    ------
    ValueError
        If tensors are missing, unexpected or of another shape than the net's.
    """
    expected = net.state_dict()
    counters = {key for key in expected if key.rpartition(".")[2] == _COUNTER}
    named = {_OF_DENSENET.sub(r"\1\2", key): value for key, value in state.items()}
    named = {key: value for key, value in named.items() if not key.startswith(cut)}
    given = {key: value for key, value in named.items() if key in expected}
    missing = [key for key in expected if key not in given and key not in counters]
    unexpected = [key for key in named if key not in expected]
    misshapen = [key for key, value in given.items() if value.shape != expected[key].shape]
    if misshapen or unexpected or missing:
        n_expected = len(expected) - len(counters)
        raise ValueError(
            f"weights: {source} does not hold the weights of {type(net).__name__}, which has "
            f"{n_expected} tensors: {_count('missing', missing)}, "
            f"{_count('unexpected', unexpected)}, {_count('of another shape', misshapen)}."
        )
    return given


def load(net: nn.Module, given: dict[str, torch.Tensor], state: StateDict) -> None:
    """Copy ``given`` into ``net``, which keeps its number format."""
    given = OrderedDict(given)
    for key, value in net.state_dict().items():
        if key.rpartition(".")[2] == _COUNTER and key not in given:
            given[key] = torch.zeros_like(value, device="cpu")
    # Some nets look there for the version of the layout of their weights.
    metadata = getattr(state, "_metadata", None)
    if metadata is not None:
        given._metadata = metadata  # type: ignore[attr-defined]
    net.load_state_dict(given, strict=True)


def _count(what: str, keys: list[str]) -> str:
    example = f" (such as {keys[0]!r})" if keys else ""
    return f"{len(keys)} {what}{example}"
