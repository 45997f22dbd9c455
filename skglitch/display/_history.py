"""Training history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._axes import COLORS, in_percent, make_axes

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
    axes_ : ndarray of matplotlib Axes of shape (n_panels,)
        The axes of loss, accuracy and learning rate, as far as recorded.
    figure_ : matplotlib Figure
        The figure that contains the axes.

    See Also
    --------
    skglitch.CNNClassifier : Has the attribute ``history_``.

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
            Where to plot; None creates a figure. Several axes replace given ones.

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
