"""Strain with glitches of every class, from formulas alone."""

from ._classes import CLASS_NAMES, DESCRIPTIONS, GRAVITY_SPY_COUNTS
from ._compose import Simulated, optimal_snr, simulate_glitch
from ._noise import Noise, NoiseModel
from ._psd import design_psd, observed_psd

__all__ = [
    "CLASS_NAMES",
    "DESCRIPTIONS",
    "GRAVITY_SPY_COUNTS",
    "Noise",
    "NoiseModel",
    "Simulated",
    "design_psd",
    "observed_psd",
    "optimal_snr",
    "simulate_glitch",
]
