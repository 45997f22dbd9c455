"""Confusion matrix."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import confusion_matrix

from .._labels import UNLABELED
from .._validation import check_labels, order_columns
from ._axes import make_axes, settle

# Inches: a cell that holds four digits, and space for labels and the color bar.
_CELL, _MARGIN = 0.31, 2.3
# Width of a digit, as a fraction of the font size.
_DIGIT = 0.64
_MIN_FONT_SIZE = 4.0
_DARK = 0.5


@dataclass(eq=False, repr=False)
class ConfusionDisplay:
    """Confusion matrix that is readable with 40 classes.

    Colors are fractions of the true class.

    Parameters
    ----------
    confusion_matrix : array-like of shape (n_labels, n_labels)
        The number of samples of each true class (row) and predicted class (column). Rows and
        columns of a data frame are matched to `display_labels` by name.
    display_labels : array-like of shape (n_labels,), default=None
        The names of the classes. None is the columns of a data frame, else numbers from 0.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The image of the matrix.
    text_ : ndarray of shape (n_labels, n_labels), dtype=matplotlib Text, or None
        The values in the cells, None for cells of zero; None without values.
    figure_, ax_ : matplotlib Figure and Axes
        The figure and its axes.
    labels_ : ndarray of shape (n_labels,)
        The names of the classes as plotted.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import ConfusionDisplay
    >>> y_true = ["Blip", "Blip", "Tomte", "Whistle"]
    >>> y_pred = ["Blip", "Tomte", "Tomte", "Whistle"]
    >>> display = ConfusionDisplay.from_predictions(y_true, y_pred, ax=Figure())
    >>> display.confusion_matrix
    array([[1, 1, 0],
           [0, 1, 0],
           [0, 0, 1]])
    """

    confusion_matrix: ArrayLike
    _: KW_ONLY
    display_labels: ArrayLike | None = None

    @classmethod
    def from_predictions(
        cls, y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None, **kwargs: Any
    ) -> ConfusionDisplay:
        """Plot the confusion matrix of predictions.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            True and predicted labels.
        labels : array-like of shape (n_labels,), default=None
            The classes, in this order. None is all classes in `y_true` and `y_pred`, sorted.
        **kwargs
            `ax` and others, passed to :meth:`plot`.

        Returns
        -------
        display : ConfusionDisplay
        """
        known = None if labels is None else check_labels(labels, "labels", {UNLABELED})
        true = np.array(check_labels(y_true, "y_true", known))
        predicted = np.array(check_labels(y_pred, "y_pred", {UNLABELED}))
        names = np.union1d(true, predicted) if known is None else np.array(known)
        matrix = confusion_matrix(true, predicted, labels=names)
        return cls(matrix, display_labels=names).plot(**kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, **kwargs: Any
    ) -> ConfusionDisplay:
        """Plot the confusion matrix of a classifier.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier.
        X, y : array-like
            Samples and their true labels.
        **kwargs
            `ax`, `labels` and others, passed to :meth:`from_predictions`.

        Returns
        -------
        display : ConfusionDisplay
        """
        return cls.from_predictions(y, estimator.predict(X), **kwargs)

    @property
    def figsize(self) -> tuple[float, float]:
        """Suitable width and height of a figure in inches."""
        side = max(4.2, _MARGIN + _CELL * len(np.asarray(self.confusion_matrix)))
        return side + 0.9, side

    def plot(
        self,
        ax: Any = None,
        *,
        order: str = "given",
        include_values: bool = True,
        values_format: str = ".0f",
        cmap: Any = "Blues",
        colorbar: bool = True,
    ) -> ConfusionDisplay:
        """Plot the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure of the size `figsize`.
        order : {"given", "similarity"}, default="given"
            The order of the classes. With ``"similarity"``, confused classes are neighbors.
        include_values : bool, default=True
            Whether to write nonzero values into the cells, if these are large enough.
        values_format : str, default=".0f"
            The format of the values. Formats such as ``".0%"`` show fractions of the true class.
        cmap : str or matplotlib Colormap, default="Blues"
            The colormap of the fractions, from light to dark.
        colorbar : bool, default=True
            Whether to add a color bar.

        Returns
        -------
        display : ConfusionDisplay

        Raises
        ------
        ValueError
            If `order` is invalid, or the matrix does not fit `display_labels`.
        """
        labels = self.display_labels
        matrix = _order_table(self.confusion_matrix, labels)
        if labels is None:
            names = getattr(self.confusion_matrix, "columns", None)
            labels = np.arange(len(matrix)) if names is None else names
        labels = np.asarray(labels)
        if matrix.shape != (len(labels), len(labels)):
            raise ValueError(
                f"confusion_matrix has shape {matrix.shape}, but there are {len(labels)} "
                "display_labels."
            )
        if order not in ("given", "similarity"):
            raise ValueError(f"order={order!r} is neither 'given' nor 'similarity'.")
        if order == "similarity":
            rows = _order_by_similarity(matrix)
            matrix, labels = matrix[np.ix_(rows, rows)], labels[rows]
        self.labels_ = labels
        rates = _normalize(matrix)
        self.figure_, (self.ax_,) = make_axes(ax, self.figsize)
        # Explicit, as importing gwpy changes the defaults of matplotlib.
        self.im_ = self.ax_.imshow(rates, vmin=0, vmax=1, cmap=cmap, origin="upper", aspect="equal")
        self.ax_.grid(False)
        if colorbar:
            bar = self.figure_.colorbar(self.im_, ax=self.ax_, shrink=0.7, pad=0.02)
            bar.set_label("fraction of the true class [%]")
            bar.ax.yaxis.set_major_formatter(lambda fraction, _: f"{100 * fraction:.0f}")
        n = len(labels)
        n_samples = matrix.sum(axis=1)
        names = [f"{name} ({k:g})" for name, k in zip(labels, n_samples, strict=True)]
        self.ax_.set_xticks(range(n), labels.astype(str), rotation=90)
        self.ax_.set_yticks(range(n), names)
        self.ax_.set(xlabel="predicted class", ylabel="true class (samples)")
        # The sizes of labels and cells depend on each other, and converge in the second run.
        for _ in range(2):
            settle(self.figure_)
            cell = self.ax_.get_window_extent().width / n * 72 / self.ax_.figure.dpi
            usual = self.ax_.xaxis.label.get_fontsize() * 0.9
            self.ax_.tick_params(labelsize=min(usual, 0.8 * cell))
        self.text_ = None
        if not include_values:
            return self
        self.text_ = np.full(matrix.shape, None, dtype=object)
        values = rates if values_format.endswith("%") else matrix
        cells = [(*at, format(values[tuple(at)], values_format)) for at in np.argwhere(values > 0)]
        n_characters = max((len(text) for *_, text in cells), default=1)
        fontsize = min(9.0, 0.6 * cell, 0.9 * cell / (_DIGIT * n_characters))
        options = {"ha": "center", "va": "center", "fontsize": fontsize}
        for row, column, text in cells:
            if fontsize >= _MIN_FONT_SIZE and text != format(0, values_format):
                color = "white" if rates[row, column] > _DARK else "black"
                self.text_[row, column] = self.ax_.text(column, row, text, color=color, **options)
        return self


def _order_table(matrix: Any, labels: Any) -> np.ndarray:
    """Order rows and columns of a data frame, such as from ``pandas.crosstab``, by name."""
    if not hasattr(matrix, "columns"):
        return np.asarray(matrix)
    names = list(matrix.columns if labels is None else labels)
    for _ in range(2):
        ordered = np.asarray(order_columns(matrix, names, "confusion_matrix"))
        matrix = type(matrix)(ordered.T, columns=matrix.index)
    return matrix.to_numpy()


def _normalize(matrix: np.ndarray) -> np.ndarray:
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


def _order_by_similarity(matrix: np.ndarray) -> np.ndarray:
    """Order classes so that confused classes are neighbors."""
    if len(matrix) < 3:
        return np.arange(len(matrix))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    rates = _normalize(matrix)
    distance = 1 - (rates + rates.T) / 2
    np.fill_diagonal(distance, 0)
    return leaves_list(linkage(squareform(distance), "average", optimal_ordering=True))
