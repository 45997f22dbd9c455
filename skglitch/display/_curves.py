"""Curves: training history, and accuracy against the number of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._axes import COLORS, color_and_marker, in_percent, make_axes

_STYLES: dict[str, dict[str, Any]] = {
    "train": {"label": "training", "color": COLORS[0], "marker": "o", "markersize": 4},
    "valid": {"label": "validation", "color": COLORS[1], "marker": "s", "markersize": 4},
}


@dataclass(eq=False, repr=False)
class HistoryDisplay:
    """Loss, accuracy and learning rate of each epoch.

    Validation losses and accuracies need ``early_stopping=True``.

    Parameters
    ----------
    history : skorch.history.History or sequence of dict
        A record per epoch, with ``train_loss`` and optionally ``valid_loss``, ``train_acc``,
        ``valid_acc`` and ``batches`` with ``event_lr``.

    Attributes
    ----------
    figure_, axes_ : matplotlib Figure and ndarray of Axes of shape (n_panels,)
        The figure, and the axes of loss and, if recorded, of accuracy and learning rate.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import HistoryDisplay
    >>> history = [{"train_loss": 2.0, "valid_loss": 2.1}, {"train_loss": 1.0, "valid_loss": 1.5}]
    >>> display = HistoryDisplay(history).plot(Figure())
    >>> len(display.axes_)
    1
    """

    history: Sequence[Mapping[str, Any]]

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> HistoryDisplay:
        """Plot the history of a classifier.

        Parameters
        ----------
        estimator : CNNClassifier
            A fitted classifier.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.

        Returns
        -------
        display : HistoryDisplay
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator, "history_")
        return cls(estimator.history_).plot(ax)

    def plot(self, ax: Any = None) -> HistoryDisplay:
        """Plot the history.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure. Axes are replaced by several if needed.

        Returns
        -------
        display : HistoryDisplay

        Raises
        ------
        ValueError
            If there is no epoch with a ``train_loss``.
        """
        epochs = list(self.history)
        losses = _series(epochs, "loss")
        if "train" not in losses:
            raise ValueError("history holds no epoch with a 'train_loss'.")
        accuracies = _series(epochs, "acc")
        rates: list[float] = []
        progress: list[float] = []  # the number of epochs after each step
        for number, epoch in enumerate(epochs):
            steps = [batch["event_lr"] for batch in epoch.get("batches", ()) if "event_lr" in batch]
            progress.extend(number + (np.arange(len(steps)) + 1) / max(1, len(steps)))
            rates.extend(steps)
        n_panels = 1 + bool(accuracies) + bool(rates)
        figsize = (5.6, 0.7 + 1.9 * n_panels)
        self.figure_, self.axes_ = make_axes(ax, figsize, (n_panels, 1), sharex=True)
        for panel, series in zip(self.axes_, filter(None, (losses, accuracies)), strict=False):
            for part, values in series.items():
                panel.plot(np.arange(len(values)) + 1, values, **_STYLES[part])
        self.axes_[0].set_ylabel("loss")
        if accuracies:
            self.axes_[1].set_ylabel("accuracy [%]")
            in_percent(self.axes_[1], "y")
        if rates:
            self.axes_[-1].plot(progress, rates, color=COLORS[2])
            self.axes_[-1].set_ylabel("learning rate")
        for panel in self.axes_:
            panel.grid(alpha=0.3)
            if "valid" in losses:
                best = int(np.nanargmin(losses["valid"])) + 1
                panel.axvline(best, color="0.5", linestyle=":", label="best epoch")
        self.axes_[0].legend(fontsize="small")
        self.axes_[-1].set_xlabel("epoch")
        self.axes_[-1].locator_params(axis="x", integer=True)
        return self


def _series(epochs: Sequence[Mapping[str, Any]], what: str) -> dict[str, np.ndarray]:
    """Return training and validation values of each epoch, NaN where missing."""
    found = {}
    for part in _STYLES:
        values = [epoch.get(f"{part}_{what}", np.nan) for epoch in epochs]
        if not np.isnan(values).all():
            found[part] = np.array(values, dtype=float)
    return found


