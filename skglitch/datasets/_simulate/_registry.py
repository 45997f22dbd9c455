"""Registry of the functions that draw the classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ._canvas import Canvas

Draw = Callable[[np.random.Generator, Canvas], dict[str, float]]

# Least signal-to-noise ratio of the loudest tile of classes that consist of several parts: at 7.5,
# the threshold of searches, only one of them would be visible.
MANY = 10.0


class Recipe(NamedTuple):
    """How a class is drawn, and the loudest tile that is typical of it.

    ``snr`` has the least and greatest signal-to-noise ratio and the slope of the power law between
    them, ``peak`` the range of the frequency in Hz. ``jitter`` of the trigger is in s.
    """

    draw: Draw
    snr: tuple[float, float, float]
    centered: bool
    jitter: float
    peak: tuple[float, float]


RECIPES: dict[str, Recipe] = {}


def draws(
    label: str,
    *,
    snr: tuple[float, float, float],
    centered: bool = True,
    jitter: float = 0.005,
    peak: tuple[float, float] = (0.0, float("inf")),
) -> Callable[[Draw], Draw]:
    """Register a function as the one that draws a class."""

    def register(draw: Draw) -> Draw:
        RECIPES[label] = Recipe(draw, snr, centered, jitter, peak)
        return draw

    return register


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number with a uniform logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def power_law(rng: np.random.Generator, low: float, high: float, slope: float) -> float:
    """Draw a number from a density of x**-slope between two bounds; slope 1 is not allowed."""
    a, b = low ** (1 - slope), high ** (1 - slope)
    return float((a + rng.random() * (b - a)) ** (1 / (1 - slope)))
