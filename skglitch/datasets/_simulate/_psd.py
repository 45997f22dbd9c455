"""Power spectral densities: the design of Advanced LIGO, and curves like those of its runs."""

from __future__ import annotations

import numpy as np

# In Hz. Strain is not calibrated below, and filters could not resolve a wall that continued.
_FLAT_BELOW = 8.0


def design_psd(frequencies: np.ndarray) -> np.ndarray:
    """One-sided density in 1/Hz of Advanced LIGO at design, flat below 8 Hz.

    The fit of P. Ajith, Phys. Rev. D 84, 084037 (2011), arXiv:1107.1267, holds above 20 Hz. A
    seismic wall of slope -14 that dominates below 12 Hz is added.
    """
    f = np.maximum(np.asarray(frequencies, dtype=float), _FLAT_BELOW)
    x = f / 245.4
    fit = 0.0152 * x**-4 + 0.2935 * x**2.25 + 2.7951 * x**1.5 - 6.5080 * x**0.75 + 17.7622
    return 1e-48 * (fit + 1.0e3 * (12.0 / f) ** 14)


def observed_psd(frequencies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a one-sided density in 1/Hz; the ranges contain the published curves of O1 to O3.

    See Martynov et al. (2016), arXiv:1604.00439, and Buikema et al. (2020), arXiv:2008.01301.
    """
    f = np.maximum(np.asarray(frequencies, dtype=float), _FLAT_BELOW)
    floor = np.exp(rng.uniform(np.log(3.5e-24), np.log(9e-24)))
    pole = rng.uniform(320.0, 650.0)
    shot = 1.0 + (f / pole) ** 2
    excess = rng.uniform(0.1, 1.2) * (100.0 / f) ** rng.uniform(2.0, 4.0)
    wall = (np.exp(rng.uniform(np.log(24.0), np.log(42.0))) / f) ** rng.uniform(10.0, 14.0)
    tilt = (f / 150.0) ** rng.normal(0.0, 0.1)
    return floor**2 * (shot + excess + wall) * tilt
