"""Devices and number formats. No other module deals with devices."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import numpy as np
import torch
from scipy import fft
from torch import nn

from ._depthwise import DepthwiseGradients

# Two CPU optimizations, which SKGLITCH_TUNE_CPU=0 in the environment disables. Speedups of a step
# of efficientnet_lite0 (batch of 32, one thread of a Xeon with AMX), medians of alternating pairs:
# - freed memory is kept for the next step (kept_memory): on 140 x 170 pixels 1.5 in float32 and 1.2
#   in bfloat16, on mosaics of 280 x 340 1.3 in both; for predictions 1.2, 0.9, 1.6 and 1.1;
# - gradients of depthwise convolutions in bfloat16 (_depthwise.py): 2.1 on either size.
_TUNING = "SKGLITCH_TUNE_CPU"

# Constants of glibc's malloc.h. Blocks above the mmap threshold are mapped and unmapped each time.
# Free memory above the trim threshold at the end of the heap is returned to the system.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEEP = {_MMAP_THRESHOLD: 2**30, _TRIM_THRESHOLD: 2**31 - 1}
# The thresholds that glibc chooses after a program has freed a block of 32 MB. Dask sets the
# variable in its workers, which made predictions by torch take 1.6 times as long.
_USUAL = {
    _MMAP_THRESHOLD: 2**25,
    _TRIM_THRESHOLD: int(os.environ.get("MALLOC_TRIM_THRESHOLD_") or 2**26),
}
_USERS_SETTINGS = {"GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_"}
# In s. Shorter calls do not return memory to the system.
_LONG = 0.2
_lock = threading.Lock()
_users = 0

Module = TypeVar("Module", bound=nn.Module)

_HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}

PRECISIONS = ("auto", "float32", "tf32", *_HALF, "int8")


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Return a device with its index; "auto" is a GPU if there is one."""
    kind, n_devices = _accelerator()
    if isinstance(device, str) and device == "auto":
        device = kind or "cpu"
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is not a device: use 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."
        ) from error
    if chosen.type == "cpu" and not chosen.index:
        return torch.device("cpu")
    if chosen.type != kind or (chosen.index or 0) >= n_devices:
        found = ", ".join(["cpu", *(f"{kind}:{index}" for index in range(n_devices))])
        raise ValueError(
            f"device={str(device)!r} is not there: this machine offers {found}. Use device='auto' "
            "to take the best one."
        )
    # With an index, as otherwise torch.cuda.set_device would change it.
    index = torch.accelerator.current_device_index() if chosen.index is None else chosen.index
    return torch.device(kind, index)


def _accelerator() -> tuple[str, int]:
    """Return the type of the GPUs that torch can use, and their number."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return (found.type, torch.accelerator.device_count()) if found else ("", 0)


def replace_missing(device: Any) -> tuple[Any, str]:
    """Return ``device`` and "", or "auto" and a remark if there is no such device."""
    try:
        choose_device(device)
    except ValueError:
        return "auto", f"device={str(device)!r} is not there, 'auto' takes its place"
    return device, ""


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


def choose_precision(precision: str, device: torch.device) -> str:
    """Return the number format of convolutions and matrix products.

    "int8" is for the inference engine only, and is "auto" here.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r} is not one of {', '.join(PRECISIONS)}.")
    # Emulated bfloat16 is several times slower.
    automatic = "bfloat16" if has_fast_bfloat16(device) else "float32"
    return automatic if precision in ("auto", "int8") else precision


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether ``device`` multiplies bfloat16 matrices in hardware."""
    if device.type == "cpu":
        # The oldest supported release of torch has no public function for this.
        queries = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        return any(getattr(torch.cpu, query, bool)() for query in queries)
    module = torch.get_device_module(device)
    if not hasattr(module, "is_bf16_supported"):
        return False
    with module.device(device.index):  # the function checks the current device
        return module.is_bf16_supported(including_emulation=False)


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Context of autocast to ``precision``, if it has 16 bits."""
    if precision not in _HALF:
        return contextlib.nullcontext()
    dtype = _HALF[precision]
    if _tunes(device) and torch.is_grad_enabled() and dtype == torch.bfloat16:
        return _autocast_to_train(dtype)
    return torch.autocast(device.type, dtype=dtype)


