"""Top-k accuracy against k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import TopKTable, top_k_table
from ._axes import color_and_marker, in_percent, make_axes


class TopKDisplay:
    """Top-k accuracy of one or several classifiers, with confidence intervals.

    It is recommended to use :meth:`from_predictions` or :meth:`from_estimator`, which draw at
    once.

    Parameters
    ----------
    tables : TopKTable or mapping of str to TopKTable
        What :func:`skglitch.metrics.top_k_table` returned, under the names of the classifiers.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure that this is in.

    See Also
    --------
    skglitch.metrics.top_k_table : The numbers.
    skglitch.metrics.paired_bootstrap : Whether one classifier is better than another.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import TopKDisplay
    >>> y_true, labels = ["Blip", "Tomte", "Tomte"], ["Blip", "Tomte", "Whistle"]
    >>> y_score = [[0.9, 0.1, 0], [0.6, 0.4, 0], [0.2, 0.5, 0.3]]
    >>> display = TopKDisplay.from_predictions(y_true, y_score, labels=labels, ax=Figure())
    >>> display.tables.accuracy.round(2)
    array([0.67, 1.  , 1.  ])
    """

    def __init__(self, tables: TopKTable | Mapping[str, TopKTable]) -> None:
        self.tables = tables

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike | Mapping[str, ArrayLike],
        *,
        labels: ArrayLike,
        ks: Sequence[int] = (1, 2, 3, 4, 5),
        confidence: float = 0.95,
        ax: Any = None,
        **options: Any,
    ) -> TopKDisplay:
        """Compute and draw.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_score : array-like of shape (n_samples, n_labels) or mapping of str to such
            Scores, higher for likelier classes, or those of several classifiers by name.
        labels : array-like of shape (n_labels,)
            The class of each column of `y_score`, usually ``classifier.classes_``.
        ks : sequence of int, default=(1, 2, 3, 4, 5)
            The numbers of guesses.
        confidence : float, default=0.95
            Confidence level of the intervals.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        **options
            As for :meth:`plot`.

        Returns
        -------
        display : TopKDisplay
        """

        def table(scores: ArrayLike) -> TopKTable:
            return top_k_table(y_true, scores, labels=labels, ks=ks, confidence=confidence)

        if isinstance(y_score, Mapping):
            tables: Any = {name: table(scores) for name, scores in y_score.items()}
        else:
            tables = table(y_score)
        return cls(tables).plot(ax, **options)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        ks: Sequence[int] = (1, 2, 3, 4, 5),
        confidence: float = 0.95,
        ax: Any = None,
        **options: Any,
    ) -> TopKDisplay:
        """Predict, compute and draw.

        Parameters
        ----------
        estimator : classifier or mapping of str to classifier
            A fitted classifier with ``predict_proba``, or several by name.
        X : array-like
            Samples.
        y : array-like of shape (n_samples,)
            True labels.
        ks : sequence of int, default=(1, 2, 3, 4, 5)
            The numbers of guesses.
        confidence : float, default=0.95
            Confidence level of the intervals.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        **options
            As for :meth:`plot`.

        Returns
        -------
        display : TopKDisplay
        """

        def table(one: Any) -> TopKTable:
            scores = one.predict_proba(X)
            return top_k_table(y, scores, labels=one.classes_, ks=ks, confidence=confidence)

        if isinstance(estimator, Mapping):
            return cls({name: table(one) for name, one in estimator.items()}).plot(ax, **options)
        return cls(table(estimator)).plot(ax, **options)

    def plot(self, ax: Any = None) -> TopKDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : TopKDisplay
            Itself.
        """
        named = isinstance(self.tables, Mapping)
        tables = dict(self.tables) if isinstance(self.tables, Mapping) else {"": self.tables}
        self.figure_, axes = make_axes(ax, (5.2, 3.8))
        self.ax_ = axes[0, 0]
        # Beside each other, as intervals on top of each other cannot be read.
        offsets = 0.08 * (np.arange(len(tables)) - (len(tables) - 1) / 2)
        for number, (name, table) in enumerate(tables.items()):
            self.ax_.errorbar(
                table.k + offsets[number],
                table.accuracy,
                # Rounding may leave a bound on the wrong side by the last bit.
                np.maximum([table.accuracy - table.low, table.high - table.accuracy], 0),
                label=name,
                capsize=2.5,
                markersize=5,
                **color_and_marker(number),
            )
        level = 100 * table.confidence
        self.ax_.set_xticks(np.unique(np.concatenate([table.k for table in tables.values()])))
        self.ax_.set_xlabel("k, how many guesses count")
        self.ax_.set_ylabel(f"top-k accuracy [%], {level:g} % interval")
        self.ax_.grid(axis="y", alpha=0.3)
        in_percent(self.ax_, "y")
        if named:
            self.ax_.legend(loc="lower right")
        return self
