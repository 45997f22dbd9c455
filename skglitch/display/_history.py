"""How training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._axes import COLORS, in_percent, make_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOR_OF = {"train": COLORS[0], "valid": COLORS[1]}
_MARKER_OF = {"train": "o", "valid": "s"}
_NAME_OF = {"train": "training", "valid": "held out"}


class HistoryDisplay:
    """Losses, accuracy and learning rate over the epochs of a training.

    What was not recorded is left out: held-out losses and accuracies need
    ``early_stopping=True``. It is recommended to use :meth:`from_estimator`, which draws at
    once.

    Parameters
    ----------
    history : skorch.history.History or sequence of dict
        One entry an epoch, with ``train_loss`` and, where there are, ``valid_loss``,
        ``train_acc``, ``valid_acc`` and ``batches`` that hold ``event_lr``.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_panels,)
        Loss, accuracy and learning rate, as far as they are there.
    figure_ : matplotlib Figure
        The figure that they are in.

    See Also
    --------
    skglitch.CNNClassifier : Has a ``history_`` once it is fitted.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import HistoryDisplay
    >>> history = [{"train_loss": 2.0, "valid_loss": 2.1}, {"train_loss": 1.0, "valid_loss": 1.5}]
    >>> display = HistoryDisplay(history).plot(Figure())
    >>> len(display.axes_)
    1
    """

    def __init__(self, history: Sequence[Mapping[str, Any]]) -> None:
        self.history = history

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> HistoryDisplay:
        """Draw the history of a fitted classifier.

        Parameters
        ----------
        estimator : CNNClassifier
            A fitted classifier.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : HistoryDisplay
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator, "history_")
        return cls(estimator.history_).plot(ax)

    def plot(self, ax: Any = None) -> HistoryDisplay:
        """Draw what there is.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure. Axes give their place to several.

        Returns
        -------
        display : HistoryDisplay
            Itself.

        Raises
        ------
        ValueError
            If there is no epoch, or none with a ``train_loss``.
        """
        epochs = list(self.history)
        losses = _series(epochs, "loss")
        if "train" not in losses:
            raise ValueError("history holds no epoch with a 'train_loss'.")
        accuracies = _series(epochs, "acc")
        progress, rates = _learning_rates(epochs)
        n_panels = 1 + bool(accuracies) + bool(len(rates))
        figsize = (5.6, 0.7 + 1.9 * n_panels)
        self.figure_, axes = make_axes(ax, figsize, (n_panels, 1), sharex=True)
        self.axes_ = axes[:, 0]
        panels = iter(self.axes_)
        _draw(next(panels), losses, "loss")
        if accuracies:
            panel = next(panels)
            _draw(panel, accuracies, "accuracy [%]")
            in_percent(panel, "y")
        if len(rates):
            panel = next(panels)
            panel.plot(progress, rates, color=COLORS[2])
            panel.set_ylabel("learning rate")
            panel.grid(alpha=0.3)
        if "valid" in losses:
            best = int(np.nanargmin(losses["valid"])) + 1
            for panel in self.axes_:
                panel.axvline(best, color="0.5", linestyle=":", label="best epoch")
        self.axes_[0].legend(fontsize="small")
        self.axes_[-1].set_xlabel("epoch")
        self.axes_[-1].locator_params(axis="x", integer=True)
        return self


def _series(epochs: Sequence[Mapping[str, Any]], what: str) -> dict[str, np.ndarray]:
    """Training and held-out values of each epoch; NaN where one lacks them."""
    found = {}
    for part in _NAME_OF:
        values = [epoch.get(f"{part}_{what}", np.nan) for epoch in epochs]
        if not np.isnan(values).all():
            found[part] = np.array(values, dtype=float)
    return found


def _learning_rates(epochs: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Learning rate of each step, and how many epochs were over by then."""
    progress: list[float] = []
    rates: list[float] = []
    for number, epoch in enumerate(epochs):
        steps = [batch["event_lr"] for batch in epoch.get("batches", ()) if "event_lr" in batch]
        progress.extend(number + (np.arange(len(steps)) + 1) / max(1, len(steps)))
        rates.extend(steps)
    return np.array(progress), np.array(rates)


def _draw(ax: Axes, series: Mapping[str, np.ndarray], label: str) -> None:
    for part, values in series.items():
        ax.plot(
            np.arange(len(values)) + 1,
            values,
            color=_COLOR_OF[part],
            marker=_MARKER_OF[part],
            markersize=4,
            label=_NAME_OF[part],
        )
    ax.set_ylabel(label)
    ax.grid(alpha=0.3)
