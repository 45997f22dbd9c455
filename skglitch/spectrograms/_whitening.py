"""Strain to its whitened spectrum."""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.signal import get_window
from torch.nn.functional import interpolate

from .._device import median

# Raw strain spans ten orders of magnitude between a few Hz and the most sensitive frequencies,
# more than float32 can hold in one Fourier transform.
_EXACT = torch.float64
# Bins at either end of the spectrum over which the filter rises from zero.
_N_RAMP = 5


def whitened_spectrum(
    strain: torch.Tensor,
    sample_rate: float,
    *,
    fft_length: float = 2.0,
    overlap: float = 0.5,
    window: str = "hann",
    filter_length: float = 2.0,
) -> torch.Tensor:
    """Fourier transform of strain divided by its own amplitude spectral density.

    The density is the median over overlapping stretches (Welch), so that a glitch in a few of
    them does not whiten itself away. The inverse of its root is shortened in the time domain:
    each filtered sample depends on no more than ``filter_length`` around it [1]_.

    Parameters
    ----------
    strain : Tensor of shape (n_samples, n_times)
        Any real dtype; computed in float64.
    sample_rate : float
        In Hz.
    fft_length : float, default=2.0
        Length in s of the stretches.
    overlap : float, default=0.5
        Part of a stretch that the next one shares, from 0 to below 1.
    window : str, default="hann"
        Of the stretches, of the filter and of the ends of the strain: a name that
        :func:`scipy.signal.get_window` takes without parameters.
    filter_length : float, default=2.0
        Length in s of the whitening filter. Half of it is lost at either end.

    Returns
    -------
    spectrum : Tensor of shape (n_samples, n_times // 2 + 1), dtype complex64

    References
    ----------
    .. [1] B. Allen et al., "FINDCHIRP", Phys. Rev. D 85, 122006 (2012),
       arXiv:gr-qc/0509116, section V.
    """
    strain = strain.to(_EXACT)
    strain = strain - strain.mean(dim=1, keepdim=True)
    density = median_density(strain, sample_rate, fft_length, overlap, window)
    half = min(round(filter_length * sample_rate), strain.shape[1]) // 2
    taps = _short_filter(density.sqrt(), strain.shape[1], half, window)
    return torch.fft.rfft(_convolve(_taper(strain, half, window), taps, half))


def median_density(
    strain: torch.Tensor, sample_rate: float, fft_length: float, overlap: float, window: str
) -> torch.Tensor:
    """One-sided power spectral density, as the median over stretches, up to a constant.

    Whitened energies are divided by their median later on, so no constant matters.
    """
    size = min(round(fft_length * sample_rate), strain.shape[1])
    step = max(1, size - round(overlap * size))
    stretches = strain.unfold(1, size, step)
    spectra = torch.fft.rfft(stretches * _window(window, size, strain.device))
    parts = torch.view_as_real(spectra.to(torch.complex64))
    power = parts.mul_(parts).sum(dim=-1)
    return median(power.transpose(1, 2).contiguous())


def _short_filter(amplitude: torch.Tensor, n_times: int, half: int, window: str) -> torch.Tensor:
    """Filter that divides by ``amplitude``: (n_samples, 2 * half) taps, the middle at ``half``."""
    # Interpolated before it is inverted: a line, which is high and narrow, stays narrow.
    fine = interpolate(amplitude[:, None], n_times // 2 + 1, mode="linear", align_corners=True)
    transfer = fine[:, 0].reciprocal()
    # Neither what is slower than the strain is long nor what no sampling holds.
    ramp = torch.hann_window(2 * _N_RAMP, periodic=False, device=transfer.device)[:_N_RAMP]
    transfer[:, :_N_RAMP] *= ramp
    transfer[:, -_N_RAMP:] *= ramp.flip(0)
    taps = torch.fft.irfft(transfer, n=n_times)
    taps = torch.cat([taps[:, n_times - half :], taps[:, :half]], dim=1)
    return taps * _window(window, 2 * half, taps.device).to(taps.dtype)


def _convolve(strain: torch.Tensor, taps: torch.Tensor, half: int) -> torch.Tensor:
    """Convolution without wrapping round, as long as ``strain``, dtype float32."""
    n_times = strain.shape[1]
    size = next_fast_len(n_times + 2 * half, real=True)
    spectrum = torch.fft.rfft(strain, n=size).to(torch.complex64)
    result = torch.fft.irfft(spectrum.mul_(torch.fft.rfft(taps, n=size)), n=size)
    return result[:, half : half + n_times]


def _taper(strain: torch.Tensor, half: int, window: str) -> torch.Tensor:
    """Let the ends rise from zero, so that their step does not ring through all strain."""
    shape = _window(window, 2 * half, strain.device)
    tapered = strain.clone()
    tapered[:, :half] *= shape[:half]
    tapered[:, strain.shape[1] - half :] *= shape[half:]
    return tapered


def _window(name: str, size: int, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(get_window(name, size))).to(device)
