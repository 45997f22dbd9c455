"""Power spectral densities: the design of Advanced LIGO, and curves like those of its runs."""

from __future__ import annotations

import numpy as np

# Nothing below is calibrated, and a wall that went on would leave filters no digits.
FLAT_BELOW = 8.0


def design_psd(frequencies: np.ndarray) -> np.ndarray:
    """One-sided density of Advanced LIGO at design, zero detuning and high power.

    The fit of [1]_ holds above 20 Hz. Seismic noise is added as a wall of slope -14, which takes
    over at 12 Hz; below 8 Hz the curve is flat, so that it spans no more than five orders of
    magnitude and filters stay finite.

    Parameters
    ----------
    frequencies : ndarray
        In Hz.

    Returns
    -------
    psd : ndarray
        In 1/Hz.

    References
    ----------
    .. [1] P. Ajith, "Addressing the spin question in gravitational-wave searches", Phys. Rev. D
       84, 084037 (2011), arXiv:1107.1267, section IV.
    """
    f = np.maximum(np.asarray(frequencies, dtype=float), FLAT_BELOW)
    x = f / 245.4
    fit = 0.0152 * x**-4 + 0.2935 * x**2.25 + 2.7951 * x**1.5 - 6.5080 * x**0.75 + 17.7622
    return 1e-48 * (fit + 1.0e3 * (12.0 / f) ** 14)


def observed_psd(frequencies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a one-sided density like those of the first three observing runs.

    Shot noise over the arm cavity pole, an excess around 50 Hz and a steep wall, each with a
    random height and slope. The ranges hold the published curves of O1 to O3 [1]_ [2]_, from
    those with a wall below 40 Hz (the first run) to those with one below 25 Hz (the third).

    Parameters
    ----------
    frequencies : ndarray
        In Hz.
    rng : numpy.random.Generator

    Returns
    -------
    psd : ndarray
        In 1/Hz.

    References
    ----------
    .. [1] D. V. Martynov et al., "Sensitivity of the Advanced LIGO detectors at the beginning of
       gravitational wave astronomy", Phys. Rev. D 93, 112004 (2016), arXiv:1604.00439.
    .. [2] A. Buikema et al., "Sensitivity and performance of the Advanced LIGO detectors in the
       third observing run", Phys. Rev. D 102, 062003 (2020), arXiv:2008.01301.
    """
    f = np.maximum(np.asarray(frequencies, dtype=float), FLAT_BELOW)
    floor = np.exp(rng.uniform(np.log(3.5e-24), np.log(9e-24)))
    pole = rng.uniform(320.0, 650.0)
    shot = 1.0 + (f / pole) ** 2
    excess = rng.uniform(0.1, 1.2) * (100.0 / f) ** rng.uniform(2.0, 4.0)
    wall = (np.exp(rng.uniform(np.log(24.0), np.log(42.0))) / f) ** rng.uniform(10.0, 14.0)
    tilt = (f / 150.0) ** rng.normal(0.0, 0.1)
    return floor**2 * (shot + excess + wall) * tilt
