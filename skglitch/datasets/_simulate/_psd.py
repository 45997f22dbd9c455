"""Power spectral densities: the design of Advanced LIGO, and curves like those of its runs."""

from __future__ import annotations

import numpy as np

# In Hz. Strain is not calibrated below, and filters could not resolve a wall that continued.
_FLAT_BELOW = 8.0


def design_psd(frequencies: np.ndarray) -> np.ndarray:
    """One-sided density in 1/Hz of Advanced LIGO at design, zero detuning and high power.

    The fit of [1]_ holds above 20 Hz. Seismic noise is added as a wall of slope -14 that dominates
    below 12 Hz. Below 8 Hz the curve is flat, so that it spans at most five orders of magnitude
    and filters stay finite.

    References
    ----------
    .. [1] P. Ajith, "Addressing the spin question in gravitational-wave searches", Phys. Rev. D
       84, 084037 (2011), arXiv:1107.1267, section IV.
    """
    f = np.maximum(np.asarray(frequencies, dtype=float), _FLAT_BELOW)
    x = f / 245.4
    fit = 0.0152 * x**-4 + 0.2935 * x**2.25 + 2.7951 * x**1.5 - 6.5080 * x**0.75 + 17.7622
    return 1e-48 * (fit + 1.0e3 * (12.0 / f) ** 14)


def observed_psd(frequencies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a one-sided density in 1/Hz like those of the first three observing runs.

    Shot noise above the arm cavity pole, an excess around 50 Hz and a steep wall have random
    heights and slopes. The ranges contain the published curves of O1 to O3 [1]_ [2]_, from a wall
    below 40 Hz (the first run) to one below 25 Hz (the third).

    References
    ----------
    .. [1] D. V. Martynov et al., "Sensitivity of the Advanced LIGO detectors at the beginning of
       gravitational wave astronomy", Phys. Rev. D 93, 112004 (2016), arXiv:1604.00439.
    .. [2] A. Buikema et al., "Sensitivity and performance of the Advanced LIGO detectors in the
       third observing run", Phys. Rev. D 102, 062003 (2020), arXiv:2008.01301.
    """
    f = np.maximum(np.asarray(frequencies, dtype=float), _FLAT_BELOW)
    floor = np.exp(rng.uniform(np.log(3.5e-24), np.log(9e-24)))
    pole = rng.uniform(320.0, 650.0)
    shot = 1.0 + (f / pole) ** 2
    excess = rng.uniform(0.1, 1.2) * (100.0 / f) ** rng.uniform(2.0, 4.0)
    wall = (np.exp(rng.uniform(np.log(24.0), np.log(42.0))) / f) ** rng.uniform(10.0, 14.0)
    tilt = (f / 150.0) ** rng.normal(0.0, 0.1)
    return floor**2 * (shot + excess + wall) * tilt
