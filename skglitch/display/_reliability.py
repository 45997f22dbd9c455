"""Reliability diagram: are probabilities what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import ReliabilityTable, expected_calibration_error, reliability_table
from ._axes import COLORS, in_percent, make_axes


class ReliabilityDisplay:
    """Reliability diagram of first guesses, above a histogram of their probabilities.

    It is recommended to use :meth:`from_predictions` or :meth:`from_estimator`, which draw at
    once.

    Parameters
    ----------
    table : ReliabilityTable
        What :func:`skglitch.metrics.reliability_table` returned.
    error : float, default=None
        Expected calibration error, to write above.
    name : str, default=None
        Name of the classifier, to write above.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,)
        The diagram and the histogram.
    figure_ : matplotlib Figure
        The figure that they are in.

    See Also
    --------
    skglitch.metrics.reliability_table : The numbers.
    skglitch.metrics.expected_calibration_error : One number for it.
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

    def __init__(
        self, table: ReliabilityTable, *, error: float | None = None, name: str | None = None
    ) -> None:
        self.table = table
        self.error = error
        self.name = name

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
        """Compute and draw.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_prob : array-like of shape (n_samples, n_labels)
            Probabilities of the classes.
        labels : array-like of shape (n_labels,)
            The class of each column of `y_prob`, usually ``classifier.classes_``.
        n_bins : int, default=15
            How many bins to make.
        strategy : {"uniform", "quantile"}, default="uniform"
            Bins of equal width or with as many samples each.
        name : str, default=None
            Name of the classifier, to write above.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ReliabilityDisplay
        """
        options: Any = {"labels": labels, "n_bins": n_bins, "strategy": strategy}
        table = reliability_table(y_true, y_prob, **options)
        error = expected_calibration_error(y_true, y_prob, **options)
        return cls(table, error=error, name=name).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        n_bins: int = 15,
        strategy: Any = "uniform",
        name: str | None = None,
        ax: Any = None,
    ) -> ReliabilityDisplay:
        """Predict, compute and draw.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with ``predict_proba``.
        X : array-like
            Samples.
        y : array-like of shape (n_samples,)
            True labels.
        n_bins : int, default=15
            How many bins to make.
        strategy : {"uniform", "quantile"}, default="uniform"
            Bins of equal width or with as many samples each.
        name : str, default=None
            Name of the classifier, to write above. None takes that of its class.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ReliabilityDisplay
        """
        return cls.from_predictions(
            y,
            estimator.predict_proba(X),
            labels=estimator.classes_,
            n_bins=n_bins,
            strategy=strategy,
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
        )

    def plot(self, ax: Any = None) -> ReliabilityDisplay:
        """Draw diagram and histogram.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure. Axes give their place to two.

        Returns
        -------
        display : ReliabilityDisplay
            Itself.
        """
        self.figure_, axes = make_axes(ax, (4.8, 5.2), (2, 1), sharex=True, height_ratios=[3, 1])
        self.axes_ = axes[:, 0]
        diagram, histogram = self.axes_
        table = self.table
        what = "first guess" if table.label is None else str(table.label)
        diagram.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="as they say")
        diagram.errorbar(
            table.probability,
            table.frequency,
            np.maximum([table.frequency - table.low, table.high - table.frequency], 0),
            color=COLORS[0],
            marker="o",
            capsize=2.5,
            label=f"{100 * table.confidence:g} % interval",
        )
        diagram.set(xlim=(0, 1), ylim=(0, 1.02), ylabel=f"{what} true [%]")
        diagram.legend(loc="upper left")
        parts = [self.name] if self.name else []
        if self.error is not None:
            parts.append(f"expected calibration error {100 * self.error:.1f} %")
        diagram.set_title("\n".join(parts), fontsize="medium")
        widths = table.right - table.left
        histogram.bar(
            table.left, table.n_samples, widths, align="edge", color=COLORS[0], edgecolor="white"
        )
        histogram.set(xlabel=f"probability of {what} [%]", ylabel="samples")
        in_percent(diagram, "y")
        in_percent(histogram, "x")
        return self
