"""A net over many images: streamed, without gradients, into one array."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from .._device import autocast, kept_memory, to_device
from ._data import as_batch
from ._scale import PixelScale


def run_in_batches(
    module: nn.Module,
    function: Callable[[torch.Tensor], torch.Tensor],
    images: np.ndarray,
    scale: PixelScale,
    *,
    batch_size: int,
    device: torch.device,
    dtype: torch.dtype,
    progress: str = "",
) -> np.ndarray:
    """Apply ``function`` of ``module`` to images, and return its rows as one float32 array.

    Heavy layers run in `dtype`. `progress` is the title of a progress bar; none if empty.
    """
    module.eval()
    output: np.ndarray | None = None
    starts = range(0, len(images), batch_size)
    with kept_memory(device), torch.inference_mode(), autocast(device, dtype):
        for start in tqdm(starts, desc=progress, unit="batch", disable=not progress):
            rows = slice(start, start + batch_size)
            batch = to_device(as_batch(images[rows], scale), device)
            result = function(batch).float().cpu().numpy()
            if output is None:
                # Filled in place: batches in a list, joined at the end, would take twice the
                # memory.
                output = np.empty((len(images), result.shape[1]), dtype=np.float32)
            output[rows] = result
    assert output is not None  # there is at least one image
    return output
