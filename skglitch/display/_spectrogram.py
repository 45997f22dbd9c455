"""Spectrograms of one glitch and of many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from .._labels import as_labels, is_labeled
from .._pictures import DURATIONS, as_pixels
from .._validation import check_known_labels, check_length, check_probabilities
from ._axes import HIGHLIGHT, make_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRANGE = (10.0, 2048.0)
# Normalized energy is clipped at 25.5, which uint8 stores as 255.
_MAX_ENERGY = 25.5
LEVELS_PER_ENERGY = 10


def check_views(views: ArrayLike, durations: Any) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return the views of one glitch as ``(n_views, height, width)``, and their durations."""
    array = np.asarray(as_pixels(views))
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3:
        raise ValueError(
            "views must be one glitch, (n_views, height, width) or (height, width), got "
            f"shape {array.shape}: X[0] is the first glitch of X."
        )
    if array.size == 0:
        raise ValueError(f"views has shape {array.shape}, but needs at least one pixel.")
    given = DURATIONS if durations is None else tuple(np.atleast_1d(durations).tolist())
    if len(given) != len(array):
        raise ValueError(
            f"durations={given!r} has {len(given)} durations in s for {len(array)} views."
        )
    if not all(isinstance(duration, int | float) and 0 < duration < math.inf for duration in given):
        raise ValueError(f"durations={given!r} must be positive numbers of seconds.")
    return array, given


def plot_view(
    ax: Axes, values: np.ndarray, duration: float, frange: tuple[float, float], **kwargs: Any
) -> Any:
    """Plot one view over time and logarithmic frequency."""
    # A mesh, since matplotlib distorts images on logarithmic axes.
    height, width = values.shape
    times = np.linspace(-duration / 2, duration / 2, width + 1)
    frequencies = np.geomspace(frange[1], frange[0], height + 1)
    mesh = ax.pcolormesh(times, frequencies, values, rasterized=True, **kwargs)
    ax.set_yscale("log", base=2)
    ax.set_ylim(*frange)
    ax.yaxis.set_major_formatter("{x:g}")
    # Fixed ticks, so that they are the same in all views.
    exponents = np.arange(math.ceil(math.log2(frange[0])), math.log2(frange[1]) + 1e-9)
    ax.set_yticks(2.0 ** exponents[:: max(1, round(len(exponents) / 4))])
    ax.minorticks_off()
    ax.locator_params(axis="x", nbins=4)
    return mesh


def plot_energy(
    ax: Axes, view: np.ndarray, duration: float, frange: tuple[float, float], cmap: Any
) -> Any:
    """Plot normalized energies; uint8 values are ten times the energy."""
    energy = view / LEVELS_PER_ENERGY if view.dtype == np.uint8 else view
    return plot_view(ax, energy, duration, frange, vmin=0, vmax=_MAX_ENERGY, cmap=cmap)


