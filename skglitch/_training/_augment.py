"""Changes to training images that leave the class of a glitch as it is."""

from __future__ import annotations

import torch
from torch import nn


class SpectrogramAugment(nn.Module):
    """Shift in time, scale the energy and mask stripes, at random, on the device.

    Flips are left out on purpose: a chirp that is mirrored in time is a Reverse_Chirp, and
    one that is mirrored in frequency is nothing that a detector records.

    Parameters
    ----------
    time_shift : float, default=0.1
        Largest shift in time, as a fraction of the width. What leaves on one side comes in
        on the other.
    gain : float, default=0.2
        Largest change of the energy scale: factors are drawn between ``1 - gain`` and
        ``1 + gain``, as glitches of one class come at any signal-to-noise ratio.
    time_mask, frequency_mask : float, default=0.1
        Largest width of one masked stripe, as a fraction of the width or the height [1]_.

    References
    ----------
    .. [1] D. S. Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic
       Speech Recognition", Interspeech 2019, arXiv:1904.08779.

    Examples
    --------
    >>> import torch
    >>> from skglitch._training import SpectrogramAugment
    >>> images = torch.rand(8, 4, 140, 170)
    >>> SpectrogramAugment()(images).shape
    torch.Size([8, 4, 140, 170])
    """

    def __init__(
        self,
        time_shift: float = 0.1,
        gain: float = 0.2,
        time_mask: float = 0.1,
        frequency_mask: float = 0.1,
    ) -> None:
        super().__init__()
        self.time_shift = time_shift
        self.gain = gain
        self.time_mask = time_mask
        self.frequency_mask = frequency_mask

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Change ``(n, n_views, height, width)``, each sample in its own way."""
        images = _roll(images, self.time_shift)
        if self.gain:
            factor = 1 + self.gain * (2 * _uniform(images) - 1)
            images = (images * factor).clamp(0, 1)
        keep = _stripe(images, self.time_mask, dim=3) & _stripe(images, self.frequency_mask, dim=2)
        return images * keep


def _uniform(images: torch.Tensor) -> torch.Tensor:
    return torch.rand(len(images), 1, 1, 1, device=images.device)


def _roll(images: torch.Tensor, fraction: float) -> torch.Tensor:
    width = images.shape[-1]
    shift = ((2 * _uniform(images) - 1) * fraction * width).round().long()
    columns = (torch.arange(width, device=images.device).view(1, 1, 1, -1) - shift) % width
    return images.gather(3, columns.expand(*images.shape[:3], -1))


def _stripe(images: torch.Tensor, fraction: float, dim: int) -> torch.Tensor:
    """Tell, along ``dim``, what one random stripe leaves visible."""
    size = images.shape[dim]
    length = (_uniform(images) * fraction * size).floor()
    start = _uniform(images) * (size - length)
    shape = [1, 1, 1, 1]
    shape[dim] = size
    position = torch.arange(size, device=images.device).view(shape)
    return (position < start) | (position >= start + length)
