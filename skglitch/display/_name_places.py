"""Where names go in a map, so that none hides another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._axes import settle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of a class, so many members tell where it is densest.
_MOST_MEMBERS = 500
_N_ANGLES = 24
# A point that is covered weighs as much as so many pixels that a name is away from its place.
_COVERED = 3.0
_GAP = 2.0


def densest(points: np.ndarray) -> np.ndarray:
    """Pick the member in the densest part: a mean may lie where nothing is."""
    step = -(-len(points) // _MOST_MEMBERS)
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
    """Write names near places of a map, none on another and all within the axes.

    The names are placed one after the other, each where it is near to its place, free of names,
    and hides few points.

    Parameters
    ----------
    ax : matplotlib Axes
        Its limits must be set.
    names : sequence of str
        The most important first: they get the better places.
    anchors : ndarray of shape (n_names, 2)
        The places, in data coordinates.
    points : ndarray of shape (n_points, 2)
        What had better not be hidden, in data coordinates.
    weights : sequence of str
        Of the font of each name.
    **options
        Of the texts.

    Returns
    -------
    texts : list of matplotlib Annotation
    """
    from matplotlib.patheffects import withStroke

    settle(ax.figure)
    window = np.array(ax.get_window_extent().extents)
    drawn = ax.transData.transform(points)
    taken = np.empty((0, 4))
    texts = []
    to_points = 72 / ax.figure.dpi
    # A dollar in a name is no formula.
    options["parse_math"] = False
    drawn_anchors = ax.transData.transform(anchors)
    for name, anchor, weight in zip(names, drawn_anchors, weights, strict=True):
        place = tuple(tuple(ax.transData.inverted().transform(anchor)))
        text = ax.annotate(name, place, weight=weight, **options)
        extent = text.get_window_extent()
        size = np.array([extent.width, extent.height]) + 2 * _GAP
        center = _best_center(anchor, size, window, taken, drawn)
        offset = (center - anchor) * to_points
        text.remove()
        text = ax.annotate(
            name,
            place,
            tuple(offset),
            textcoords="offset points",
            ha="center",
            va="center",
            # Outside of its own box a name needs a line to what it names.
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
    anchor: np.ndarray,
    size: np.ndarray,
    window: np.ndarray,
    taken: np.ndarray,
    points: np.ndarray,
) -> np.ndarray:
    """Center in pixels of a box of this size: free of others if that can be had."""
    angles = np.linspace(0, 2 * np.pi, _N_ANGLES, endpoint=False)
    radii = np.arange(0, np.hypot(*(window[2:] - window[:2])), size[1] / 2)
    offsets = radii[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    centers = np.unique(
        np.clip(anchor + offsets.reshape(-1, 2), window[:2] + size / 2, window[2:] - size / 2),
        axis=0,
    )
    low, high = centers - size / 2, centers + size / 2
    overlaps = _overlap(low, high, taken)
    free = overlaps == overlaps.min()
    centers, low, high = centers[free], low[free], high[free]
    near = np.argsort(np.linalg.norm(centers - anchor, axis=1))[:300]
    centers, low, high = centers[near], low[near], high[near]
    inside = (points > low[:, None]) & (points < high[:, None])
    covered = inside.all(axis=2).sum(axis=1)
    cost = np.linalg.norm(centers - anchor, axis=1) + _COVERED * covered
    return centers[cost.argmin()]


def _overlap(low: np.ndarray, high: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Area that each box shares with those that are taken."""
    shared = np.minimum(high[:, None], taken[:, 2:]) - np.maximum(low[:, None], taken[:, :2])
    return np.prod(np.maximum(shared, 0), axis=2).sum(axis=1)
