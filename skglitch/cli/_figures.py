"""Pictures that commands write: classes, confusions, a map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from sklearn.utils import Bunch

_COLUMNS = 6


def new_figure(size: tuple[float, float]) -> Figure:
    """Make a figure of its own, for which no window or backend is needed."""
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a whole or not at all."""
    from .._files import written_whole

    with written_whole(path) as file:
        figure.savefig(file, format="png", dpi=110)


def draw_classes(path: Path, known: Bunch, new: Bunch) -> None:
    """Draw the glitch of middling loudness of each class, in the view of 2 s or the nearest."""
    from ..display import GalleryDisplay

    view = int(np.argmin(np.abs(np.array(known.durations) - 2.0)))
    examples = [_example(bunch, name) for bunch in (known, new) for name in bunch.target_names]
    n_known = len(known.target_names)
    display = GalleryDisplay(
        [views[view] for _, views in examples],
        [name if n < n_known else f"{name}, new" for n, (name, _) in enumerate(examples)],
        known.durations[view],
        marked=[n >= n_known for n in range(len(examples))],
    )
    figure = new_figure(display.figsize(_COLUMNS))
    display.plot(figure, n_columns=_COLUMNS)
    save_figure(figure, path)


def _example(bunch: Bunch, name: str) -> tuple[str, np.ndarray]:
    rows = np.flatnonzero(bunch.target == name)
    middle = rows[np.argsort(bunch.snr[rows])[len(rows) // 2]]
    return name, bunch.data[middle]


def draw_confusion(path: Path, y_true: np.ndarray, y_pred: np.ndarray) -> None:
    """Draw the counts of what was taken for what."""
    from sklearn.metrics import confusion_matrix

    from ..display import ConfusionDisplay

    matrix = confusion_matrix(y_true, y_pred)
    display = ConfusionDisplay(matrix, display_labels=np.union1d(y_true, y_pred))
    figure = new_figure(display.figsize)
    display.plot(figure)
    save_figure(figure, path)


def draw_map(path: Path, embeddings: np.ndarray, labels: np.ndarray, new_class: str) -> None:
    """Draw a t-SNE map: the new class in a color, the known ones by their names."""
    from sklearn.preprocessing import normalize

    from ..display import EmbeddingDisplay

    figure = new_figure((9, 7))
    EmbeddingDisplay.from_embeddings(
        normalize(embeddings),
        labels,
        title=f"{len(labels)} glitches that the net was not trained on",
        highlight=new_class,
        ax=figure,
    )
    save_figure(figure, path)
