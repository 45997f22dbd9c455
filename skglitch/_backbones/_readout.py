"""Which layers of a net are read, and how their maps become features."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ._surgery import pool

PENULTIMATE = "penultimate"
POOLINGS = ("mean", "std", "max")
# Variance below which a map counts as constant: the root of zero has no gradient.
_TINY = 1e-8


@dataclass(frozen=True)
class Readout:
    """Layers to read and the pooling of their maps.

    Attributes
    ----------
    layers : tuple of str, default=("penultimate",)
        Names of modules of the net, or ``"penultimate"`` for what its last layer would see.
    pooling : {"mean", "std", "max"}, default="mean"
        The statistic of each channel of a map ``(n, channels, height, width)``.
    n_bands : int, default=1
        Number of horizontal stripes (bands of frequency) that are pooled separately.
        They overlap by a row if the height is not divisible by it. Features without a position,
        as the penultimate ones usually are, have one band.

    Examples
    --------
    >>> import torch
    >>> from skglitch._backbones import Readout
    >>> maps = torch.rand(8, 16, 9, 11)
    >>> Readout(("layer3",), pooling="std", n_bands=3).pool(maps).shape
    torch.Size([8, 48])
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
        return values.var(dim=2, correction=0).add(_TINY).sqrt()
