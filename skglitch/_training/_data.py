"""Batches of arrays on disk or in memory, and inference."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from .._device import autocast, computing, explaining_memory, free_memory, to_device
from .._engine import choose_forward
from ._scale import PixelScale

# Number of images to copy to a GPU at a time.
_COPIED = 256


class ImageDataset(Dataset):
    """Rows of images, such as a memory map, with encoded labels, fetched a batch at a time."""

    def __init__(
        self,
        images: np.ndarray,
        targets: np.ndarray,
        scale: PixelScale,
        rows: np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
    ) -> None:
        self.images = images
        self.targets = targets
        self.scale = scale
        self.rows = np.arange(len(images)) if rows is None else rows
        self.sample_weight = sample_weight
        self.on_gpu: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        batch, targets = self.__getitems__([index])
        return {name: values[0] for name, values in batch.items()}, targets[0]

    def __getitems__(self, indices: list[int]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        rows = self.rows[indices]
        batch = {"images": self._fetch(np.asarray(indices))}
        if self.sample_weight is not None:
            batch["sample_weight"] = torch.from_numpy(self.sample_weight[rows])
        return batch, torch.from_numpy(self.targets[rows])

    def sample(
        self, n_images: int, batch_size: int, device: torch.device
    ) -> Iterator[torch.Tensor]:
        """Batches of up to ``n_images`` different images, drawn at random, on ``device``."""
        order = torch.randperm(len(self))[:n_images].numpy()
        for part in np.array_split(order, -(-len(order) // batch_size)):
            yield to_device(self._fetch(part), device)

    def copy_to(self, device: torch.device) -> None:
        """Copy the images to a GPU if they are uint8 and fit into half of its free memory."""
        memory = free_memory(device)
        size = (len(self), *self.images.shape[1:])
        is_uint8 = self.images.dtype == np.uint8 and self.scale.is_uint8
        if memory is None or not is_uint8 or math.prod(size) > memory[0] / 2:
            return
        copy = torch.empty(size, dtype=torch.uint8, device=device)
        for start in range(0, len(self), _COPIED):
            part = np.arange(start, min(start + _COPIED, len(self)))
            copy[start : start + _COPIED] = to_device(self._fetch(part), device)
        self.on_gpu = copy

    def _fetch(self, indices: np.ndarray) -> torch.Tensor:
        """Images of the rows with these indices, on a GPU if they have been copied to it."""
        if self.on_gpu is not None:
            return self.on_gpu[to_device(torch.from_numpy(indices), self.on_gpu.device)]
        return as_batch(self.images[self.rows[indices]], self.scale)


def as_batch(images: np.ndarray, scale: PixelScale) -> torch.Tensor:
    """Convert rows of X to a tensor: uint8 stays uint8, and is converted on the device."""
    images = np.asarray(images)  # reads a LazyArray
    if images.dtype == np.uint8 and scale.is_uint8:
        # A memory map is read-only, which torch refuses to share.
        return torch.from_numpy(np.require(images, requirements=["C", "W"]))
    return torch.from_numpy(scale.apply(images))


def run_in_batches(
    module: nn.Module,
    function: Callable[[torch.Tensor], torch.Tensor],
    images: np.ndarray,
    scale: PixelScale,
    *,
    batch_size: int,
    device: torch.device,
    precision: str,
    engine: str = "torch",
    calibration: np.ndarray | None = None,
    finish: Callable[[torch.Tensor], torch.Tensor] | None = None,
    progress: str = "",
) -> np.ndarray:
    """Apply ``function`` of ``module`` to images in `precision`, and return float32.

    Another engine than torch may run it, but not ``finish``, which is applied to its result. If a
    GPU runs out of memory, the batch size is halved.
    """
    if module.training:  # eval() takes a tenth of the time of one glitch
        module.eval()
    output: np.ndarray | None = None
    start, n_images = 0, len(images)

    def load(first: int) -> torch.Tensor:
        return to_device(as_batch(images[first : first + batch_size], scale), device)

    batch = load(start)
    function = choose_forward(
        engine,
        module,
        function,
        batch,
        n_images=n_images,
        device=device,
        precision=precision,
        calibration=calibration,
    )
    with (
        computing(device, precision),
        torch.inference_mode(),
        autocast(device, precision),
        tqdm(total=n_images, desc=progress, unit="image", disable=not progress) as bar,
    ):
        while start < n_images:
            rows = slice(start, start + batch_size)
            try:
                with explaining_memory(device, batch_size):
                    result = function(batch)
                    result = (result if finish is None else finish(result)).float()
                    # The GPU computes while the host reads the next batch.
                    if rows.stop < n_images:
                        batch = load(rows.stop)
            except torch.OutOfMemoryError as error:
                if batch_size == 1:
                    raise
                batch_size //= 2
                warnings.warn(f"{error} Continuing with batches of {batch_size}.", stacklevel=2)
                batch = load(start)
                continue
            if output is None:
                # Filled in place, as concatenating batches would take twice the memory.
                output = np.empty((n_images, result.shape[1]), dtype=np.float32)
            output[rows] = result.cpu().numpy()
            bar.update(len(result))
            start += batch_size
    assert output is not None  # there is at least one image
    return output


def keep_batch(batch: Any) -> Any:
    """Return a batch as is, since the data set fetches whole batches."""
    return batch


class EvenBatches:
    """Batches of nearly equal size, shuffled in each epoch."""

    # A last batch of one or two samples would have no useful statistics for batch norms.
    def __init__(self, n_samples: int, batch_size: int, seed: int, epoch: int = 0) -> None:
        self.n_samples = n_samples
        self.n_batches = -(-n_samples // batch_size)
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[list[int]]:
        # By epoch, so that a resumed training draws the same numbers.
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.n_samples)
        self.epoch += 1
        for part in np.array_split(order, self.n_batches):
            yield part.tolist()


def split_rows(
    targets: np.ndarray, fraction: float, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Stratified split of rows into training, with at least one per class, and validation."""
    train, valid = [], []
    for code in np.unique(targets):
        rows = random_state.permutation(np.flatnonzero(targets == code))
        n_valid = min(max(1, round(fraction * len(rows))), len(rows) - 1)
        valid.append(rows[:n_valid])
        train.append(rows[n_valid:])
    if not sum(map(len, valid)):
        raise ValueError(
            "early_stopping=True needs a class with two samples or more to hold one out; every "
            "class has one: use early_stopping=False."
        )
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(valid))


def spread(n_samples: int, n_most: int) -> np.ndarray:
    """Rows of up to ``n_most`` samples, spread evenly over all."""
    return np.linspace(0, n_samples - 1, min(n_samples, n_most)).round().astype(int)
