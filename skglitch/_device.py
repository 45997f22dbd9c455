"""Where and in which number format a net runs: the only module that knows about devices."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from ._depthwise import DepthwiseGradients
from ._memory import keep_freed_memory

# Two departures from what torch and the C library do on a CPU, which SKGLITCH_TUNE_CPU=0 in the
# environment switches off. Time of a step of efficientnet_lite0 (batch of 32, one thread of a Xeon
# with AMX) without them, over the time with them, as medians of alternating pairs:
# - freed memory is kept for the next step (_memory.py): on 140 x 170 pixels 1.5 in float32 and 1.2
#   in bfloat16, on mosaics of 280 x 340 1.3 in both; for predictions 1.2, 0.9, 1.6 and 1.1;
# - gradients of depthwise convolutions in bfloat16 (_depthwise.py): 2.1 on either size.
_TUNING = "SKGLITCH_TUNE_CPU"

Module = TypeVar("Module", bound=nn.Module)

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

PRECISIONS = ("auto", *_DTYPES)


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Turn the ``device`` parameter of an estimator into a device that is there.

    Parameters
    ----------
    device : str or torch.device, default="auto"
        ``"auto"`` takes the first CUDA device where there is one, then Apple's ``"mps"``,
        then the CPU. Anything else is what :class:`torch.device` understands.

    Returns
    -------
    device : torch.device

    Raises
    ------
    ValueError
        If the name is not a device, or if that device is not there.

    Examples
    --------
    >>> from skglitch._device import choose_device
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if isinstance(device, str) and device == "auto":
        return torch.device(_best_device_type(torch.cuda.is_available(), _has_mps()))
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is not a device: use 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."
        ) from error
    _require_device(chosen)
    return chosen


def choose_exact_device(device: str | torch.device = "auto") -> torch.device:
    """Turn a ``device`` parameter into a device that computes in float64 and complex numbers.

    Parameters
    ----------
    device : str or torch.device, default="auto"
        As for :func:`choose_device`, but ``"auto"`` passes over Apple's ``"mps"``.

    Returns
    -------
    device : torch.device

    Raises
    ------
    ValueError
        As :func:`choose_device`, and for ``"mps"``, which has no float64.
    """
    if isinstance(device, str) and device == "auto":
        return torch.device(_best_device_type(torch.cuda.is_available(), has_mps=False))
    chosen = choose_device(device)
    if chosen.type == "mps":
        raise ValueError(
            f"device={str(device)!r} cannot compute in float64, which strain needs: use 'cpu'."
        )
    return chosen


def _best_device_type(has_cuda: bool, has_mps: bool) -> str:
    if has_cuda:
        return "cuda"
    return "mps" if has_mps else "cpu"


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _require_device(device: torch.device) -> None:
    there = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(_has_mps()),
    }
    if (device.index or 0) >= there.get(device.type, 0):
        found = [kind for kind, count in there.items() if count]
        raise ValueError(
            f"device={str(device)!r} is not there: this machine offers {', '.join(found)} "
            f"(CUDA devices: {there['cuda']}). Use device='auto' to take the best one."
        )


def choose_precision(
    precision: str, device: torch.device, *, fast_bfloat16: bool | None = None
) -> torch.dtype:
    """Turn the ``precision`` parameter of an estimator into the dtype of the heavy layers.

    ``"auto"`` means bfloat16 where the hardware multiplies it natively and float32
    elsewhere: emulated bfloat16 is several times *slower* than float32 on a CPU without
    AMX or AVX512-BF16. Weights, losses and what is returned stay float32 in any case.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
    device : torch.device
    fast_bfloat16 : bool, default=None
        Whether the device multiplies bfloat16 natively. None asks the device.

    Returns
    -------
    dtype : torch.dtype

    Examples
    --------
    >>> import torch
    >>> from skglitch._device import choose_precision
    >>> choose_precision("auto", torch.device("cpu"), fast_bfloat16=True)
    torch.bfloat16
    """
    if precision == "auto":
        if fast_bfloat16 is None:
            fast_bfloat16 = has_fast_bfloat16(device)
        return torch.bfloat16 if fast_bfloat16 else torch.float32
    if precision not in _DTYPES:
        raise ValueError(f"precision={precision!r} is not one of {', '.join(PRECISIONS)}.")
    return _DTYPES[precision]


def has_fast_bfloat16(device: torch.device) -> bool:
    """Tell whether ``device`` multiplies bfloat16 matrices in hardware.

    Examples
    --------
    >>> import torch
    >>> from skglitch._device import has_fast_bfloat16
    >>> has_fast_bfloat16(torch.device("meta"))
    False
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        # torch has no public question for this in the oldest supported release.
        queries = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        return any(getattr(torch.cpu, query, bool)() for query in queries)
    return False


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Context in which heavy layers run in ``dtype``; float32 means no context at all.

    On a CPU gradients of depthwise convolutions are computed by other kernels than those of torch,
    which are slow in bfloat16; ``SKGLITCH_TUNE_CPU=0`` in the environment leaves them to torch.

    Examples
    --------
    >>> import torch
    >>> from skglitch._device import autocast
    >>> with autocast(torch.device("cpu"), torch.bfloat16):
    ...     product = torch.ones(2, 2) @ torch.ones(2, 2)
    >>> product.dtype
    torch.bfloat16
    """
    if dtype == torch.float32:
        return contextlib.nullcontext()
    if _tunes(device) and torch.is_grad_enabled():
        return _autocast_to_train(dtype)
    return torch.autocast(device.type, dtype=dtype)


@contextlib.contextmanager
def _autocast_to_train(dtype: torch.dtype) -> Iterator[None]:
    with torch.autocast("cpu", dtype=dtype), DepthwiseGradients():
        yield


def kept_memory(device: torch.device) -> AbstractContextManager:
    """Context of many steps of the same size, within which a CPU keeps freed memory for the next.

    ``SKGLITCH_TUNE_CPU=0`` in the environment switches it off, and so do settings of malloc by
    the user, such as ``GLIBC_TUNABLES``.

    Examples
    --------
    >>> import torch
    >>> from skglitch._device import kept_memory
    >>> with kept_memory(torch.device("cpu")):
    ...     product = torch.ones(2, 2) @ torch.ones(2, 2)
    >>> product[0, 0].item()
    2.0
    """
    return keep_freed_memory() if _tunes(device) else contextlib.nullcontext()


def _tunes(device: torch.device) -> bool:
    return device.type == "cpu" and os.environ.get(_TUNING) != "0"


def exactly(device: torch.device) -> AbstractContextManager:
    """Context in which all layers run in float32, inside of another :func:`autocast` too.

    Examples
    --------
    >>> import torch
    >>> from skglitch._device import autocast, exactly
    >>> cpu = torch.device("cpu")
    >>> with autocast(cpu, torch.bfloat16), exactly(cpu):
    ...     product = torch.ones(2, 2) @ torch.ones(2, 2)
    >>> product.dtype
    torch.float32
    """
    return torch.autocast(device.type, enabled=False)


def to_channels_last(module: Module, device: torch.device) -> Module:
    """Move ``module`` to ``device`` with the memory layout its convolutions run fastest in.

    Examples
    --------
    >>> import torch
    >>> from skglitch._device import to_channels_last
    >>> net = to_channels_last(torch.nn.Conv2d(3, 8, 3), torch.device("cpu"))
    >>> net.weight.is_contiguous(memory_format=torch.channels_last)
    True
    """
    module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def to_device(batch: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy ``batch`` to ``device``, beside the computation where the device allows it."""
    if device.type == "cuda":
        return batch.pin_memory().to(device, non_blocking=True)
    return batch.to(device)


