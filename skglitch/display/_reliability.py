"""Reliability diagram of predicted probabilities."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import expected_calibration_error, reliability_table
from ._axes import COLORS, error_bars, in_percent, make_axes

if TYPE_CHECKING:
    import pandas as pd


@dataclass(eq=False, repr=False)
class ReliabilityDisplay:
    """Reliability diagram above a histogram of the probabilities.

    Parameters
    ----------
    table : pandas.DataFrame
        The table that :func:`skglitch.metrics.reliability_table` returns.
    error : float, default=None
        The expected calibration error, for the title.
    name : str, default=None
        The name of the classifier, for the title.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,)
        The axes of the diagram and of the histogram.
    figure_ : matplotlib Figure
        The figure that contains the axes.

    See Also
    --------
    skglitch.metrics.reliability_table : The numbers.
    skglitch.metrics.expected_calibration_error : A summary in one number.
    sklearn.calibration.CalibrationDisplay : For two classes.

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
        y_true : array-like of shape (n_samples,)
            True labels.
        y_prob : array-like of shape (n_samples, n_labels)
            Probabilities of the classes.
        labels : array-like of shape (n_labels,)
            The class of each column of `y_prob`, usually ``classifier.classes_``.
        n_bins : int, default=15
            The number of bins.
        strategy : {"uniform", "quantile"}, default="uniform"
            Bins of equal width or of equally many samples.
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
            The name of the classifier, for the title. None takes the name of its class.
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
            Where to plot; None creates a figure. Two axes replace given ones.

        Returns
        -------
        display : ReliabilityDisplay
        """
        options = {"sharex": True, "height_ratios": [3, 1]}
        self.figure_, self.axes_ = make_axes(ax, (4.8, 5.2), (2, 1), **options)
        diagram, histogram = self.axes_
        table, label = self.table, self.table.attrs.get("label")
        level = 100 * table.attrs.get("confidence_level", np.nan)
        diagram.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="calibrated")
        diagram.errorbar(
            table["probability"],
            table["frequency"],
            error_bars(table["frequency"], table["low"], table["high"]),
            color=COLORS[0],
            marker="o",
            capsize=2.5,
            label=f"{level:g} % interval",
        )
        event = "predicted class" if label is None else str(label)
        diagram.set(xlim=(0, 1), ylim=(0, 1.02), ylabel=f"frequency of {event} [%]")
        diagram.legend(loc="upper left")
        title = [self.name] if self.name else []
        if self.error is not None:
            title.append(f"expected calibration error {100 * self.error:.1f} %")
        diagram.set_title("\n".join(title), fontsize="medium")
        histogram.bar(
            table["left"],
            table["n_samples"],
            table["right"] - table["left"],
            align="edge",
            color=COLORS[0],
            edgecolor="white",
        )
        histogram.set(xlabel=f"probability of {event} [%]", ylabel="samples")
        in_percent(diagram, "y")
        in_percent(histogram, "x")
        return self
