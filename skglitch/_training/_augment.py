"""Augmentation of training images."""

from __future__ import annotations

import torch
from torch import nn


class SpectrogramAugment(nn.Module):
    """Augment spectrograms by random time shifts, energy scales and masks.

    There are no flips: a chirp reversed in time is another class (Reverse_Chirp), and glitches
    flipped in frequency do not occur.

    Parameters
    ----------
    time_shift : float, default=0.1
        Largest circular shift in time, as a fraction of the width.
    gain : float, default=0.2
        Largest relative change of the energies, whose factors are from ``1 - gain`` to
        ``1 + gain``.
    time_mask, frequency_mask : float, default=0.1
        Largest width of the masked stripe in time and in frequency [1]_, as a fraction of the width
        and of the height.

    See Also
    --------
    CNNClassifier : Takes this as ``augment``.

    References
    ----------
    .. [1] D. S. Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic
       Speech Recognition", Interspeech 2019, arXiv:1904.08779.

    Examples
    --------
    >>> import torch
    >>> from skglitch.estimators import SpectrogramAugment
    >>> images = torch.rand(8, 4, 140, 170)
    >>> SpectrogramAugment(gain=0.5)(images).shape
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
        """Augment each image independently.

        Parameters
        ----------
        images : Tensor of shape (n, n_views, height, width)
            Pixels from 0 to 1.

        Returns
        -------
        images : Tensor of shape (n, n_views, height, width)
        """
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
    """Make a mask that is False in one random stripe along ``dim`` of each sample."""
    size = images.shape[dim]
    length = (_uniform(images) * fraction * size).floor()
    start = _uniform(images) * (size - length)
    shape = [1, 1, 1, 1]
    shape[dim] = size
    position = torch.arange(size, device=images.device).view(shape)
    return (position < start) | (position >= start + length)
