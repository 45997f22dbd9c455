"""Saliency maps over spectrograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._axes import HIGHLIGHT
from ._spectrogram import (
    DURATIONS,
    FRANGE,
    MAX_ENERGY,
    as_energy,
    check_views,
    plot_view,
    view_axes,
    write_title,
)


class SaliencyDisplay:
    """Spectrograms of one glitch in gray, with the pixels that support a class in color.

    Use :meth:`from_estimator` to compute and plot the maps.

    Parameters
    ----------
    views : array-like of shape (n_views, height, width)
        One glitch of X.
    maps : array-like of shape (n_views, height, width)
        The maps that :func:`compute_saliency_maps` returns for this glitch. Views of NaN are
        left out.
    durations : float or sequence of float, default=None
        The duration in s of each view. None means 0.5, 1, 2 and 4 s, as in Gravity Spy.
    frange : tuple of float, default=(10.0, 2048.0)
        The lowest and highest frequency in Hz.
    title : str, default=None
        The title.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_shown,)
        The axes of each view that the network uses.
    figure_ : matplotlib Figure
        The figure that contains the axes.

    See Also
    --------
    compute_saliency_maps : Computes the maps.
    SpectrogramDisplay : Spectrograms only.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skglitch.display import SaliencyDisplay
    >>> views = np.zeros((1, 32, 40), dtype=np.uint8)
    >>> maps = np.ones((1, 32, 40))
    >>> display = SaliencyDisplay(views, maps, durations=1.0, title="Blip").plot(Figure())
    >>> len(display.axes_)
    1
    """

    def __init__(
        self,
        views: ArrayLike,
        maps: ArrayLike,
        *,
        durations: Any = None,
        frange: tuple[float, float] = FRANGE,
        title: str | None = None,
    ) -> None:
        self.views = views
        self.maps = maps
        self.durations = durations
        self.frange = frange
        self.title = title

    @classmethod
    def from_estimator(
        cls,
        classifier: Any,
        views: ArrayLike,
        *,
        label: Any = None,
        layer: str | None = None,
        method: str = "gradient_activation",
        frange: tuple[float, float] = FRANGE,
        ax: Any = None,
        **kwargs: Any,
    ) -> SaliencyDisplay:
        """Compute and plot the maps of one glitch.

        Parameters
        ----------
        classifier : CNNClassifier
            A fitted classifier.
        views : array-like of shape (n_views, height, width)
            One glitch of X.
        label : str or int, default=None
            The class. None takes the predicted class.
        layer : str, default=None
            The name of a module of the backbone that returns feature maps. None takes the last.
        method : {"gradient_activation", "grad_cam"}, default="gradient_activation"
            As for :func:`compute_saliency_maps`.
        frange : tuple of float, default=(10.0, 2048.0)
            The lowest and highest frequency in Hz.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.
        **kwargs
            Passed to :meth:`plot`.

        Returns
        -------
        display : SaliencyDisplay

        Raises
        ------
        ValueError
            As for :func:`compute_saliency_maps`.
        """
        from ._saliency_maps import compute_saliency_maps

        array = np.asarray(views)
        array = array[None] if array.ndim == 2 else array
        probabilities = classifier.predict_proba(array[None])[0]
        if label is None:
            label = classifier.classes_[probabilities.argmax()]
        maps = compute_saliency_maps(
            classifier, array[None], labels=[label], layer=layer, method=method
        )
        probability = probabilities[classifier.classes_ == label][0]
        title = f"evidence for {label} ({100 * probability:.0f} %)"
        durations = tuple(classifier.durations_)
        if len(durations) != len(array) and len(array) == len(DURATIONS):
            durations = DURATIONS
        return cls(array, maps[0], durations=durations, frange=frange, title=title).plot(
            ax, **kwargs
        )

    def plot(
        self, ax: Any = None, *, n_columns: int | None = None, colorbar: bool = True
    ) -> SaliencyDisplay:
        """Plot the views that the network uses.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.
        n_columns : int, default=None
            The number of columns. None plots all views in one row.
        colorbar : bool, default=True
            Whether to add a color bar.

        Returns
        -------
        display : SaliencyDisplay

        Raises
        ------
        ValueError
            If the numbers of maps, durations and views differ.
        """
        from matplotlib.colors import LinearSegmentedColormap, to_rgba

        views, durations = check_views(self.views, self.durations)
        maps, _ = check_views(self.maps, durations)
        used = np.flatnonzero(~np.isnan(maps).all(axis=(1, 2)))
        red = to_rgba(HIGHLIGHT)[:3]
        ramp = LinearSegmentedColormap.from_list("saliency", [(*red, 0), (*red, 0.85)])
        highest = float(np.nanmax(maps)) or 1.0
        self.figure_, self.axes_ = view_axes(ax, len(used), n_columns)
        for view_ax, view in zip(self.axes_, used, strict=True):
            axis = durations[view], self.frange
            energy = as_energy(views[view])
            plot_view(view_ax, energy, *axis, vmin=0, vmax=MAX_ENERGY, cmap="Greys")
            mesh = plot_view(view_ax, maps[view] / highest, *axis, vmin=0, vmax=1, cmap=ramp)
        if colorbar:
            label = "saliency / maximum"
            self.figure_.colorbar(mesh, ax=self.axes_.tolist(), label=label, pad=0.02)
        write_title(self.figure_, self.axes_, self.title)
        return self
