"""Loading of weights: once per process, without running code in a file."""

from __future__ import annotations

import functools
import os
import re
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .._files import refuse_bomb

StateDict = Mapping[str, torch.Tensor]
# Old names in torchvision's file for DenseNet: "norm.1" is now "norm1".
_OLD_DENSENET_NAME = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..+)$")


def read_state_dict(path: str | os.PathLike[str]) -> StateDict:
    """Read a state dict, once per process. Callers share it and must not change it."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"weights: there is no file {str(file)!r}.")
    stat = file.stat()
    return _read_cached(str(file), stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=4)
def _read_cached(path: str, _mtime_ns: int, _size: int) -> StateDict:
    # Modification time and size invalidate the cache when a file changes.
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            state: Any = load_file(path)
        elif path.endswith(".skglitch"):
            state = _read_model(path)
        else:
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    refuse_bomb(archive)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"weights: {path!r} is not a file of tensors that torch.load(..., weights_only=True) "
            f"or safetensors takes; if it was downloaded, delete it and try again: {error}"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    return check_state_dict(state, repr(path))


def _read_model(path: str) -> StateDict:
    """Read the backbone of a classifier or transformer in a file of skglitch."""
    from safetensors.torch import load

    with zipfile.ZipFile(path) as archive:
        refuse_bomb(archive)
        arrays = load(archive.read("weights.safetensors"))
    parts = {name: name.rpartition("backbone.net.")[2] for name in arrays}
    state = {part: arrays[name] for name, part in parts.items() if part != name}
    if len(state) < sum(part != name for name, part in parts.items()):
        raise ValueError("it holds several nets")
    return state


def check_state_dict(state: Any, source: str) -> StateDict:
    """Return ``state`` if it is a mapping from names to real tensors, else raise ValueError."""
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and _holds_numbers(value) for name, value in state.items()
    ):
        raise ValueError(f"weights: {source} does not hold a state dict (names and tensors).")
    return state


def _holds_numbers(value: Any) -> bool:
    # Complex numbers would lose their imaginary part, and "meta" tensors have no values.
    return torch.is_tensor(value) and not value.is_complex() and value.device.type != "meta"


def load(net: nn.Module, state: StateDict, *, cut: tuple[str, ...], source: str) -> None:
    """Copy a state dict into a net without its head, keeping the dtypes of the net."""
    expected = net.state_dict()
    # The counters of batch norms, which old files lack.
    counters = {key for key in expected if key.rpartition(".")[2] == "num_batches_tracked"}
    renamed = {_OLD_DENSENET_NAME.sub(r"\1\2", key): value for key, value in state.items()}
    given = OrderedDict((key, v) for key, v in renamed.items() if not key.startswith(cut))
    missing = [key for key in expected if key not in given and key not in counters]
    unexpected = [key for key in given if key not in expected]
    misshapen = [key for key, v in expected.items() if key in given and given[key].shape != v.shape]
    if missing or unexpected or misshapen:
        raise ValueError(
            f"weights: {source} does not hold the weights of {type(net).__name__}, which has "
            f"{len(expected) - len(counters)} tensors: {_count('missing', missing)}, "
            f"{_count('unexpected', unexpected)}, {_count('of another shape', misshapen)}."
        )
    numbers = {key: value for key, value in given.items() if value.is_floating_point()}
    infinite = [key for key, value in numbers.items() if not torch.isfinite(value).all()]
    if infinite:
        raise ValueError(
            f"weights: {source} has {_count('tensors with NaN or infinity', infinite)}."
        )
    for key in counters - given.keys():
        given[key] = torch.zeros_like(expected[key])
    # Some nets read the version of their state dict from it.
    if hasattr(state, "_metadata"):
        given._metadata = state._metadata  # type: ignore[attr-defined]
    net.load_state_dict(given)


def _count(what: str, keys: list[str]) -> str:
    example = f" (such as {keys[0]!r})" if keys else ""
    return f"{len(keys)} {what}{example}"