@dataclass(eq=False, repr=False)
class SpectrogramDisplay:
    """Spectrograms of one glitch.

    Parameters
    ----------
    views : array-like of shape (n_views, height, width) or (height, width)
        One glitch of X. Row 0 is the highest frequency. uint8 values are ten times the normalized
        energy, other values the energy.
    durations : float or sequence of float, default=None
        The duration in s of each view. None is 0.5, 1, 2 and 4 s, as in Gravity Spy.
    frange : tuple of float, default=(10.0, 2048.0)
        The lowest and highest frequency in Hz.
    title : str, default=None
        The title.

    Attributes
    ----------
    figure_, axes_ : matplotlib Figure and ndarray of Axes of shape (n_views,)
        The figure, and the axes of each view.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import SpectrogramDisplay
    >>> X = np.zeros((1, 4, 140, 170), dtype=np.uint8)
    >>> display = SpectrogramDisplay(X[0], title="Blip").plot(Figure(layout="constrained"))
    >>> [float(ax.get_xlim()[1]) for ax in display.axes_]
    [0.25, 0.5, 1.0, 2.0]
    """

    views: ArrayLike
    durations: Any = None
    _: KW_ONLY
    frange: tuple[float, float] = FRANGE
    title: str | None = None

    def plot(
        self,
        ax: Any = None,
        *,
        n_columns: int | None = None,
        colorbar: bool = True,
        cmap: Any = "viridis",
    ) -> SpectrogramDisplay:
        """Plot the views.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure. Axes are replaced by several if needed.
        n_columns : int, default=None
            The number of columns. None plots all views in one row.
        colorbar : bool, default=True
            Whether to add a color bar.
        cmap : str or matplotlib Colormap, default="viridis"
            The colormap, by default as in Gravity Spy.

        Returns
        -------
        display : SpectrogramDisplay

        Raises
        ------
        ValueError
            If the numbers of durations and views differ.
        """
        views, durations = check_views(self.views, self.durations)
        self.figure_, self.axes_ = view_axes(ax, len(views), n_columns)
        for view_ax, view, duration in zip(self.axes_, views, durations, strict=True):
            mesh = plot_energy(view_ax, view, duration, self.frange, cmap)
        if colorbar:
            axes = self.axes_.tolist()
            self.figure_.colorbar(mesh, ax=axes, label="normalized energy", pad=0.02)
        write_title(self.figure_, self.axes_, self.title)
        return self


def view_axes(
    ax: Any,
    n_views: int,
    n_columns: int | None,
    figsize: tuple[float, float] | None = None,
    **options: Any,
) -> tuple[Any, np.ndarray]:
    """Create axes for views, with labels only at the left and at the bottom."""
    columns = n_views if n_columns is None else min(n_columns, n_views)
    rows = math.ceil(n_views / columns)
    figsize = figsize or (2.4 * columns + 1.4, 2.2 * rows + 0.6)
    figure, axes = make_axes(ax, figsize, (rows, columns), sharey=True, **options)
    for number, view_ax in enumerate(axes[:n_views]):
        if number + columns >= n_views:
            view_ax.set_xlabel("time [s]")
            view_ax.tick_params(labelbottom=True)
        if number % columns == 0:
            view_ax.set_ylabel("frequency [Hz]")
    for view_ax in axes[n_views:]:
        view_ax.remove()
    return figure, axes[:n_views]


def write_title(figure: Any, axes: np.ndarray, title: str | None) -> None:
    """Add a title to the axes if there is one, else to the figure."""
    if title is None:
        return
    if len(axes) == 1:
        axes[0].set_title(title)
    else:
        figure.suptitle(title)


