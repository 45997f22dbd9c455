"""Precision, recall and F1 of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import classification_table
from ._axes import COLORS, in_percent, make_axes

if TYPE_CHECKING:
    import pandas as pd

_NAMES = {"precision": "precision", "recall": "recall", "f1": "F1"}


@dataclass(eq=False, repr=False)
class ClassScoresDisplay:
    """Bar chart of precision, recall and F1 of each class.

    Parameters
    ----------
    table : pandas.DataFrame
        The table that :func:`skglitch.metrics.classification_table` returns.

    Attributes
    ----------
    figure_, ax_ : matplotlib Figure and Axes
        The figure and its axes.
    labels_ : list of length n_labels
        The classes as plotted, from top to bottom.

    See Also
    --------
    skglitch.metrics.classification_table : The numbers.
    ConfusionDisplay : The confusion matrix.

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
        y_true, y_pred : array-like of shape (n_samples,)
            True and predicted labels.
        labels : array-like of shape (n_labels,), default=None
            The classes, in this order. None takes all classes of either, sorted.
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

    def plot(
        self,
        ax: Any = None,
        *,
        scores: Sequence[str] = ("precision", "recall", "f1"),
        sort_by: str | None = None,
    ) -> ClassScoresDisplay:
        """Plot the bars.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.
        scores : sequence of {"precision", "recall", "f1"}, default=("precision", "recall", "f1")
            The scores to plot.
        sort_by : {"precision", "recall", "f1", "support"} or None, default=None
            The score to sort the classes by, highest at the top. None keeps their order.

        Returns
        -------
        display : ClassScoresDisplay

        Raises
        ------
        ValueError
            If `scores` or `sort_by` is invalid.
        """
        unknown = [name for name in scores if name not in _NAMES]
        if unknown or not scores:
            raise ValueError(f"scores={tuple(scores)!r} must be some of {tuple(_NAMES)}.")
        if sort_by not in (None, *_NAMES, "support"):
            raise ValueError(f"sort_by={sort_by!r} is none of {(*_NAMES, 'support')} and None.")
        classes = self.table[:-3]  # the last rows are averages
        if sort_by is not None:
            classes = classes.sort_values(sort_by, ascending=False, kind="stable")
        self.labels_ = classes.index.tolist()
        self.figure_, (self.ax_,) = make_axes(ax, (7.0, 1.3 + 0.33 * len(classes)))
        y = np.arange(len(classes))
        height = 0.8 / len(scores)
        for number, name in enumerate(scores):
            self.ax_.barh(
                y + (number - (len(scores) - 1) / 2) * height,
                classes[name],
                height,
                color=COLORS[list(_NAMES).index(name)],
                label=f"{_NAMES[name]}, mean {100 * self.table.loc['macro avg', name]:.1f} %",
            )
        self.ax_.set_yticks(y, [str(label) for label in self.labels_])
        self.ax_.set(xlim=(0, 1), ylim=(len(y) - 0.4, -0.6), xlabel="score [%]")
        self.ax_.grid(axis="x", alpha=0.3)
        in_percent(self.ax_, "x")
        support = self.ax_.secondary_yaxis("right")
        support.set_yticks(y, classes["support"].astype(str))
        support.tick_params(length=0)
        support.set_ylabel("samples")
        self.ax_.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(scores), fontsize="small"
        )
        return self
