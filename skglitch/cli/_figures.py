"""Pictures that commands write: classes, confusions, a map."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from sklearn.utils import Bunch

_TICKS = (16, 64, 256, 1024)
_NEW_COLOR, _KNOWN_COLOR = "#D55E00", "0.72"


def new_figure(size: tuple[float, float]) -> Figure:
    """Make a figure of its own, for which no window or backend is needed."""
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a whole or not at all."""
    from ..persistence._file import written_whole

    with written_whole(path) as file:
        figure.savefig(file, format="png", dpi=110)


def draw_glitch(ax: Axes, energy: np.ndarray, duration: float) -> Any:
    """Draw a view with its axes: time in s, frequency in Hz on a logarithmic scale."""
    image = ax.imshow(
        energy / 10,
        extent=(-duration / 2, duration / 2, math.log2(10), math.log2(2048)),
        aspect="auto",
        vmin=0,
        vmax=25.5,
        cmap="viridis",
        interpolation="nearest",
    )
    ax.set_yticks([math.log2(tick) for tick in _TICKS], [str(tick) for tick in _TICKS])
    return image


def draw_classes(path: Path, known: Bunch, new: Bunch) -> None:
    """Draw the glitch of middling loudness of each class, in the view of 2 s or the nearest."""
    view = int(np.argmin(np.abs(np.array(known.durations) - 2.0)))
    examples = [_example(known, name) for name in known.target_names]
    examples += [_example(new, name) for name in new.target_names]
    n_columns = 6
    n_rows = math.ceil(len(examples) / n_columns)
    figure = new_figure((2.3 * n_columns, 1.75 * n_rows))
    axes = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
    for ax, (name, views) in zip(axes, examples, strict=False):
        image = draw_glitch(ax, views[view], known.durations[view])
        is_new = name in new.target_names
        ax.set_title(
            f"{name}, new" if is_new else name,
            fontsize="small",
            color=_NEW_COLOR if is_new else "black",
        )
    for ax in axes[len(examples) :]:
        ax.remove()
    figure.supxlabel("time [s]", fontsize="medium")
    figure.supylabel("frequency [Hz]", fontsize="medium")
    figure.colorbar(image, ax=list(axes[: len(examples)]), label="normalised energy", pad=0.01)
    save_figure(figure, path)


def _example(bunch: Bunch, name: str) -> tuple[str, np.ndarray]:
    rows = np.flatnonzero(bunch.target == name)
    middle = rows[np.argsort(bunch.snr[rows])[len(rows) // 2]]
    return name, bunch.data[middle]


def draw_confusion(path: Path, y_true: np.ndarray, y_pred: np.ndarray) -> None:
    """Draw the counts of what was taken for what."""
    from sklearn.metrics import ConfusionMatrixDisplay

    side = max(5.0, 2.5 + 0.33 * len(np.unique(y_true)))
    figure = new_figure((side, side))
    ax = figure.subplots()
    display = ConfusionMatrixDisplay.from_predictions(
        y_true, y_pred, ax=ax, cmap="Blues", colorbar=False, xticks_rotation=90
    )
    # Zeros say nothing, and hide what does.
    for text in display.text_.ravel():
        if text.get_text() == "0":
            text.set_visible(False)
    ax.set(xlabel="taken for", ylabel="true class")
    save_figure(figure, path)


def draw_map(path: Path, embeddings: np.ndarray, labels: np.ndarray, new_class: str) -> None:
    """Draw a t-SNE map: the new class in a colour, the known ones by their names."""
    from matplotlib.patheffects import withStroke
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import normalize

    perplexity = min(15.0, (len(labels) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=0)
    places = tsne.fit_transform(normalize(embeddings))
    figure = new_figure((9, 7))
    ax = figure.subplots()
    is_new = labels == new_class
    x, y = places.T
    ax.scatter(x[~is_new], y[~is_new], s=22, c=_KNOWN_COLOR, lw=0)
    ax.scatter(
        x[is_new], y[is_new], s=34, c=_NEW_COLOR, marker="^", lw=0, label=f"{new_class}, new"
    )
    for name in np.unique(labels[~is_new]):
        members = places[labels == name]
        # Beside the densest part: a mean may lie where no glitch is.
        distance = np.linalg.norm(members[:, None] - members, axis=2)
        place = members[np.median(distance, axis=1).argmin()]
        text = ax.annotate(name, (place[0], place[1]), fontsize="small", ha="center", va="center")
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"{len(labels)} glitches that the net was not trained on, t-SNE of its features")
    ax.legend(loc="best")
    save_figure(figure, path)
