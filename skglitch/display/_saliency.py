"""Where a net looks, over the spectrogram."""

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
    draw_view,
    view_axes,
    write_title,
)


class SaliencyDisplay:
    """Spectrogram in gray, in color the places that speak for a class.

    It is recommended to use :meth:`from_estimator`, which computes the maps and draws at once.

    Parameters
    ----------
    views : array-like of shape (n_views, height, width)
        One glitch of X.
    maps : array-like of shape (n_views, height, width)
        What :func:`compute_saliency_maps` returns for it. Views of NaN are left out.
    durations : float or sequence of float, default=None
        Duration in s of each view. None are those of Gravity Spy, 0.5, 1, 2 and 4 s.
    frange : tuple of float, default=(10.0, 2048.0)
        Lowest and highest frequency in Hz.
    title : str, default=None
        What to write above.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_shown,)
        One for each view that the net sees.
    figure_ : matplotlib Figure
        The figure that they are in.

    See Also
    --------
    compute_saliency_maps : The numbers, and how they are computed.
    SpectrogramDisplay : Without a net.

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
        **options: Any,
    ) -> SaliencyDisplay:
        """Compute the maps of one glitch and draw them.

        Parameters
        ----------
        classifier : CNNClassifier
            A fitted classifier.
        views : array-like of shape (n_views, height, width)
            One glitch of X.
        label : str or int, default=None
            The class to ask about. None takes the predicted one.
        layer : str, default=None
            Name of a module of the backbone that returns maps. None takes the last one.
        method : {"gradient_activation", "grad_cam"}, default="gradient_activation"
            As for :func:`compute_saliency_maps`.
        frange : tuple of float, default=(10.0, 2048.0)
            Lowest and highest frequency in Hz.
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        **options
            As for :meth:`plot`.

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
        chance = probabilities[classifier.classes_ == label][0]
        title = f"what speaks for {label} ({100 * chance:.0f} %)"
        durations = tuple(classifier.durations_)
        if len(durations) != len(array) and len(array) == len(DURATIONS):
            durations = DURATIONS
        return cls(array, maps[0], durations=durations, frange=frange, title=title).plot(
            ax, **options
        )

    def plot(
        self, ax: Any = None, *, n_columns: int | None = None, colorbar: bool = True
    ) -> SaliencyDisplay:
        """Draw the views that the net sees.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to draw; None makes a figure.
        n_columns : int, default=None
            Views side by side. None puts all in a row.
        colorbar : bool, default=True
            Whether to draw the scale of the colors.

        Returns
        -------
        display : SaliencyDisplay
            Itself.

        Raises
        ------
        ValueError
            If there are not as many maps or durations as views.
        """
        from matplotlib.colors import LinearSegmentedColormap, to_rgba

        views, durations = check_views(self.views, self.durations)
        maps, _ = check_views(self.maps, durations)
        seen = np.flatnonzero(~np.isnan(maps).all(axis=(1, 2)))
        red = to_rgba(HIGHLIGHT)[:3]
        ramp = LinearSegmentedColormap.from_list("saliency", [(*red, 0), (*red, 0.85)])
        highest = float(np.nanmax(maps)) or 1.0
        self.figure_, self.axes_ = view_axes(ax, len(seen), n_columns)
        for view_ax, view in zip(self.axes_, seen, strict=True):
            place = durations[view], self.frange
            energy = as_energy(views[view])
            draw_view(view_ax, energy, *place, vmin=0, vmax=MAX_ENERGY, cmap="Greys")
            mesh = draw_view(view_ax, maps[view] / highest, *place, vmin=0, vmax=1, cmap=ramp)
        if colorbar:
            label = "weight, share of the largest"
            self.figure_.colorbar(mesh, ax=self.axes_.tolist(), label=label, pad=0.02)
        write_title(self.figure_, self.axes_, self.title)
        return self