@dataclass(eq=False, repr=False)
class FewShotDisplay:
    """Accuracy as a function of the number of labels per class, for several methods.

    Parameters
    ----------
    n_labels : array-like of shape (n_counts,)
        The numbers of labels per class.
    means : mapping of str to array-like of shape (n_counts,)
        The mean accuracy of each method, NaN if missing.
    intervals : mapping of str to array-like of shape (2, n_counts), default=None
        The lower and upper limits of the bands. None plots no bands.
    confidence_level : float, default=None
        The confidence level of the bands, for the label of the y axis.

    Attributes
    ----------
    figure_, ax_ : matplotlib Figure and Axes
        The figure and its axes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import FewShotDisplay
    >>> scores = {"fine-tuned": [[0.5, 0.6], [0.8, 0.9]], "features": [[0.6, 0.8], [0.7, 0.7]]}
    >>> display = FewShotDisplay.from_scores([1, 10], scores, ax=Figure())
    >>> display.means["fine-tuned"]
    array([0.55, 0.85])
    """

    n_labels: ArrayLike
    means: Mapping[str, ArrayLike]
    intervals: Mapping[str, ArrayLike] | None = None
    _: KW_ONLY
    confidence_level: float | None = None

    @classmethod
    def from_scores(
        cls,
        n_labels: ArrayLike,
        scores: Mapping[str, ArrayLike],
        *,
        confidence_level: float = 0.95,
        **kwargs: Any,
    ) -> FewShotDisplay:
        """Plot means over repetitions with confidence intervals from Student's t-distribution.

        Parameters
        ----------
        n_labels : array-like of shape (n_counts,)
            The numbers of labels per class.
        scores : mapping of str to array-like of shape (n_counts, n_repetitions)
            The accuracies of each method, NaN if missing. Intervals need two repetitions.
        confidence_level : float, default=0.95
            The confidence level of the intervals of means.
        **kwargs
            `ax` and others, passed to :meth:`plot`.

        Returns
        -------
        display : FewShotDisplay

        Raises
        ------
        ValueError
            If scores and `n_labels` differ in length.
        """
        from pandas import DataFrame
        from scipy.stats import t

        means, intervals = {}, {}
        for name, values in scores.items():
            table = np.atleast_2d(np.asarray(values, dtype=float))
            if len(table) != len(np.asarray(n_labels)):
                raise ValueError(
                    f"scores[{name!r}] has {len(table)} rows, but n_labels has "
                    f"{len(np.asarray(n_labels))} counts."
                )
            repeated = DataFrame(table)  # whose methods leave out NaN
            mean = repeated.mean(axis=1).to_numpy()
            quantile = t.ppf((1 + confidence_level) / 2, repeated.count(axis=1) - 1)
            half = quantile * repeated.sem(axis=1).to_numpy()
            means[name], intervals[name] = mean, np.clip([mean - half, mean + half], 0, 1)
        return cls(n_labels, means, intervals, confidence_level=confidence_level).plot(**kwargs)

    def plot(self, ax: Any = None, *, ylabel: str = "accuracy") -> FewShotDisplay:
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.
        ylabel : str, default="accuracy"
            The name of the score.

        Returns
        -------
        display : FewShotDisplay
        """
        self.figure_, (self.ax_,) = make_axes(ax, (5.6, 4.0))
        n_labels = np.asarray(self.n_labels)
        for number, (name, mean) in enumerate(self.means.items()):
            style = color_and_marker(number)
            self.ax_.plot(n_labels, np.asarray(mean), label=name, markersize=5, **style)
            if self.intervals is not None and name in self.intervals:
                low, high = np.asarray(self.intervals[name])
                self.ax_.fill_between(n_labels, low, high, color=style["color"], alpha=0.15, lw=0)
        self.ax_.set_xscale("log")
        self.ax_.set_xticks(n_labels, [f"{count:g}" for count in n_labels])
        self.ax_.minorticks_off()
        level = self.confidence_level
        interval = "" if level is None else f", {100 * level:g} % interval"
        self.ax_.set(xlabel="labels per class", ylabel=f"{ylabel} [%]{interval}")
        in_percent(self.ax_, "y")
        self.ax_.grid(alpha=0.3)
        self.ax_.legend(loc="lower right")
        return self
