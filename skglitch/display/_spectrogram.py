"""Spectrograms of one glitch."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ._axes import make_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Durations of the four views of Gravity Spy.
DURATIONS = (0.5, 1.0, 2.0, 4.0)
FRANGE = (10.0, 2048.0)
# Normalized energy is clipped at 25.5, which uint8 stores as 255.
MAX_ENERGY = 25.5
LEVELS_PER_ENERGY = 10


def as_energy(pixels: np.ndarray) -> np.ndarray:
    """Return normalized energies: uint8 is ten times the energy, others are the energy."""
    return pixels / LEVELS_PER_ENERGY if pixels.dtype == np.uint8 else pixels


def check_views(views: ArrayLike, durations: Any) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return the views of one glitch as ``(n_views, height, width)``, and their durations."""
    array = np.asarray(views)
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
            f"durations={given!r} has {len(given)} durations, but there are {len(array)} views: "
            "pass the duration of each in s."
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
    # Fixed ticks are the same in all views.
    exponents = np.arange(math.ceil(math.log2(frange[0])), math.log2(frange[1]) + 1e-9)
    ax.set_yticks(2.0 ** exponents[:: max(1, round(len(exponents) / 4))])
    ax.minorticks_off()
    ax.locator_params(axis="x", nbins=4)
    return mesh


@dataclass(eq=False, repr=False)
class SpectrogramDisplay:
    """Spectrograms of one glitch.

    Parameters
    ----------
    views : array-like of shape (n_views, height, width) or (height, width)
        One glitch of X. Row 0 is the highest frequency. Values of type uint8 are ten times the
        normalized energy, all others the energy.
    durations : float or sequence of float, default=None
        The duration in s of each view. None means 0.5, 1, 2 and 4 s, as in Gravity Spy.
    frange : tuple of float, default=(10.0, 2048.0)
        The lowest and highest frequency in Hz.
    title : str, default=None
        The title.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_views,)
        The axes of each view.
    figure_ : matplotlib Figure
        The figure that contains the axes.
    colorbar_ : matplotlib Colorbar or None
        The color bar.

    See Also
    --------
    GalleryDisplay : Many glitches.
    SaliencyDisplay : Which pixels support a class.

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

    @classmethod
    def from_data(
        cls,
        X: Any,
        index: int = 0,
        *,
        durations: Any = None,
        frange: tuple[float, float] = FRANGE,
        title: str | None = None,
        **kwargs: Any,
    ) -> SpectrogramDisplay:
        """Plot one glitch of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_views, height, width)
            Glitches; may be a memory map, of which only one is read.
        index : int, default=0
            The row of the glitch.
        durations : float or sequence of float, default=None
        frange : tuple of float, default=(10.0, 2048.0)
        title : str, default=None
            As for the class.
        **kwargs
            `ax` and others, passed to :meth:`plot`.

        Returns
        -------
        display : SpectrogramDisplay
        """
        views = np.asarray(X)[index]
        return cls(views, durations, frange=frange, title=title).plot(**kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        n_columns: int | None = None,
        colorbar: bool = True,
        cmap: Any = "viridis",
        max_energy: float = MAX_ENERGY,
    ) -> SpectrogramDisplay:
        """Plot the views.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure. Several axes replace given ones.
        n_columns : int, default=None
            The number of columns. None plots all views in one row.
        colorbar : bool, default=True
            Whether to add a color bar.
        cmap : str or matplotlib Colormap, default="viridis"
            The colormap, by default as in Gravity Spy.
        max_energy : float, default=25.5
            The energy at the end of the colormap.

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
            energy = as_energy(view)
            options = {"vmin": 0, "vmax": max_energy, "cmap": cmap}
            mesh = plot_view(view_ax, energy, duration, self.frange, **options)
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(
                mesh, ax=self.axes_.tolist(), label="normalized energy", pad=0.02
            )
        write_title(self.figure_, self.axes_, self.title)
        return self


def view_axes(ax: Any, n_views: int, n_columns: int | None) -> tuple[Any, np.ndarray]:
    """Create axes for views, with labels at the left and at the bottom."""
    columns = n_views if n_columns is None else min(n_columns, n_views)
    rows = math.ceil(n_views / columns)
    figsize = (2.4 * columns + 1.4, 2.2 * rows + 0.6)
    figure, axes = make_axes(ax, figsize, (rows, columns), sharey=True)
    for number, view_ax in enumerate(axes[:n_views]):
        if number + columns >= n_views:
            view_ax.set_xlabel("time [s]")
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
