"""Whitening: strain divided by its own amplitude spectral density."""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.signal import get_window
from torch.nn.functional import interpolate

from .._device import median

# Bins at either end of the spectrum over which the filter rises from zero.
_N_RAMP = 5


def whitened_spectrum(
    strain: torch.Tensor, sample_rate: float, fftlength: float, fduration: float
) -> torch.Tensor:
    """Fourier transform of whitened strain (arXiv:gr-qc/0509116, section V), from float64."""
    n_times = strain.shape[1]
    strain = strain - strain.mean(dim=1, keepdim=True)
    # Power up to a constant, which does not matter: energies are divided by their median later.
    size = min(round(fftlength * sample_rate), n_times)
    stretches = strain.unfold(1, size, max(1, size - round(size / 2)))
    spectra = torch.fft.rfft(stretches * _hann(size, strain.device))
    parts = torch.view_as_real(spectra.to(torch.complex64))
    power = parts.mul_(parts).sum(dim=-1)
    # A median, so that a glitch does not whiten itself away.
    amplitude = median(power.transpose(1, 2).contiguous()).sqrt()
    # Interpolated before it is inverted, so that a line, which is high and narrow, stays narrow.
    fine = interpolate(amplitude[:, None], n_times // 2 + 1, mode="linear", align_corners=True)
    transfer = fine[:, 0].reciprocal()
    # Neither frequencies below 1 / duration nor those at the Nyquist frequency are meaningful.
    ramp = torch.hann_window(2 * _N_RAMP, periodic=False, device=transfer.device)[:_N_RAMP]
    transfer[:, :_N_RAMP] *= ramp
    transfer[:, -_N_RAMP:] *= ramp.flip(0)
    taps = torch.fft.irfft(transfer, n=n_times)
    half = min(round(fduration * sample_rate), n_times) // 2
    window = _hann(2 * half, strain.device)
    # The middle of the filter is at ``half``.
    taps = torch.cat([taps[:, n_times - half :], taps[:, :half]], dim=1) * window.to(taps.dtype)
    # The ends rise from zero, so that their step does not ring through all strain.
    tapered = strain.clone()
    tapered[:, :half] *= window[:half]
    tapered[:, n_times - half :] *= window[half:]
    # Padded, so that the convolution does not wrap around.
    size = next_fast_len(n_times + 2 * half, real=True)
    spectrum = torch.fft.rfft(tapered, n=size).to(torch.complex64)
    whitened = torch.fft.irfft(spectrum.mul_(torch.fft.rfft(taps, n=size)), n=size)
    return torch.fft.rfft(whitened[:, half : half + n_times])


def _hann(size: int, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(get_window("hann", size))).to(device)
