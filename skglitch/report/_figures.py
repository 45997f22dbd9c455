"""The figures of a report, as PNG."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .._html import draw
from ..display import SaliencyDisplay, SpectrogramDisplay
from ._findings import Findings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In inches, so that two side by side can be read on a phone.
_SMALL = (2.5, 2.05)
# Small pictures show the view whose duration in s is closest to this.
_USUAL_DURATION = 2.0
_COLORS, _LINE_STYLES = ("#0072B2", "#D55E00", "#009E73"), ("-", "--", ":")


def draw_glitches(findings: Findings, rows: np.ndarray, name: str) -> dict[str, bytes]:
    """Draw one view of each of some glitches."""
    view = int(np.argmin(np.abs(np.array(findings.durations) - _USUAL_DURATION)))

    def plot(row: int, figure: Figure) -> None:
        display = SpectrogramDisplay(findings.X[row, view], findings.durations[view])
        # More ticks would overlap in a small picture.
        display.plot(figure, colorbar=False).axes_[0].locator_params(axis="x", nbins=2)

    return {
        f"{name}-{number}": draw(_SMALL, partial(plot, row))
        for number, row in enumerate(rows, start=1)
    }


def draw_saliency(findings: Findings, rows: np.ndarray, maps: np.ndarray) -> dict[str, bytes]:
    """Draw the saliency maps of some glitches over all their views."""
    n_views = len(findings.durations)
    n_columns = min(2, n_views)
    size = (2.4 * n_columns + 1.0, 2.1 * -(-n_views // n_columns) + 0.4)
    displays = [
        SaliencyDisplay(findings.X[row], map_, durations=findings.durations)
        for row, map_ in zip(rows, maps, strict=True)
    ]
    return {
        f"saliency-{number}": draw(size, partial(display.plot, n_columns=n_columns))
        for number, display in enumerate(displays, start=1)
    }


def draw_novelty(scores: np.ndarray, offset: float, groups: Mapping[str, np.ndarray]) -> bytes:
    """Draw histograms of the novelty scores of groups of glitches."""

    def plot(figure: Figure) -> None:
        ax = figure.subplots()
        # A few extreme scores would squeeze all others into one bin.
        low, high = np.percentile(scores, 1), scores.max()
        bins = np.linspace(min(low, offset), max(high, offset) + 1e-9, 41)
        for color, style, (name, members) in zip(
            _COLORS, _LINE_STYLES, groups.items(), strict=False
        ):
            ax.hist(
                np.maximum(scores[members], bins[0]),
                bins.tolist(),
                weights=np.full(members.sum(), 100 / members.sum()),
                histtype="step",
                linewidth=1.6,
                linestyle=style,
                color=color,
                label=name,
            )
        ax.axvline(offset, color="0.4", linestyle="-.", label="threshold")
        ax.set(xlabel="novelty score (novel glitches at the left)", ylabel="glitches [%]")
        ax.legend(fontsize="small")

    return draw((5.0, 3.2), plot)


def draw_confidences(confidences: np.ndarray) -> bytes:
    """Draw a histogram of the largest probability of each glitch."""

    def plot(figure: Figure) -> None:
        ax = figure.subplots()
        bins = np.linspace(0, 100, 21).tolist()
        ax.hist(100 * confidences, bins, color=_COLORS[0], edgecolor="white")
        ax.set(xlabel="probability of the predicted class [%]", ylabel="glitches", xlim=(0, 100))

    return draw((5.0, 2.8), plot)
