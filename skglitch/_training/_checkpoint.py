"""The state of a training after each epoch, on disk."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib.hashing import NumpyHasher
from skorch import NeuralNet
from skorch.callbacks import Callback, LRScheduler
from skorch.history import History
from torch import nn

from .._files import written_whole
from .._lazy_array import LazyArray, read_parts
from .._version import __version__

# The first two are hashed with the net, the others do not change its weights on a CPU.
_LEFT_OUT = {"backbone", "weights", "checkpoint", "device", "engine", "verbose"}


class _Hasher(NumpyHasher):
    """joblib's hasher, but for tensors by value, not by address."""

    def save(self, obj: Any) -> None:
        if isinstance(obj, LazyArray):
            for part in read_parts(obj):
                self._hash.update(part.reshape(-1))
            obj = obj.dtype.str, obj.shape
        if isinstance(obj, torch.Tensor):
            values = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            obj = str(obj.dtype), tuple(obj.shape), values.numpy()
        super().save(obj)


def checkpoint_file(folder: Path, params: Mapping[str, Any], net: nn.Module, *data: Any) -> Path:
    """Return the file of a fit, which depends on parameters, initial net, data and versions."""
    given = {name: value for name, value in params.items() if name not in _LEFT_OUT}
    initial = repr(net), dict(net.state_dict())
    hasher = _Hasher("md5", coerce_mmap=True)
    try:
        digest = hasher.hash((given, initial, data, __version__, torch.__version__))
    except Exception as error:  # of many types, from objects of the user
        raise ValueError(
            f"checkpoint={str(folder)!r} needs augment, net_params and callbacks that can be "
            f"pickled: {error.args[-1] if error.args else error!r}"
        ) from error
    return folder / f"{digest}.checkpoint"


class EpochCheckpoint(Callback):
    """Save everything that the next epoch depends on, and restore it before the first."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.can_write_ = True

    def restore(self, net: NeuralNet) -> None:
        """Restore the state on disk, if any, of `net`, whose training is about to start."""
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
        except (FileNotFoundError, NotADirectoryError):
            return
        except Exception as error:  # of many types, for a damaged file
            raise ValueError(
                f"{str(self.file)!r} is damaged: delete it to train from the start."
            ) from error
        net.history_ = History(state["history"])
        net.module_.load_state_dict(state["weights"])
        net.optimizer_.load_state_dict(state["optimizer"])
        if net.scaler_ is not None:
            net.scaler_.load_state_dict(state["scaler"])
        for name, callback in net.callbacks_:
            vars(callback).update(state["callbacks"].get(name, {}))
            if isinstance(callback, LRScheduler):
                callback.lr_scheduler_.load_state_dict(state["schedule"])
        _set_generators(torch.device(net.device), state["generators"])

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Write the state, in the first of several processes."""
        if net.processes_.rank:
            return
        schedulers = [c.lr_scheduler_ for _, c in net.callbacks_ if isinstance(c, LRScheduler)]
        state = {
            "history": [_plain(row) for row in net.history],
            "weights": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "scaler": {} if net.scaler_ is None else net.scaler_.state_dict(),
            "callbacks": {name: _plain(_fitted(callback)) for name, callback in net.callbacks_},
            "schedule": schedulers[0].state_dict(),
            "generators": _get_generators(torch.device(net.device)),
        }
        # Via memory, as torch.save converts OSError to RuntimeError on a full disk.
        content = io.BytesIO()
        torch.save(state, content)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(self.file) as file:
                file.write(content.getbuffer())
        except OSError as error:
            if self.can_write_:
                warnings.warn(
                    f"Training continues without a checkpoint: {error}", UserWarning, stacklevel=2
                )
            self.can_write_ = False


def _fitted(callback: Callback) -> dict[str, Any]:
    return {name: value for name, value in vars(callback).items() if name.endswith("_")}


def _plain(value: Any) -> Any:
    """Copy numbers, strings and tensors, also in containers, and drop everything else."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        items = ((name, _plain(item)) for name, item in value.items())
        return {name: item for name, item in items if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | torch.Tensor) else None


def _get_generators(device: torch.device) -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type not in ("cpu", "mps"):
        states[device.type] = torch.get_device_module(device).get_rng_state(device)
    return states


def _set_generators(device: torch.device, states: Mapping[str, torch.Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type in states and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[device.type], device)
