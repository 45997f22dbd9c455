"""Reading weights: once a process, never by unpickling code."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

StateDict = Mapping[str, torch.Tensor]


def read_state_dict(path: str | os.PathLike[str]) -> StateDict:
    """Read a state dict from a file, from memory where this process has read it before.

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
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"weights: {path!r} is not a file of tensors that torch.load(..., weights_only=True) "
            f"takes: {error}"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())):
        raise ValueError(f"weights: {path!r} does not hold a state dict (names and tensors).")
    return state


def load_into(net: nn.Module, state: StateDict, *, cut: tuple[str, ...], source: str) -> None:
    """Copy ``state`` into a net whose last layer is cut off.

    Parameters
    ----------
    net : torch.nn.Module
    state : mapping of str to Tensor
    cut : tuple of str
        Prefixes of keys that went with the last layer, or with auxiliary heads: ignored.
    source : str
        Where ``state`` comes from, for messages.

    Raises
    ------
    ValueError
        If the names or shapes are those of another net.
    """
    expected = net.state_dict()
    given = {key: value for key, value in state.items() if not key.startswith(cut)}
    missing = [key for key in expected if key not in given]
    unexpected = [key for key in given if key not in expected]
    misshapen = [
        key for key in expected if key in given and given[key].shape != expected[key].shape
    ]
    if missing or unexpected or misshapen:
        raise ValueError(
            f"weights: {source} holds weights of another net than {type(net).__name__}: "
            f"{_told('missing', missing)}, {_told('unexpected', unexpected)}, "
            f"{_told('of another shape', misshapen)}."
        )
    net.load_state_dict(given)


def _told(what: str, keys: list[str]) -> str:
    example = f" (such as {keys[0]!r})" if keys else ""
    return f"{len(keys)} {what}{example}"
