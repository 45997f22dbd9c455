"""Figures of a report, as PNG."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..display._axes import COLORS
from ._findings import Findings, Novelty

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 120
# In inches: two beside each other can be read on a phone.
_CARD = (2.5, 2.05)
# The view that small pictures show is the one nearest to this duration in s.
_USUAL = 2.0


def draw(figsize: tuple[float, float], plot: Callable[[Figure], Any]) -> bytes:
    """Make a figure of its own, for which no window is needed, and give it as PNG."""
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=figsize, layout="constrained")
    plot(figure)
    file = io.BytesIO()
    # Tight, as legends may be wider than axes.
    figure.savefig(file, format="png", dpi=_DPI, bbox_inches="tight", pad_inches=0.05)
    # A table of 256 colors makes it half as large. Chosen so, it has colors that few pixels have,
    # as the middle of a short glitch; by the usual way these would be those of others.
    options: Any = {"method": Image.Quantize.MAXCOVERAGE, "dither": Image.Dither.NONE}
    picture = Image.open(file).convert("RGB").quantize(256, **options)
    small = io.BytesIO()
    picture.save(small, format="png", optimize=True)
    return small.getvalue()


def usual_view(durations: tuple[float, ...]) -> int:
    """Choose the view that small pictures show."""
    return int(np.argmin(np.abs(np.array(durations) - _USUAL)))


def draw_glitch(of: Findings, row: int) -> bytes:
    """Draw one view of a glitch."""
    from ..display import SpectrogramDisplay

    view = usual_view(of.durations)
    display = SpectrogramDisplay(of.X[row, view], of.durations[view])

    def plot(figure: Figure) -> None:
        # More would overlap in so small a picture.
        display.plot(figure, colorbar=False).axes_[0].locator_params(axis="x", nbins=2)

    return draw(_CARD, plot)


def draw_saliency(of: Findings, row: int, maps: np.ndarray) -> bytes:
    """Draw what speaks for the guess, in all views."""
    from ..display import SaliencyDisplay

    columns = min(2, len(of.durations))
    rows = -(-len(of.durations) // columns)
    display = SaliencyDisplay(of.X[row], maps, durations=of.durations)
    size = (2.4 * columns + 1.0, 2.1 * rows + 0.4)
    return draw(size, lambda figure: display.plot(figure, n_columns=columns))


def draw_novelty(novelty: Novelty, groups: dict[str, np.ndarray]) -> bytes:
    """Draw how far groups of glitches are from the references."""

    def plot(figure: Figure) -> None:
        ax = figure.subplots()
        bins = np.linspace(
            0, max(novelty.distance.max(), novelty.reference.max(), 1e-9), 41
        ).tolist()
        for number, (name, members) in enumerate(groups.items()):
            style = ("-", "--", ":")[number % 3]
            ax.hist(
                novelty.distance[members],
                bins,
                weights=np.full(members.sum(), 1 / max(1, members.sum())),
                histtype="step",
                linewidth=1.6,
                linestyle=style,
                color=COLORS[number],
                label=name,
            )
        ax.axvline(novelty.threshold, color="0.4", linestyle="-.", label="novel beyond")
        ax.set(xlabel="distance from known glitches", ylabel="share of glitches [%]")
        ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}")
        ax.legend(fontsize="small")

    return draw((5.0, 3.2), plot)


def draw_confidence(confidence: np.ndarray) -> bytes:
    """Draw how sure the net is."""

    def plot(figure: Figure) -> None:
        ax = figure.subplots()
        ax.hist(
            100 * confidence, np.linspace(0, 100, 21).tolist(), color=COLORS[0], edgecolor="white"
        )
        ax.set(xlabel="probability of the first guess [%]", ylabel="glitches", xlim=(0, 100))

    return draw((5.0, 2.8), plot)