def median(values: torch.Tensor) -> torch.Tensor:
    """Median along the last dimension, the mean of the middle two of an even number.

    On the CPU numpy's selection takes an eighth of the time of torch's.
    """
    size = values.shape[-1]
    upper = size // 2
    if values.device.type != "cpu":
        ordered = values.sort(dim=-1).values
        return (ordered[..., (size - 1) // 2] + ordered[..., upper]) / 2
    # One place at a time: that is what numpy has vector instructions for.
    parts = np.partition(values.numpy(), upper, axis=-1)
    middle = parts[..., upper]
    if size % 2 == 0:
        middle = (middle + parts[..., :upper].max(axis=-1)) / 2
    return torch.from_numpy(np.asarray(middle))


@contextlib.contextmanager
def seeded(seed: int, device: torch.device):
    """Run a block with torch's generators seeded, and give the caller's state back after.

    Examples
    --------
    >>> import torch
    >>> from skglitch._device import seeded
    >>> with seeded(0, torch.device("cpu")):
    ...     first = torch.rand(2)
    >>> with seeded(0, torch.device("cpu")):
    ...     second = torch.rand(2)
    >>> torch.equal(first, second)
    True
    """
    indices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=indices):
        torch.manual_seed(seed)
        yield


def draw_seed(random_state: np.random.RandomState) -> int:
    """Draw a seed for torch from a numpy generator.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch._device import draw_seed
    >>> draw_seed(np.random.RandomState(0)) == draw_seed(np.random.RandomState(0))
    True
    """
    return int(random_state.randint(np.iinfo(np.int32).max))
