"""Which layers of a net are read, and how their maps become features."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ._surgery import pool

PENULTIMATE = "penultimate"
POOLINGS = ("mean", "std", "max")


@dataclass(frozen=True)
class Readout:
    """Layers to read, and the pooling of their maps ``(n, channels, height, width)``.

    `n_bands` horizontal stripes, which are bands of frequency in a spectrogram, are pooled
    separately. They overlap by a row if the height is not divisible. Penultimate features mostly
    have no position and are left as they are.
    """

    layers: tuple[str, ...] = (PENULTIMATE,)
    pooling: str = "mean"
    n_bands: int = 1

    def pool(self, output: torch.Tensor) -> torch.Tensor:
        """Features ``(n, n_features)`` in float32 of what a layer returned."""
        output = output.float()
        if output.ndim == 4:
            bands = [output[:, :, rows].flatten(2) for rows in self._rows(output.shape[2])]
            return torch.cat([self._pooled(band) for band in bands], dim=1)
        if output.ndim == 3:
            return self._pooled(output.transpose(1, 2))
        return pool(output)

    def _rows(self, height: int) -> list[slice]:
        """Rows of each band, as adaptive pooling has them."""
        n = self.n_bands
        return [slice(i * height // n, -(-(i + 1) * height // n)) for i in range(n)]

    def _pooled(self, values: torch.Tensor) -> torch.Tensor:
        if self.pooling == "mean":
            return values.mean(dim=2)
        if self.pooling == "max":
            return values.amax(dim=2)
        # The root of a variance of zero has no gradient.
        return values.var(dim=2, correction=0).add(1e-8).sqrt()