@contextlib.contextmanager
def computing(
    device: torch.device, precision: str = "float32", *, training: bool = False
) -> Iterator[None]:
    """Context of many steps of one size, in which memory is kept.

    It also sets whether float32 is TensorFloat-32 on Nvidia GPUs.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(kept_memory(device))
        if device.type == "cuda":
            backends: Any = torch.backends
            value = "tf32" if precision == "tf32" else "ieee"
            # All three, as torch raises an error if those of cuDNN differ.
            for owner in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn):
                stack.enter_context(_set_for_a_while(owner, "fp32_precision", value))
            if training:
                stack.enter_context(_set_for_a_while(backends.cudnn, "benchmark", True))
        yield


@contextlib.contextmanager
def _set_for_a_while(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def loss_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler | None:
    """Return a scaler of the loss for float16, in which small gradients underflow."""
    # With torch's initial scale, which is higher, the first steps overflow and are skipped.
    return torch.amp.GradScaler(device.type, init_scale=1024.0) if precision == "float16" else None


@contextlib.contextmanager
def _autocast_to_train(dtype: torch.dtype) -> Iterator[None]:
    with torch.autocast("cpu", dtype=dtype), DepthwiseGradients():
        yield


@contextlib.contextmanager
def kept_memory(device: torch.device) -> Iterator[None]:
    """Context in which freed memory of a CPU is kept, unless the user has configured malloc."""
    # Activations take tens of megabytes. By default glibc maps such blocks for every layer of every
    # step, and the kernel fills their pages with zeros.
    libc = _glibc() if _tunes(device) and not _USERS_SETTINGS & os.environ.keys() else None
    if libc is None:
        yield
        return
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _set(libc, _KEEP)
    start = time.monotonic()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _set(libc, _USUAL)
                # Returning memory and mapping it again takes as long as a single glitch.
                if time.monotonic() - start > _LONG:
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
    """Context in which all layers run in float32, even inside `autocast`."""
    return torch.autocast(device.type, enabled=False)


def to_channels_last(module: Module, device: torch.device) -> Module:
    """Move ``module`` to ``device``, in the memory layout that is fastest for convolutions."""
    module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def to_device(batch: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move ``batch`` to ``device``, asynchronously if it is a CUDA device."""
    if device.type == "cuda" and batch.device.type == "cpu":
        return batch.pin_memory().to(device, non_blocking=True)
    return batch.to(device)


def free_memory(device: torch.device) -> tuple[int, int] | None:
    """Return the free and total memory of a GPU in bytes, None if unknown."""
    module: Any = None if device.type == "cpu" else torch.get_device_module(device)
    return module.mem_get_info(device) if hasattr(module, "mem_get_info") else None


@contextlib.contextmanager
def explaining_memory(device: torch.device, batch_size: int) -> Iterator[None]:
    """Context that adds advice to out-of-memory errors of the GPU."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        left = ""
        if memory := free_memory(device):
            left = f", with {memory[0] / 1e9:.1f} of {memory[1] / 1e9:.1f} GB free"
        raise torch.OutOfMemoryError(
            f"{device} ran out of memory at batch_size={batch_size}{left}. "
            "Use a smaller batch_size or backbone, close other programs on the GPU, or use "
            "device='cpu'."
        ) from error


def median(values: torch.Tensor) -> torch.Tensor:
    """Median along the last dimension, as in numpy."""
    size = values.shape[-1]
    upper = size // 2
    if values.device.type != "cpu":
        ordered = values.sort(dim=-1).values
        return (ordered[..., (size - 1) // 2] + ordered[..., upper]) / 2
    # An eighth of torch's time. numpy is fast if it partitions at one index.
    parts = np.partition(values.numpy(), upper, axis=-1)
    middle = parts[..., upper]
    if size % 2 == 0:
        middle = (middle + parts[..., :upper].max(axis=-1)) / 2
    return torch.from_numpy(np.asarray(middle))


def rfft(values: torch.Tensor, n: int | None = None) -> torch.Tensor:
    """Fourier transform of real values along the last dimension."""
    if values.device.type != "cpu":
        return torch.fft.rfft(values, n=n)
    # A third of torch's time for one long row, as torch makes a plan each time.
    return torch.from_numpy(fft.rfft(values.numpy(), n=n, workers=torch.get_num_threads()))


def irfft(spectrum: torch.Tensor, n: int) -> torch.Tensor:
    """Inverse of `rfft`."""
    if spectrum.device.type != "cpu":
        return torch.fft.irfft(spectrum, n=n)
    return torch.from_numpy(fft.irfft(spectrum.numpy(), n=n, workers=torch.get_num_threads()))


@contextlib.contextmanager
def seeded(seed: int, device: torch.device):
    """Context in which the generators of CPU and ``device`` are seeded, then restored."""
    # torch.manual_seed would also seed all other GPUs. The generator of MPS cannot be restored.
    indices = [] if device.type in ("cpu", "mps") else [device.index]
    with torch.random.fork_rng(indices, device_type=device.type if indices else None):
        torch.default_generator.manual_seed(seed)
        if device.type == "mps":
            torch.mps.manual_seed(seed)
        for index in indices:
            module = torch.get_device_module(device)
            with module.device(index):
                module.manual_seed(seed)
        yield


def dump_module(module: nn.Module) -> bytes:
    """Pickle ``module`` so that `load_module` can load it without a GPU."""
    file = io.BytesIO()
    torch.save(module, file)
    return file.getvalue()


def load_module(dump: bytes, device: str | torch.device) -> Any:
    """Load a pickled module to ``device``, or to another one if there is no such device."""
    device, remark = replace_missing(device)
    if remark:
        warnings.warn(f"{remark}.", stacklevel=3)
    return torch.load(io.BytesIO(dump), map_location=choose_device(device), weights_only=False)


def draw_seed(random_state: np.random.RandomState) -> int:
    """Draw a seed for torch."""
    return int(random_state.randint(np.iinfo(np.int32).max))
