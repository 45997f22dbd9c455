"""Where and in which number format a net runs: the only module that knows about devices."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from ._depthwise import DepthwiseGradients

# Two departures from what torch and the C library do on a CPU, which SKGLITCH_TUNE_CPU=0 in the
# environment switches off. Time of a step of efficientnet_lite0 (batch of 32, one thread of a Xeon
# with AMX) without them, over the time with them, as medians of alternating pairs:
# - freed memory is kept for the next step (kept_memory): on 140 x 170 pixels 1.5 in float32 and 1.2
#   in bfloat16, on mosaics of 280 x 340 1.3 in both; for predictions 1.2, 0.9, 1.6 and 1.1;
# - gradients of depthwise convolutions in bfloat16 (_depthwise.py): 2.1 on either size.
_TUNING = "SKGLITCH_TUNE_CPU"

# Numbers of glibc's malloc.h. A block above the mmap threshold is fetched from the kernel and
# given back each time; free memory above the trim threshold at the end of the heap is given back.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEEP = {_MMAP_THRESHOLD: 2**30, _TRIM_THRESHOLD: 2**31 - 1}
# What glibc itself arrives at once a program has freed a block of 32 MB.
_USUAL = {_MMAP_THRESHOLD: 2**25, _TRIM_THRESHOLD: 2**26}
_USERS_SETTINGS = {
    *("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_")
}
_lock = threading.Lock()
_users = 0

Module = TypeVar("Module", bound=nn.Module)

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

PRECISIONS = ("auto", *_DTYPES)


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device that ``device`` names; "auto" is CUDA, else Apple's MPS, else the CPU."""
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    # The fastest type first.
    counts = {"cuda": n_cuda, "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if isinstance(device, str) and device == "auto":
        return torch.device(next(kind for kind, count in counts.items() if count))
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is not a device: use 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."
        ) from error
    if (chosen.index or 0) >= counts.get(chosen.type, 0):
        found = [kind for kind, count in counts.items() if count]
        raise ValueError(
            f"device={str(device)!r} is not there: this machine offers {', '.join(found)} "
            f"(CUDA devices: {counts['cuda']}). Use device='auto' to take the best one."
        )
    return chosen


def choose_exact_device(device: str | torch.device = "auto") -> torch.device:
    """Like `choose_device`, for float64 and complex numbers, which Apple's MPS lacks."""
    chosen = choose_device(device)
    if chosen.type != "mps":
        return chosen
    if isinstance(device, str) and device == "auto":
        return torch.device("cpu")
    raise ValueError(
        f"device={str(device)!r} cannot compute in float64, which strain needs: use 'cpu'."
    )


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype of the heavy layers; weights and results are float32 in any case."""
    # bfloat16 that is emulated is several times slower.
    if precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    if precision not in _DTYPES:
        raise ValueError(f"precision={precision!r} is not one of {', '.join(PRECISIONS)}.")
    return _DTYPES[precision]


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether ``device`` multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        # torch has no public question for this in the oldest supported release.
        queries = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        return any(getattr(torch.cpu, query, bool)() for query in queries)
    return False


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Context in which heavy layers run in ``dtype``; nothing changes for float32."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    if _tunes(device) and torch.is_grad_enabled():
        return _autocast_to_train(dtype)
    return torch.autocast(device.type, dtype=dtype)


@contextlib.contextmanager
def _autocast_to_train(dtype: torch.dtype) -> Iterator[None]:
    with torch.autocast("cpu", dtype=dtype), DepthwiseGradients():
        yield


@contextlib.contextmanager
def kept_memory(device: torch.device) -> Iterator[None]:
    """Context of steps of one size, for which a CPU keeps freed memory, unless malloc is set up."""
    # Activations are tens of megabytes each. By default glibc maps such blocks anew for every layer
    # of every step, and the kernel fills their pages with zeros.
    libc = _glibc() if _tunes(device) and not _USERS_SETTINGS & os.environ.keys() else None
    if libc is None:
        yield
        return
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _set(libc, _KEEP)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _set(libc, _USUAL)
                libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if os.name != "posix":
        return None
    libc = ctypes.CDLL(None)
    there = all(hasattr(libc, name) for name in ("mallopt", "malloc_trim", "gnu_get_libc_version"))
    return libc if there else None


def _set(libc: ctypes.CDLL, options: Mapping[int, int]) -> None:
    for option, value in options.items():
        libc.mallopt(option, value)


def _tunes(device: torch.device) -> bool:
    return device.type == "cpu" and os.environ.get(_TUNING) != "0"


def exactly(device: torch.device) -> AbstractContextManager:
    """Context in which all layers run in float32, inside of `autocast` too."""
    return torch.autocast(device.type, enabled=False)


def to_channels_last(module: Module, device: torch.device) -> Module:
    """Move ``module`` to ``device``, in the memory layout that is fastest for convolutions."""
    module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def to_device(batch: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy ``batch`` to ``device``, beside the computation where the device allows it."""
    if device.type == "cuda":
        return batch.pin_memory().to(device, non_blocking=True)
    return batch.to(device)


def median(values: torch.Tensor) -> torch.Tensor:
    """Median along the last dimension, the mean of the middle two of an even number."""
    size = values.shape[-1]
    upper = size // 2
    if values.device.type != "cpu":
        ordered = values.sort(dim=-1).values
        return (ordered[..., (size - 1) // 2] + ordered[..., upper]) / 2
    # An eighth of torch's time. numpy has vector instructions for one place at a time.
    parts = np.partition(values.numpy(), upper, axis=-1)
    middle = parts[..., upper]
    if size % 2 == 0:
        middle = (middle + parts[..., :upper].max(axis=-1)) / 2
    return torch.from_numpy(np.asarray(middle))


@contextlib.contextmanager
def seeded(seed: int, device: torch.device):
    """Run a block with torch's generators seeded, and restore their state afterwards."""
    indices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=indices):
        torch.manual_seed(seed)
        yield


def draw_seed(random_state: np.random.RandomState) -> int:
    """Draw a seed for torch."""
    return int(random_state.randint(np.iinfo(np.int32).max))
