"""Maps of embeddings: coordinates, classes, colors, markers and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from .._labels import as_labels, is_labeled, sort_labels
from .._lazy import import_extra
from .._validation import find_positions, unmask
from ._axes import GRAY, color_and_marker, settle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNLABELED_STYLE = {"color": GRAY, "marker": ".", "linewidths": 0}
# The label of noise in clusterings.
_NOISE = -1
METHOD_NAMES = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}
# Features that differ by at most this many units in the last place are constant, as features of the
# same glitch in different batches differ by so much.
_MAX_ROUNDING_STEPS = 8


def check_embeddings(embeddings: ArrayLike) -> np.ndarray:
    """Check embeddings, and return them as an array."""
    array = np.asarray(unmask(embeddings))
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"embeddings has shape {array.shape}, but a map needs a row per glitch, and columns."
        )
    return check_array(array, dtype=[np.float64, np.float32], input_name="embeddings")


def check_method(method: str, n_components: int) -> None:
    """Check the method and the dimensions of a map."""
    if method not in tuple(METHOD_NAMES):
        raise ValueError(f"method={method!r} is none of {tuple(METHOD_NAMES)}.")
    if n_components not in (2, 3):
        raise ValueError(f"n_components={n_components!r} is neither 2 nor 3.")


def check_map(embedding: ArrayLike, dtype: Any = np.float64) -> np.ndarray:
    """Check the coordinates of glitches on a map, and return them."""
    array = np.asarray(unmask(embedding))
    if array.ndim != 2 or array.shape[1] not in (2, 3) or not len(array):
        raise ValueError(
            f"embedding has shape {array.shape}, but a map has a row per glitch and 2 or 3 columns."
        )
    return check_array(array, dtype=dtype, input_name="embedding")


def compute_map(
    embeddings: np.ndarray, method: str, n_components: int, random_state: Any
) -> np.ndarray:
    """Reduce checked embeddings to two or three dimensions, to the origin if all are equal."""
    eps = np.finfo(embeddings.dtype).eps
    largest = np.abs(embeddings).max(axis=0)
    with np.errstate(over="ignore"):
        spread = np.ptp(embeddings, axis=0)
    # t-SNE divides by distances, and crashes the interpreter if all are zero. Features are divided
    # by a power of two, as squares of tiny numbers underflow, and squares of huge ones overflow.
    features = embeddings[:, spread > _MAX_ROUNDING_STEPS * eps * largest]
    power = np.frexp(np.abs(features).max(initial=0))[1]
    features = np.ldexp(features, -power)
    n_samples, n_features = features.shape
    if n_features == 0:
        return np.zeros((n_samples, n_components), embeddings.dtype)
    if method == "pca":
        from sklearn.decomposition import PCA

        n_found = min(n_components, n_samples, n_features)
        found = PCA(n_found, random_state=random_state).fit_transform(features)
        # There are at most as many components as glitches or features.
        return np.ldexp(np.pad(found, ((0, 0), (0, n_components - n_found))), power)
    if method == "tsne":
        from sklearn.manifold import TSNE

        reducer = TSNE(
            n_components,
            perplexity=min(30.0, (n_samples - 1) / 3),
            # As in van der Maaten and Hinton (2008). With scikit-learn's 12, steps are too long for
            # few glitches, and some end far from all others.
            early_exaggeration=4.0,
            init="pca" if n_components <= min(n_samples, n_features) else "random",
            random_state=random_state,
        )
        return reducer.fit_transform(features)
    umap = import_extra("umap", 'method="umap"', "umap")
    if n_samples == 2:
        raise ValueError('method="umap" needs at least 3 glitches, got 2: use method="pca".')
    reducer = umap.UMAP(
        min(15, n_samples - 1),
        n_components,
        # Spectral initialization needs more eigenvectors than few glitches have.
        init="spectral" if n_samples > n_components + 1 else "random",
        random_state=random_state,
        # With a seed, UMAP uses one thread, and warns unless n_jobs is 1.
        **({} if random_state is None else {"n_jobs": 1}),
    )
    return reducer.fit_transform(features)


class MapClasses(NamedTuple):
    """Classes on a map."""

    codes: NDArray[np.intp]  # the class of each glitch; -1 without a label
    names: list[str]
    is_colored: list[bool]  # others are gray
    styles: list[dict[str, Any]]  # options of matplotlib
    unlabeled: str  # the name for glitches without a label


def find_classes(labels: ArrayLike | None, n_samples: int, highlight: Any) -> MapClasses:
    """Find the classes of labels; None makes one class of all glitches."""
    if labels is None:
        if highlight is not None:
            raise ValueError(f"highlight={highlight!r} needs labels, which are None.")
        return MapClasses(np.zeros(n_samples, np.intp), ["all"], [True], [_style(0)], "")
    values = check_column(labels, "labels", n_samples)
    is_known = is_labeled(values)
    known = [value for value, flag in zip(values, is_known, strict=True) if flag]
    found = sort_labels(known, "labels")
    codes = np.full(n_samples, -1)
    codes[is_known] = find_positions(known, found)
    colored, first = found, 0
    if highlight is not None:
        is_one = isinstance(highlight, str) or np.ndim(highlight) == 0
        colored = as_labels([highlight] if is_one else highlight, "highlight")
        # Highlighted classes start with the second color, orange, which stands out from gray.
        first = 1
        for label, is_class in zip(colored, is_labeled(colored), strict=True):
            if not is_class:
                raise ValueError(f"highlight={label!r} is no label: such glitches stay gray.")
            if label not in found:
                raise ValueError(f"highlight={label!r} is not among the labels.")
    styles = {value: _style(first + number) for number, value in enumerate(colored)}
    missing = [value for value, flag in zip(values, is_known, strict=True) if not flag]
    is_noise = all(isinstance(value, int | float) and value == _NOISE for value in missing)
    return MapClasses(
        codes,
        [format_value(value) for value in found],
        [value in styles for value in found],
        [styles.get(value, UNLABELED_STYLE) for value in found],
        "in no cluster" if is_noise else "unlabeled",
    )


def _style(number: int) -> dict[str, Any]:
    # A white edge separates markers that overlap.
    return {**color_and_marker(number), "edgecolors": "white", "linewidths": 0.4}


def check_column(values: ArrayLike, name: str, n_samples: int) -> list[Any]:
    """Convert one value per glitch to a list of Python values, and check their number."""
    shape = np.shape(np.asarray(values, dtype=object))
    if shape not in ((n_samples,), (n_samples, 1)):
        raise ValueError(
            f"{name} has shape {shape}, but there are {n_samples} glitches on the map."
        )
    return as_labels(values, name)


def is_whole(value: Any) -> bool:
    """Return whether a value is a float that is an integer, as in integer columns with gaps."""
    # Larger floats are always whole.
    return isinstance(value, float) and value.is_integer() and abs(value) < 2.0**53


def format_value(value: Any) -> str:
    """Convert a value to text, and whole floats to integers."""
    return str(int(value)) if is_whole(value) else str(value)


# The number of members from which the densest point of a class is found.
_MAX_MEMBERS = 500
_N_ANGLES = 24
# The cost of a covered point, as a distance in pixels.
_COVERED = 3.0
_GAP = 2.0


def find_densest(points: np.ndarray) -> np.ndarray:
    """Return the most central member, as the mean may be far from all members."""
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
    """Write names near their anchors, apart from each other, and return the annotations."""
    from matplotlib.patheffects import withStroke

    settle(ax.figure)
    window = np.array(ax.get_window_extent().extents)
    pixels = ax.transData.transform(points)
    taken = np.empty((0, 4))
    texts = []
    # Dollars in names are not formulas.
    options["parse_math"] = False
    angles = np.linspace(0, 2 * np.pi, _N_ANGLES, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    pixel_anchors = ax.transData.transform(anchors)
    for name, anchor, weight in zip(names, pixel_anchors, weights, strict=True):
        xy = tuple(tuple(ax.transData.inverted().transform(anchor)))
        text = ax.annotate(name, xy, weight=weight, **options)
        extent = text.get_window_extent()
        size = np.array([extent.width, extent.height]) + 2 * _GAP
        # The center, of those around the anchor, with the least overlap and the lowest cost.
        radii = np.arange(0, np.hypot(*(window[2:] - window[:2])), size[1] / 2)
        offsets = (radii[:, None, None] * directions).reshape(-1, 2)
        inside = np.clip(anchor + offsets, window[:2] + size / 2, window[2:] - size / 2)
        centers = np.unique(inside, axis=0)
        low, high = centers - size / 2, centers + size / 2
        shared = np.minimum(high[:, None], taken[:, 2:]) - np.maximum(low[:, None], taken[:, :2])
        overlaps = np.prod(np.maximum(shared, 0), axis=2).sum(axis=1)
        centers = centers[overlaps == overlaps.min()]
        distances = np.linalg.norm(centers - anchor, axis=1)
        near = np.argsort(distances)[:300]
        centers, distances = centers[near], distances[near]
        low, high = centers[:, None] - size / 2, centers[:, None] + size / 2
        n_covered = ((pixels > low) & (pixels < high)).all(axis=2).sum(axis=1)
        center = centers[(distances + _COVERED * n_covered).argmin()]
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
