"""Top-k accuracy against k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import top_k_table
from ._axes import color_and_marker, error_bars, in_percent, make_axes

if TYPE_CHECKING:
    import pandas as pd


@dataclass(eq=False, repr=False)
class TopKDisplay:
    """Top-k accuracy of one or several classifiers, with confidence intervals.

    Parameters
    ----------
    tables : pandas.DataFrame or dict of str to pandas.DataFrame
        The table that :func:`skglitch.metrics.top_k_table` returns, or one for each of several
        classifiers by name.

    Attributes
    ----------
    figure_, ax_ : matplotlib Figure and Axes
        The figure and its axes.

    See Also
    --------
    skglitch.metrics.top_k_table : The numbers.
    skglitch.metrics.paired_bootstrap : Compare two classifiers.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import TopKDisplay
    >>> y_true, labels = ["Blip", "Tomte", "Tomte"], ["Blip", "Tomte", "Whistle"]
    >>> y_score = [[0.9, 0.1, 0], [0.6, 0.4, 0], [0.2, 0.5, 0.3]]
    >>> display = TopKDisplay.from_predictions(y_true, y_score, labels=labels, ax=Figure())
    >>> display.tables.accuracy.round(2).tolist()
    [0.67, 1.0, 1.0]
    """

    tables: pd.DataFrame | Mapping[str, pd.DataFrame]

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike | Mapping[str, ArrayLike],
        *,
        labels: ArrayLike,
        ks: Sequence[int] = (1, 2, 3, 4, 5),
        confidence_level: float = 0.95,
        ax: Any = None,
    ) -> TopKDisplay:
        """Plot the accuracy of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_score : array-like of shape (n_samples, n_labels) or dict of str to array-like
            Scores, higher for more likely classes, or scores of several classifiers by name.
        labels : array-like of shape (n_labels,)
            The class of each column of `y_score`, usually ``classifier.classes_``.
        ks : sequence of int, default=(1, 2, 3, 4, 5)
            The numbers of guesses.
        confidence_level : float, default=0.95
            The confidence level of the intervals.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.

        Returns
        -------
        display : TopKDisplay
        """
        options: Any = {"labels": labels, "ks": ks, "confidence_level": confidence_level}
        if isinstance(y_score, Mapping):
            tables = {n: top_k_table(y_true, scores, **options) for n, scores in y_score.items()}
            return cls(tables).plot(ax)
        return cls(top_k_table(y_true, y_score, **options)).plot(ax)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, **kwargs: Any
    ) -> TopKDisplay:
        """Plot the accuracy of a classifier.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with ``predict_proba``.
        X, y : array-like
            Samples and their true labels.
        **kwargs
            `ax`, `ks` and `confidence_level`, passed to :meth:`from_predictions`.

        Returns
        -------
        display : TopKDisplay
        """
        y_prob = estimator.predict_proba(X)
        return cls.from_predictions(y, y_prob, labels=estimator.classes_, **kwargs)

    def plot(self, ax: Any = None) -> TopKDisplay:
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.

        Returns
        -------
        display : TopKDisplay
        """
        has_names = isinstance(self.tables, Mapping)
        tables: Any = self.tables if has_names else {"": self.tables}
        self.figure_, (self.ax_,) = make_axes(ax, (5.2, 3.8))
        # Side by side, since intervals on top of each other cannot be read.
        offsets = 0.08 * (np.arange(len(tables)) - (len(tables) - 1) / 2)
        for number, (name, table) in enumerate(tables.items()):
            self.ax_.errorbar(
                table.index + offsets[number],
                table["accuracy"],
                error_bars(table["accuracy"], table["low"], table["high"]),
                label=name,
                capsize=2.5,
                markersize=5,
                **color_and_marker(number),
            )
        level = 100 * table.attrs.get("confidence_level", np.nan)
        self.ax_.set_xticks(np.unique(np.concatenate([table.index for table in tables.values()])))
        self.ax_.set_xlabel("k, number of guesses")
        self.ax_.set_ylabel(f"top-k accuracy [%], {level:g} % interval")
        self.ax_.grid(axis="y", alpha=0.3)
        in_percent(self.ax_, "y")
        if has_names:
            self.ax_.legend(loc="lower right")
        return self
