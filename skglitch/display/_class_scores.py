"""Precision, recall and F1 of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import ClassificationTable, classification_table
from ._axes import COLORS, in_percent, make_axes

_NAMES = {"precision": "precision", "recall": "recall", "f1": "F1"}


class ClassScoresDisplay:
    """Bars of precision, recall and F1 of each class, with its number of samples.

    It is recommended to use :meth:`from_predictions` or :meth:`from_estimator`, which draw at
    once.

    Parameters
    ----------
    table : ClassificationTable
        What :func:`skglitch.metrics.classification_table` returned.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure that this is in.
    labels_ : ndarray of shape (n_labels,)
        The classes in the order in which they were drawn, from the top.

    See Also
    --------
    skglitch.metrics.classification_table : The numbers.
    ConfusionDisplay : What was taken for what.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import ClassScoresDisplay
    >>> y_true, y_pred = ["Blip", "Blip", "Tomte"], ["Blip", "Tomte", "Tomte"]
    >>> display = ClassScoresDisplay.from_predictions(y_true, y_pred, ax=Figure())
    >>> display.table.recall
    array([0.5, 1. ])
    """

    def __init__(self, table: ClassificationTable) -> None:
        self.table = table

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        ax: Any = None,
        **options: Any,
    ) -> ClassScoresDisplay:
        """Compute and draw.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        labels : array-like of shape (n_labels,), default=None
            The classes, in this order. None takes those in either, sorted.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        **options
            As for :meth:`plot`.

        Returns
        -------
        display : ClassScoresDisplay
        """
        return cls(classification_table(y_true, y_pred, labels=labels)).plot(ax, **options)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, *, ax: Any = None, **options: Any
    ) -> ClassScoresDisplay:
        """Predict, compute and draw.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier.
        X : array-like
            Samples.
        y : array-like of shape (n_samples,)
            True labels.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        **options
            As for :meth:`from_predictions`.

        Returns
        -------
        display : ClassScoresDisplay
        """
        return cls.from_predictions(y, estimator.predict(X), ax=ax, **options)

    @property
    def figsize(self) -> tuple[float, float]:
        """Width and height in inches that suit so many classes."""
        return 7.0, 1.3 + 0.33 * len(self.table.labels)

    def plot(
        self,
        ax: Any = None,
        *,
        scores: Sequence[str] = ("precision", "recall", "f1"),
        sort_by: str | None = None,
    ) -> ClassScoresDisplay:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure of the size `figsize`.
        scores : sequence of {"precision", "recall", "f1"}, default=("precision", "recall", "f1")
            What to draw.
        sort_by : {"precision", "recall", "f1", "support"} or None, default=None
            What to sort the classes by, the highest at the top. None keeps their order.

        Returns
        -------
        display : ClassScoresDisplay
            Itself.

        Raises
        ------
        ValueError
            If `scores` or `sort_by` names something else.
        """
        unknown = [name for name in scores if name not in _NAMES]
        if unknown or not scores:
            raise ValueError(f"scores={tuple(scores)!r} must be some of {tuple(_NAMES)}.")
        order = self._order(sort_by)
        self.labels_ = self.table.labels[order]
        self.figure_, axes = make_axes(ax, self.figsize)
        self.ax_ = axes[0, 0]
        places = np.arange(len(order))
        height = 0.8 / len(scores)
        for number, name in enumerate(scores):
            mean = getattr(self.table.macro, name)
            self.ax_.barh(
                places + (number - (len(scores) - 1) / 2) * height,
                getattr(self.table, name)[order],
                height,
                color=COLORS[list(_NAMES).index(name)],
                label=f"{_NAMES[name]}, mean {100 * mean:.1f} %",
            )
        self.ax_.set_yticks(places, self.labels_.astype(str))
        self.ax_.set(xlim=(0, 1), ylim=(len(order) - 0.4, -0.6), xlabel="score [%]")
        self.ax_.grid(axis="x", alpha=0.3)
        in_percent(self.ax_, "x")
        counts = self.ax_.secondary_yaxis("right")
        counts.set_yticks(places, self.table.support[order].astype(str))
        counts.tick_params(length=0)
        counts.set_ylabel("samples")
        self.ax_.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(scores), fontsize="small"
        )
        return self

    def _order(self, sort_by: str | None) -> np.ndarray:
        if sort_by is None:
            return np.arange(len(self.table.labels))
        if sort_by not in (*_NAMES, "support"):
            raise ValueError(f"sort_by={sort_by!r} is none of {(*_NAMES, 'support')} and None.")
        return np.argsort(-getattr(self.table, sort_by), kind="stable")
