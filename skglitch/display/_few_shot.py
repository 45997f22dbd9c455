"""Accuracy against the number of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._axes import color_and_marker, in_percent, make_axes


class FewShotDisplay:
    """Accuracy against labels of each class, for several methods.

    It is recommended to use :meth:`from_scores`, which draws at once.

    Parameters
    ----------
    n_labels : array-like of shape (n_counts,)
        Labels of each class.
    means : mapping of str to array-like of shape (n_counts,)
        Mean accuracy of each method; NaN where it was not measured.
    intervals : mapping of str to array-like of shape (2, n_counts), default=None
        Lower and upper ends of the bands. None draws none.
    confidence : float, default=None
        Confidence level of the bands, to write beside the axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure that this is in.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : One estimator, trained along the way.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import FewShotDisplay
    >>> scores = {"fine-tuned": [[0.5, 0.6], [0.8, 0.9]], "features": [[0.6, 0.8], [0.7, 0.7]]}
    >>> display = FewShotDisplay.from_scores([1, 10], scores, ax=Figure())
    >>> display.means["fine-tuned"]
    array([0.55, 0.85])
    """

    def __init__(
        self,
        n_labels: ArrayLike,
        means: Mapping[str, ArrayLike],
        intervals: Mapping[str, ArrayLike] | None = None,
        *,
        confidence: float | None = None,
    ) -> None:
        self.n_labels = n_labels
        self.means = means
        self.intervals = intervals
        self.confidence = confidence

    @classmethod
    def from_scores(
        cls,
        n_labels: ArrayLike,
        scores: Mapping[str, ArrayLike],
        *,
        confidence: float = 0.95,
        ax: Any = None,
        **options: Any,
    ) -> FewShotDisplay:
        """Average over repetitions and draw, with Student's interval of each mean.

        Parameters
        ----------
        n_labels : array-like of shape (n_counts,)
            Labels of each class.
        scores : mapping of str to array-like of shape (n_counts, n_repetitions)
            Accuracies of each method, from 0 to 1; NaN where there is none. Two repetitions or
            more make an interval.
        confidence : float, default=0.95
            Confidence level of the intervals, of the mean over repetitions.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        **options
            As for :meth:`plot`.

        Returns
        -------
        display : FewShotDisplay

        Raises
        ------
        ValueError
            If scores are not as many as `n_labels`.
        """
        means, intervals = {}, {}
        for name, values in scores.items():
            table = np.atleast_2d(np.asarray(values, dtype=float))
            if len(table) != len(np.asarray(n_labels)):
                raise ValueError(
                    f"scores[{name!r}] has {len(table)} rows, but n_labels has "
                    f"{len(np.asarray(n_labels))} counts."
                )
            means[name], intervals[name] = _mean_and_interval(table, confidence)
        return cls(n_labels, means, intervals, confidence=confidence).plot(ax, **options)

    def plot(self, ax: Any = None, *, ylabel: str = "accuracy") -> FewShotDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        ylabel : str, default="accuracy"
            What was measured.

        Returns
        -------
        display : FewShotDisplay
            Itself.
        """
        self.figure_, axes = make_axes(ax, (5.6, 4.0))
        self.ax_ = axes[0, 0]
        n_labels = np.asarray(self.n_labels)
        for number, (name, mean) in enumerate(self.means.items()):
            look = color_and_marker(number)
            self.ax_.plot(n_labels, np.asarray(mean), label=name, markersize=5, **look)
            if self.intervals is not None and name in self.intervals:
                low, high = np.asarray(self.intervals[name])
                self.ax_.fill_between(n_labels, low, high, color=look["color"], alpha=0.15, lw=0)
        self.ax_.set_xscale("log")
        self.ax_.set_xticks(n_labels, [f"{count:g}" for count in n_labels])
        self.ax_.minorticks_off()
        level = "" if self.confidence is None else f", {100 * self.confidence:g} % interval"
        self.ax_.set(xlabel="labels of each class", ylabel=f"{ylabel} [%]{level}")
        in_percent(self.ax_, "y")
        self.ax_.grid(alpha=0.3)
        self.ax_.legend(loc="lower right")
        return self


def _mean_and_interval(table: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each row and the ends of its interval, which lie between 0 and 1."""
    from scipy.stats import t

    count = np.isfinite(table).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(table, axis=1) / count
        variance = np.nansum((table - mean[:, None]) ** 2, axis=1) / (count - 1)
        half = t.ppf((1 + confidence) / 2, count - 1) * np.sqrt(variance / count)
    return mean, np.clip([mean - half, mean + half], 0, 1)
