"""Which learning rate to take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._axes import COLORS, make_axes


class LearningRateDisplay:
    """Loss against the learning rate, as a range test finds it.

    Parameters
    ----------
    rates : array-like of shape (n_steps,)
        Learning rates, rising.
    losses : array-like of shape (n_steps,)
        The loss at each.
    suggestion : float, default=None
        The learning rate to mark.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure that this is in.

    See Also
    --------
    HistoryDisplay : How a training went.

    References
    ----------
    .. [1] L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017,
       arXiv:1506.01186.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import LearningRateDisplay
    >>> rates, losses = [1e-4, 1e-3, 1e-2, 1e-1], [3.0, 2.0, 1.0, 50.0]
    >>> display = LearningRateDisplay(rates, losses, suggestion=1e-3).plot(Figure())
    >>> display.ax_.get_xscale()
    'log'
    """

    def __init__(
        self, rates: ArrayLike, losses: ArrayLike, suggestion: float | None = None
    ) -> None:
        self.rates = rates
        self.losses = losses
        self.suggestion = suggestion

    def plot(self, ax: Any = None) -> LearningRateDisplay:
        """Draw the curve; what lies far above its first value is cut off.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : LearningRateDisplay
            Itself.

        Raises
        ------
        ValueError
            If there are not as many losses as rates, or no loss is finite.
        """
        rates, losses = np.asarray(self.rates, float), np.asarray(self.losses, float)
        if rates.shape != losses.shape or rates.ndim != 1:
            raise ValueError(
                f"rates and losses must be as long as each other, got {rates.shape} and "
                f"{losses.shape}."
            )
        finite = losses[np.isfinite(losses)]
        if not len(finite):
            raise ValueError("losses holds no finite value.")
        self.figure_, axes = make_axes(ax, (5.2, 3.4))
        self.ax_ = axes[0, 0]
        self.ax_.plot(rates, losses, color=COLORS[0])
        self.ax_.set(xscale="log", xlabel="learning rate", ylabel="loss")
        # Once the net diverges the loss is many times what it was, and the fall before unseen.
        start, lowest = finite[0], finite.min()
        span = (start - lowest) or (finite.max() - lowest) or 1.0
        self.ax_.set_ylim(lowest - 0.1 * span, min(start + 0.6 * span, finite.max() + 0.1 * span))
        if self.suggestion is not None:
            self.ax_.axvline(
                self.suggestion,
                color=COLORS[1],
                linestyle="--",
                label=f"suggested: {self.suggestion:.2g}",
            )
            self.ax_.legend()
        self.ax_.grid(alpha=0.3)
        return self
