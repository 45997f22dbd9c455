"""Axes and colors of displays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colorblind-safe colors, without yellow, which is hard to see on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P")
HIGHLIGHT, GRAY = COLORS[1], "0.72"


def color_and_marker(number: int) -> dict[str, Any]:
    """Return a color and a marker, whose combination is unique for up to 42 numbers."""
    # Because the numbers of colors and of markers are coprime.
    return {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)]}


def make_axes(
    ax: Any, figsize: tuple[float, float], shape: tuple[int, int] = (1, 1), **options: Any
) -> tuple[Any, np.ndarray]:
    """Return the figure and the axes of a display, row by row; several axes replace given ones."""
    if ax is None:
        import matplotlib.pyplot as plt

        # The size in inches is for matplotlib's default text size, and scales with it.
        ax = plt.figure(figsize=np.multiply(figsize, text_scale()), layout="constrained")
    if not hasattr(ax, "figure"):
        raise TypeError(f"ax={ax!r} is neither matplotlib axes nor a figure: None creates one.")
    if hasattr(ax, "subplots"):
        return ax, ax.subplots(*shape, squeeze=False, **options).ravel()
    figure = ax.figure
    if shape == (1, 1):
        return figure, np.array([ax])
    spec = ax.get_subplotspec()
    if spec is None:
        raise ValueError(
            f"ax is not part of a grid, but {shape[0] * shape[1]} axes are needed: pass a figure."
        )
    ax.remove()
    grid = spec.subgridspec(*shape, height_ratios=options.pop("height_ratios", None))
    return figure, grid.subplots(squeeze=False, **options).ravel()


def text_scale() -> float:
    """Return the text size relative to matplotlib's default."""
    from matplotlib import rcParams, rcParamsDefault
    from matplotlib.font_manager import FontProperties

    def points(key: str, settings: Any) -> float:
        with_size = FontProperties(size=settings[key]).get_size_in_points()
        relative = isinstance(settings[key], str)
        return with_size / rcParams["font.size"] * settings["font.size"] if relative else with_size

    keys = ("font.size", "axes.labelsize", "axes.titlesize", "xtick.labelsize", "legend.fontsize")
    return max(points(key, rcParams) / points(key, rcParamsDefault) for key in keys)


def settle(figure: Any) -> None:
    """Run the layout, so that sizes in pixels are final."""
    figure.canvas.figure.draw_without_rendering()


def in_percent(ax: Axes, axis: str) -> None:
    """Label fractions on an axis in percent."""
    from matplotlib.ticker import PercentFormatter

    getattr(ax, f"{axis}axis").set_major_formatter(PercentFormatter(1, symbol=None))
