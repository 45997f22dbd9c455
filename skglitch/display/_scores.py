"""Scores per class, reliability diagrams and top-k accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import (
    classification_table,
    expected_calibration_error,
    reliability_table,
    top_k_table,
)
from ._axes import COLORS, color_and_marker, in_percent, make_axes

if TYPE_CHECKING:
    import pandas as pd

_NAMES = {"precision": "precision", "recall": "recall", "f1": "F1"}


@dataclass(eq=False, repr=False)
class ClassScoresDisplay:
    """Bar chart of precision, recall and F1 of each class.

    Parameters
    ----------
    table : pandas.DataFrame
        The table from :func:`skglitch.metrics.classification_table`.

    Attributes
    ----------
    figure_, ax_ : matplotlib Figure and Axes
        The figure and its axes.
    labels_ : list of length n_labels
        The classes as plotted, from top to bottom.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import ClassScoresDisplay
    >>> y_true, y_pred = ["Blip", "Blip", "Tomte"], ["Blip", "Tomte", "Tomte"]
    >>> display = ClassScoresDisplay.from_predictions(y_true, y_pred, ax=Figure())
    >>> display.table.recall[["Blip", "Tomte"]].tolist()
    [0.5, 1.0]
    """

    table: pd.DataFrame

    @classmethod
    def from_predictions(
        cls, y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None, **kwargs: Any
    ) -> ClassScoresDisplay:
        """Plot the scores of predictions.

        Parameters
        ----------
        y_true, y_pred, labels
            As in :func:`skglitch.metrics.classification_table`.
        **kwargs
            `ax` and others, passed to :meth:`plot`.

        Returns
        -------
        display : ClassScoresDisplay
        """
        return cls(classification_table(y_true, y_pred, labels=labels)).plot(**kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, **kwargs: Any
    ) -> ClassScoresDisplay:
        """Plot the scores of a classifier.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier.
        X, y : array-like
            Samples and their true labels.
        **kwargs
            `ax` and others, passed to :meth:`from_predictions`.

        Returns
        -------
        display : ClassScoresDisplay
        """
        return cls.from_predictions(y, estimator.predict(X), **kwargs)

    def plot(self, ax: Any = None, *, sort_by: str | None = None) -> ClassScoresDisplay:
        """Plot the bars.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.
        sort_by : {"precision", "recall", "f1", "support"} or None, default=None
            The score by which classes are sorted, highest first. None keeps their order.

        Returns
        -------
        display : ClassScoresDisplay

        Raises
        ------
        ValueError
            If `sort_by` is invalid.
        """
        if sort_by not in (None, *_NAMES, "support"):
            raise ValueError(f"sort_by={sort_by!r} is none of {(*_NAMES, 'support')} and None.")
        classes = self.table[:-3]  # the last rows are averages
        if sort_by is not None:
            classes = classes.sort_values(sort_by, ascending=False, kind="stable")
        self.labels_ = classes.index.tolist()
        self.figure_, (self.ax_,) = make_axes(ax, (7.0, 1.3 + 0.33 * len(classes)))
        y = np.arange(len(classes))
        height = 0.8 / len(_NAMES)
        for number, (name, title) in enumerate(_NAMES.items()):
            mean = 100 * self.table.loc["macro avg", name]
            style = {"color": COLORS[number], "label": f"{title}, mean {mean:.1f} %"}
            self.ax_.barh(y + (number - 1) * height, classes[name], height, **style)
        self.ax_.set_yticks(y, [str(label) for label in self.labels_])
        self.ax_.set(xlim=(0, 1), ylim=(len(y) - 0.4, -0.6), xlabel="score [%]")
        self.ax_.grid(axis="x", alpha=0.3)
        in_percent(self.ax_, "x")
        support = self.ax_.secondary_yaxis("right")
        support.set_yticks(y, classes["support"].astype(str))
        support.tick_params(length=0)
        support.set_ylabel("samples")
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1)}
        self.ax_.legend(**place, ncols=len(_NAMES), fontsize="small")
        return self


@dataclass(eq=False, repr=False)
class ReliabilityDisplay:
    """Reliability diagram above a histogram of the probabilities.

    Parameters
    ----------
    table : pandas.DataFrame
        The table from :func:`skglitch.metrics.reliability_table`.
    error : float, default=None
        The expected calibration error, for the title.
    name : str, default=None
        The name of the classifier, for the title.

    Attributes
    ----------
    figure_, axes_ : matplotlib Figure and ndarray of Axes of shape (2,)
        The figure, and the axes of the diagram and of the histogram.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import ReliabilityDisplay
    >>> y_true, labels = ["Blip", "Tomte", "Tomte", "Blip"], ["Blip", "Tomte"]
    >>> y_prob = [[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.7, 0.3]]
    >>> display = ReliabilityDisplay.from_predictions(
    ...     y_true, y_prob, labels=labels, n_bins=4, ax=Figure()
    ... )
    >>> round(display.error, 3)
    0.125
    """

    table: pd.DataFrame
    _: KW_ONLY
    error: float | None = None
    name: str | None = None

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_prob: ArrayLike,
        *,
        labels: ArrayLike,
        n_bins: int = 15,
        strategy: Any = "uniform",
        name: str | None = None,
        ax: Any = None,
    ) -> ReliabilityDisplay:
        """Plot the reliability of probabilities.

        Parameters
        ----------
        y_true, y_prob, labels, n_bins, strategy
            As in :func:`skglitch.metrics.reliability_table`.
        name : str, default=None
            The name of the classifier, for the title.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.

        Returns
        -------
        display : ReliabilityDisplay
        """
        bins: Any = {"labels": labels, "n_bins": n_bins, "strategy": strategy}
        table = reliability_table(y_true, y_prob, **bins)
        error = expected_calibration_error(y_true, y_prob, **bins)
        return cls(table, error=error, name=name).plot(ax)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, *, name: str | None = None, **kwargs: Any
    ) -> ReliabilityDisplay:
        """Plot the reliability of a classifier.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with ``predict_proba``.
        X, y : array-like
            Samples and their true labels.
        name : str, default=None
            The name of the classifier, for the title. None is the name of its Python class.
        **kwargs
            `ax`, `n_bins` and `strategy`, passed to :meth:`from_predictions`.

        Returns
        -------
        display : ReliabilityDisplay
        """
        name = type(estimator).__name__ if name is None else name
        y_prob, labels = estimator.predict_proba(X), estimator.classes_
        return cls.from_predictions(y, y_prob, labels=labels, name=name, **kwargs)

    def plot(self, ax: Any = None) -> ReliabilityDisplay:
        """Plot the diagram and the histogram.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure. Axes are replaced by two.

        Returns
        -------
        display : ReliabilityDisplay
        """
        self.figure_, self.axes_ = make_axes(
            ax, (4.8, 5.2), (2, 1), sharex=True, height_ratios=[3, 1]
        )
        diagram, histogram = self.axes_
        table, label = self.table, self.table.attrs.get("label")
        level = 100 * table.attrs.get("confidence_level", np.nan)
        diagram.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="calibrated")
        options = {"color": COLORS[0], "marker": "o", "label": f"{level:g} % interval"}
        _plot_intervals(diagram, table["probability"], table["frequency"], table, **options)
        event = "predicted class" if label is None else str(label)
        diagram.set(xlim=(0, 1), ylim=(0, 1.02), ylabel=f"frequency of {event} [%]")
        diagram.legend(loc="upper left")
        title = [self.name] if self.name else []
        if self.error is not None:
            title.append(f"expected calibration error {100 * self.error:.1f} %")
        diagram.set_title("\n".join(title), fontsize="medium")
        widths = table["right"] - table["left"]
        style: dict[str, Any] = {"align": "edge", "color": COLORS[0], "edgecolor": "white"}
        histogram.bar(table["left"], table["n_samples"], widths, **style)
        histogram.set(xlabel=f"probability of {event} [%]", ylabel="samples")
        in_percent(diagram, "y")
        in_percent(histogram, "x")
        return self


@dataclass(eq=False, repr=False)
class TopKDisplay:
    """Top-k accuracy of one or several classifiers, with confidence intervals.

    Parameters
    ----------
    tables : pandas.DataFrame or dict of str to pandas.DataFrame
        The table from :func:`skglitch.metrics.top_k_table`, or tables by name of the classifier.

    Attributes
    ----------
    figure_, ax_ : matplotlib Figure and Axes
        The figure and its axes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import TopKDisplay
    >>> y_true, labels = ["Blip", "Tomte", "Tomte"], ["Blip", "Tomte", "Whistle"]
    >>> y_score = [[0.9, 0.1, 0], [0.6, 0.4, 0], [0.2, 0.5, 0.3]]
    >>> display = TopKDisplay.from_predictions(y_true, y_score, labels=labels, ax=Figure())
    >>> display.tables.accuracy.round(2).tolist()
    [0.67, 1.0, 1.0]
    """

    tables: pd.DataFrame | Mapping[str, pd.DataFrame]

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike | Mapping[str, ArrayLike],
        *,
        labels: ArrayLike,
        ks: Sequence[int] = (1, 2, 3, 4, 5),
        confidence_level: float = 0.95,
        ax: Any = None,
    ) -> TopKDisplay:
        """Plot the accuracy of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_score : array-like of shape (n_samples, n_labels) or dict of str to array-like
            Scores, higher for more likely classes, or scores by name of the classifier.
        labels, ks, confidence_level
            As in :func:`skglitch.metrics.top_k_table`.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.

        Returns
        -------
        display : TopKDisplay
        """
        options: Any = {"labels": labels, "ks": ks, "confidence_level": confidence_level}
        if isinstance(y_score, Mapping):
            tables = {n: top_k_table(y_true, scores, **options) for n, scores in y_score.items()}
            return cls(tables).plot(ax)
        return cls(top_k_table(y_true, y_score, **options)).plot(ax)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, **kwargs: Any
    ) -> TopKDisplay:
        """Plot the accuracy of a classifier.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with ``predict_proba``.
        X, y : array-like
            Samples and their true labels.
        **kwargs
            `ax`, `ks` and `confidence_level`, passed to :meth:`from_predictions`.

        Returns
        -------
        display : TopKDisplay
        """
        y_prob = estimator.predict_proba(X)
        return cls.from_predictions(y, y_prob, labels=estimator.classes_, **kwargs)

    def plot(self, ax: Any = None) -> TopKDisplay:
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.

        Returns
        -------
        display : TopKDisplay
        """
        has_names = isinstance(self.tables, Mapping)
        tables: Any = self.tables if has_names else {"": self.tables}
        self.figure_, (self.ax_,) = make_axes(ax, (5.2, 3.8))
        # Side by side, as overlapping intervals cannot be read.
        offsets = 0.08 * (np.arange(len(tables)) - (len(tables) - 1) / 2)
        for number, (name, table) in enumerate(tables.items()):
            style = {"label": name, "markersize": 5, **color_and_marker(number)}
            k = table.index + offsets[number]
            _plot_intervals(self.ax_, k, table["accuracy"], table, **style)
        level = 100 * table.attrs.get("confidence_level", np.nan)
        self.ax_.set_xticks(np.unique(np.concatenate([table.index for table in tables.values()])))
        self.ax_.set_xlabel("k, number of guesses")
        self.ax_.set_ylabel(f"top-k accuracy [%], {level:g} % interval")
        self.ax_.grid(axis="y", alpha=0.3)
        in_percent(self.ax_, "y")
        if has_names:
            self.ax_.legend(loc="lower right")
        return self


def _plot_intervals(ax: Any, x: Any, y: pd.Series, table: pd.DataFrame, **style: Any) -> None:
    # Rounding may make lengths negative.
    lengths = np.maximum([y - table["low"], table["high"] - y], 0)
    ax.errorbar(x, y, lengths, capsize=2.5, **style)