@dataclass(eq=False, repr=False)
class GalleryDisplay:
    """Spectrograms of many glitches, one view each.

    :meth:`from_data`, :meth:`from_predictions` and :meth:`from_estimator` choose and plot glitches.

    Parameters
    ----------
    views : array-like of shape (n_glitches, height, width)
        One view of each glitch.
    titles : sequence of str
        The title of each glitch.
    duration : float
        The duration in s of the view.
    frange : tuple of float, default=(10.0, 2048.0)
        The lowest and highest frequency in Hz.
    marked : sequence of bool, default=None
        The glitches whose titles are colored. None colors none.
    indices : sequence of int, default=None
        The rows of the glitches in X.

    Attributes
    ----------
    figure_, axes_ : matplotlib Figure and ndarray of Axes of shape (n_glitches,)
        The figure, and the axes of each glitch.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import GalleryDisplay
    >>> X = np.zeros((2, 1, 32, 40), dtype=np.uint8)
    >>> display = GalleryDisplay.from_data(X, ["Blip", "Tomte"], durations=1.0, ax=Figure())
    >>> display.titles
    ['Blip [0]', 'Tomte [1]']
    """

    views: ArrayLike
    titles: Sequence[str]
    duration: float
    _: KW_ONLY
    frange: tuple[float, float] = FRANGE
    marked: Sequence[bool] | None = None
    indices: Sequence[int] | None = None

    @classmethod
    def from_data(
        cls,
        X: Any,
        y: ArrayLike | None = None,
        *,
        label: Any = None,
        indices: ArrayLike | None = None,
        n_glitches: int = 12,
        durations: Any = None,
        duration: float | None = None,
        frange: tuple[float, float] = FRANGE,
        random_state: Any = 0,
        **kwargs: Any,
    ) -> GalleryDisplay:
        """Plot selected or random glitches, of all classes or of one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_views, height, width)
            Glitches. Of a memory map, only plotted glitches are read.
        y : array-like of shape (n_samples,), default=None
            The labels, for titles and `label`.
        label : str or int, default=None
            The class to choose from. None chooses from all glitches.
        indices : array-like of int, default=None
            The rows of the glitches to plot. None chooses random ones.
        n_glitches : int, default=12
            The maximum number of glitches.
        durations : float or sequence of float, default=None
            As in :class:`SpectrogramDisplay`.
        duration : float, default=None
            The duration in s of the view to plot. None is the one closest to 2 s.
        frange : tuple of float, default=(10.0, 2048.0)
            The lowest and highest frequency in Hz.
        random_state : int, RandomState instance or None, default=0
            The seed for random glitches.
        **kwargs
            `ax` and others, passed to :meth:`plot`.

        Returns
        -------
        display : GalleryDisplay

        Raises
        ------
        ValueError
            If there is no glitch to plot, or no view with this duration.
        """
        labels: list[Any] = [None] * len(X) if y is None else as_labels(y)
        is_known = is_labeled(labels, minus_one_is_class=True)
        if indices is not None:
            rows = np.asarray(indices, dtype=int)
        else:
            rows = np.arange(len(X))
            if label is not None:
                if y is None:
                    raise ValueError(f"label={label!r} needs y, the labels of the glitches.")
                known = np.flatnonzero(is_known)
                rows = np.array([row for row in known if labels[row] == label], dtype=int)
            rows = np.sort(check_random_state(random_state).permutation(rows)[:n_glitches])
        if not len(rows):
            which = f"of label={label!r}" if label is not None else "among indices"
            raise ValueError(f"There is no glitch {which} to plot.")
        titles = [f"{labels[row]} [{row}]" if is_known[row] else f"[{row}]" for row in rows]
        views, shown = _select_view(X, rows, durations, duration)
        display = cls(views, titles, shown, frange=frange, indices=rows.tolist())
        return display.plot(**kwargs)

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y_true: ArrayLike,
        y_prob: ArrayLike,
        *,
        labels: ArrayLike,
        show: str = "confident_errors",
        n_glitches: int = 12,
        **kwargs: Any,
    ) -> GalleryDisplay:
        """Plot the most confident errors, or the most uncertain predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_views, height, width)
            As in :meth:`from_data`.
        y_true, y_prob, labels
            As in :func:`skglitch.metrics.reliability_table`.
        show : {"confident_errors", "unsure"}, default="confident_errors"
            Errors, those with the highest probability first, or all predictions, those with the
            smallest margin between the two highest probabilities first.
        n_glitches : int, default=12
            The maximum number of glitches.
        **kwargs
            `durations`, `duration`, `frange` as in :meth:`from_data`; others as in :meth:`plot`.

        Returns
        -------
        display : GalleryDisplay

        Raises
        ------
        ValueError
            If `show` is invalid, lengths differ, rows of `y_prob` are not probabilities, there are
            no errors, or there is no view with this duration.
        """
        codes, known = check_known_labels(y_true, labels)
        prob = check_probabilities(y_prob, len(codes), known)
        check_length("X", len(X), len(codes))
        true = as_labels(y_true)
        predictions, confidences = prob.argmax(axis=1), prob.max(axis=1)
        if show == "confident_errors":
            errors = np.flatnonzero(predictions != codes)
            order = errors[np.argsort(-confidences[errors], kind="stable")]
        elif show == "unsure":
            ranked = np.sort(prob, axis=1)
            order = np.argsort(ranked[:, -1] - ranked[:, -2], kind="stable")
        else:
            raise ValueError(f"show={show!r} is neither 'confident_errors' nor 'unsure'.")
        rows = order[:n_glitches]
        if not len(rows):
            raise ValueError("There are no errors to plot; show='unsure' plots other glitches.")
        wrong = predictions[rows] != codes[rows]
        titles = [
            f"{true[row]}\n{'→ ' + str(known[predictions[row]]) if error else 'right'}, "
            f"{100 * confidences[row]:.0f} %"
            for row, error in zip(rows, wrong, strict=True)
        ]
        wanted = kwargs.pop("durations", None), kwargs.pop("duration", None)
        views, shown = _select_view(X, rows, *wanted)
        options = {"frange": kwargs.pop("frange", FRANGE), "indices": rows.tolist()}
        return cls(views, titles, shown, marked=wrong.tolist(), **options).plot(**kwargs)

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: ArrayLike, **kwargs: Any) -> GalleryDisplay:
        """Plot the most confident errors of a classifier, or its most uncertain predictions.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with ``predict_proba``.
        X, y : array-like
            Glitches and their true labels.
        **kwargs
            `ax` and others, passed to :meth:`from_predictions`.

        Returns
        -------
        display : GalleryDisplay
        """
        if hasattr(estimator, "durations_"):
            kwargs.setdefault("durations", estimator.durations_)
        prob = estimator.predict_proba(X)
        return cls.from_predictions(X, y, prob, labels=estimator.classes_, **kwargs)

    def plot(self, ax: Any = None, *, n_columns: int = 4, cmap: Any = "viridis") -> GalleryDisplay:
        """Plot the glitches.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.
        n_columns : int, default=4
            The number of columns.
        cmap : str or matplotlib Colormap, default="viridis"
            The colormap, by default as in Gravity Spy.

        Returns
        -------
        display : GalleryDisplay
        """
        views, _ = check_views(self.views, np.full(len(self.titles), self.duration))
        marked = self.marked or [False] * len(views)
        n_columns = min(n_columns, len(views))
        n_rows = math.ceil(len(views) / n_columns)
        figsize = (2.25 * n_columns + 1.3, 1.8 * n_rows + 0.4)
        self.figure_, self.axes_ = view_axes(ax, len(views), n_columns, figsize, sharex=True)
        for number, (view_ax, view) in enumerate(zip(self.axes_, views, strict=True)):
            mesh = plot_energy(view_ax, view, self.duration, self.frange, cmap)
            color = HIGHLIGHT if marked[number] else "black"
            view_ax.set_title(self.titles[number], fontsize="small", color=color)
            for text in (view_ax.xaxis.label, view_ax.yaxis.label):
                text.set_size("small")
            view_ax.tick_params(labelsize="small")
        self.figure_.colorbar(
            mesh, ax=self.axes_.tolist(), label="normalized energy", pad=0.01, aspect=12 * n_rows
        )
        return self


def _select_view(
    X: Any, rows: np.ndarray, durations: Any, duration: float | None
) -> tuple[np.ndarray, float]:
    """Return one view of each glitch in `rows`, and its duration in s."""
    X = as_pixels(X)
    glitches = np.asarray(X[rows] if hasattr(X, "shape") else [X[row] for row in rows])
    if glitches.ndim != 4:
        raise ValueError(f"X must be (n_samples, n_views, height, width), got {np.shape(X)}.")
    _, given = check_views(glitches[0], durations)
    if duration is not None and duration not in given:
        raise ValueError(f"duration={duration!r} is not one of durations={given!r}.")
    wanted = 2.0 if duration is None else duration
    view = min(range(len(given)), key=lambda number: abs(given[number] - wanted))
    return glitches[:, view], given[view]
