"""What was taken for what."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._axes import make_axes, settle

# Inches: a cell that holds four digits, and room for labels and the scale.
_CELL, _MARGIN = 0.31, 2.3
# Share of the cell's width that a digit takes at a font size as large as the cell is wide.
_DIGIT = 0.64
_LEGIBLE = 4.0
_DARK = 0.5


class ConfusionDisplay:
    """Confusion matrix that stays readable with 40 classes.

    Colors are shares of the true class; the numbers in the cells are counts, or these shares
    in percent. It is recommended to use :meth:`from_predictions` or :meth:`from_estimator`,
    which draw at once.

    Parameters
    ----------
    counts : array-like of shape (n_labels, n_labels)
        How many samples of the class of the row were taken for that of the column.
    labels : array-like of shape (n_labels,)
        The classes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure that this is in.
    labels_ : ndarray of shape (n_labels,)
        The classes in the order in which they were drawn.

    See Also
    --------
    ClassScoresDisplay : Precision and recall of each class.
    sklearn.metrics.ConfusionMatrixDisplay : Scikit-learn's, for a few classes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import ConfusionDisplay
    >>> y_true = ["Blip", "Blip", "Tomte", "Whistle"]
    >>> y_pred = ["Blip", "Tomte", "Tomte", "Whistle"]
    >>> display = ConfusionDisplay.from_predictions(y_true, y_pred, ax=Figure())
    >>> display.counts
    array([[1, 1, 0],
           [0, 1, 0],
           [0, 0, 1]])
    """

    def __init__(self, counts: ArrayLike, labels: ArrayLike) -> None:
        self.counts = counts
        self.labels = labels

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        ax: Any = None,
        **options: Any,
    ) -> ConfusionDisplay:
        """Count and draw.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        labels : array-like of shape (n_labels,), default=None
            The classes, in this order. None takes those in either, sorted.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        **options
            As for :meth:`plot`.

        Returns
        -------
        display : ConfusionDisplay
        """
        from sklearn.metrics import confusion_matrix

        true, predicted = np.asarray(y_true), np.asarray(y_pred)
        names = np.union1d(true, predicted) if labels is None else np.asarray(labels)
        counts = confusion_matrix(true, predicted, labels=names)
        return cls(counts, names).plot(ax, **options)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        ax: Any = None,
        **options: Any,
    ) -> ConfusionDisplay:
        """Predict, count and draw.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier.
        X : array-like
            Samples.
        y : array-like of shape (n_samples,)
            True labels.
        labels : array-like of shape (n_labels,), default=None
            The classes, in this order. None takes those in `y` or predicted, sorted.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        **options
            As for :meth:`plot`.

        Returns
        -------
        display : ConfusionDisplay
        """
        return cls.from_predictions(y, estimator.predict(X), labels=labels, ax=ax, **options)

    @property
    def figsize(self) -> tuple[float, float]:
        """Width and height in inches that suit so many classes."""
        side = max(4.2, _MARGIN + _CELL * len(np.asarray(self.labels)))
        return side + 0.9, side

    def plot(
        self,
        ax: Any = None,
        *,
        order: str = "given",
        values: str | None = "counts",
        cmap: Any = "Blues",
        colorbar: bool = True,
    ) -> ConfusionDisplay:
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure of the size `figsize`.
        order : {"given", "similarity"}, default="given"
            The order of the classes; by similarity, those that are taken for each other are
            neighbors.
        values : {"counts", "rates"} or None, default="counts"
            The numbers in the cells: counts, shares of the true class in percent, or none.
            Those that are zero, or round to it, are left out, as are all where the cells are
            too small to read them.
        cmap : str or matplotlib Colormap, default="Blues"
            Colors of the shares, from light to dark.
        colorbar : bool, default=True
            Whether to draw the scale of the colors.

        Returns
        -------
        display : ConfusionDisplay
            Itself.

        Raises
        ------
        ValueError
            If `order` or `values` is none of these, or `counts` do not fit `labels`.
        """
        counts, labels = self._checked(order, values)
        if order == "similarity":
            places = _by_similarity(counts)
            counts, labels = counts[np.ix_(places, places)], labels[places]
        self.labels_ = labels
        rates = _rates(counts)
        self.figure_, axes = make_axes(ax, self.figsize)
        self.ax_ = axes[0, 0]
        image = self.ax_.imshow(rates, vmin=0, vmax=1, cmap=cmap)
        # Packages that set one for all axes when imported (gwpy) would strike out the numbers.
        self.ax_.grid(False)
        if colorbar:
            bar = self.figure_.colorbar(image, ax=self.ax_, shrink=0.7, pad=0.02)
            bar.set_label("share of the true class [%]")
            bar.ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}")
        size = self._label_classes(counts, labels)
        if values is not None:
            numbers = counts if values == "counts" else np.rint(100 * rates)
            self._write(numbers, rates, size)
        return self

    def _checked(self, order: str, values: str | None) -> tuple[np.ndarray, np.ndarray]:
        counts, labels = np.asarray(self.counts), np.asarray(self.labels)
        if counts.shape != (len(labels), len(labels)):
            raise ValueError(
                f"counts has shape {counts.shape}, but there are {len(labels)} labels."
            )
        if order not in ("given", "similarity"):
            raise ValueError(f"order={order!r} is neither 'given' nor 'similarity'.")
        if values not in ("counts", "rates", None):
            raise ValueError(f"values={values!r} is none of 'counts', 'rates' and None.")
        return counts, labels

    def _label_classes(self, counts: np.ndarray, labels: np.ndarray) -> float:
        """Label both axes in a size that fits the cells, and return the cell's side in points."""
        ax, n = self.ax_, len(labels)
        ax.set(xlabel="predicted class", ylabel="true class (samples)")
        true = [f"{name} ({n})" for name, n in zip(labels, counts.sum(axis=1), strict=True)]
        ax.set_xticks(range(n), labels.astype(str), rotation=90)
        ax.set_yticks(range(n), true)
        # Labels take room from the cells and these set the size of labels: once more settles it.
        for _ in range(2):
            settle(self.figure_)
            cell = ax.get_window_extent().width / n * 72 / ax.figure.dpi
            usual = ax.xaxis.label.get_fontsize() * 0.9
            ax.tick_params(labelsize=min(usual, 0.8 * cell))
        return cell

    def _write(self, numbers: np.ndarray, rates: np.ndarray, cell: float) -> None:
        digits = len(f"{numbers.max():.0f}")
        fontsize = min(9.0, 0.6 * cell, 0.9 * cell / (_DIGIT * digits))
        if fontsize < _LEGIBLE:
            return
        for row, column in np.argwhere(numbers > 0):
            self.ax_.text(
                column,
                row,
                f"{numbers[row, column]:.0f}",
                ha="center",
                va="center",
                fontsize=fontsize,
                color="white" if rates[row, column] > _DARK else "black",
            )


def _rates(counts: np.ndarray) -> np.ndarray:
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _by_similarity(counts: np.ndarray) -> np.ndarray:
    """Order in which classes that are taken for each other are neighbors."""
    if len(counts) < 3:
        return np.arange(len(counts))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    rates = _rates(counts)
    distance = 1 - (rates + rates.T) / 2
    np.fill_diagonal(distance, 0)
    return leaves_list(linkage(squareform(distance), "average", optimal_ordering=True))
