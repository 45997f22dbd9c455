"""Placement of names on a map, without overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._axes import settle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The number of members that are enough to find the densest point of a class.
_MAX_MEMBERS = 500
_N_ANGLES = 24
# The cost of a covered point, as a distance of the name in pixels.
_COVERED = 3.0
_GAP = 2.0


def find_densest(points: np.ndarray) -> np.ndarray:
    """Return the most central member; a mean may be far from all members."""
    step = -(-len(points) // _MAX_MEMBERS)
    members = points[::step]
    distance = np.linalg.norm(members[:, None] - members, axis=2)
    return members[np.median(distance, axis=1).argmin()]


def write_names(
    ax: Axes,
    names: Sequence[str],
    anchors: np.ndarray,
    points: np.ndarray,
    weights: Sequence[str],
    **options: Any,
) -> list[Any]:
    """Write names near their anchors and within the axes, in order, and return the annotations.

    Names overlap no other name and cover few points. The limits of the axes must be set.
    """
    from matplotlib.patheffects import withStroke

    settle(ax.figure)
    window = np.array(ax.get_window_extent().extents)
    pixels = ax.transData.transform(points)
    taken = np.empty((0, 4))
    texts = []
    # Dollars in names are not formulas.
    options["parse_math"] = False
    pixel_anchors = ax.transData.transform(anchors)
    for name, anchor, weight in zip(names, pixel_anchors, weights, strict=True):
        xy = tuple(tuple(ax.transData.inverted().transform(anchor)))
        text = ax.annotate(name, xy, weight=weight, **options)
        extent = text.get_window_extent()
        size = np.array([extent.width, extent.height]) + 2 * _GAP
        center = _best_center(anchor, size, window, taken, pixels)
        offset = (center - anchor) * 72 / ax.figure.dpi
        text.remove()
        text = ax.annotate(
            name,
            xy,
            tuple(offset),
            textcoords="offset points",
            ha="center",
            va="center",
            # A name that does not cover its anchor needs a line to it.
            arrowprops=None
            if (np.abs(center - anchor) <= size / 2 + _GAP).all()
            else {"arrowstyle": "-", "color": "0.4", "lw": 0.7, "shrinkA": 0, "shrinkB": 1},
            annotation_clip=False,
            weight=weight,
            **options,
        )
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white", alpha=0.85)])
        taken = np.vstack([taken, np.concatenate([center - size / 2, center + size / 2])])
        texts.append(text)
    return texts


def _best_center(
    anchor: np.ndarray, size: np.ndarray, window: np.ndarray, taken: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """Find the center of a box of this size in pixels, free of other boxes if possible."""
    angles = np.linspace(0, 2 * np.pi, _N_ANGLES, endpoint=False)
    radii = np.arange(0, np.hypot(*(window[2:] - window[:2])), size[1] / 2)
    offsets = radii[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    centers = np.unique(
        np.clip(anchor + offsets.reshape(-1, 2), window[:2] + size / 2, window[2:] - size / 2),
        axis=0,
    )
    low, high = centers - size / 2, centers + size / 2
    shared = np.minimum(high[:, None], taken[:, 2:]) - np.maximum(low[:, None], taken[:, :2])
    overlaps = np.prod(np.maximum(shared, 0), axis=2).sum(axis=1)
    free = overlaps == overlaps.min()
    centers, low, high = centers[free], low[free], high[free]
    near = np.argsort(np.linalg.norm(centers - anchor, axis=1))[:300]
    centers, low, high = centers[near], low[near], high[near]
    inside = (points > low[:, None]) & (points < high[:, None])
    covered = inside.all(axis=2).sum(axis=1)
    cost = np.linalg.norm(centers - anchor, axis=1) + _COVERED * covered
    return centers[cost.argmin()]
