"""Saliency maps (Grad-CAM and HiResCAM) over spectrograms."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from .._validation import check_labels
from ._axes import HIGHLIGHT
from ._spectrogram import FRANGE, check_views, plot_energy, plot_view, view_axes, write_title

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .._training import GlitchNet, ViewLayout

METHODS = ("gradient_activation", "grad_cam")


@dataclass(eq=False, repr=False)
class SaliencyDisplay:
    """Spectrograms of one glitch in gray, with the pixels that support a class in color.

    Use :meth:`from_estimator` to compute and plot the maps.

    Parameters
    ----------
    views : array-like of shape (n_views, height, width)
        One glitch of X.
    maps : array-like of shape (n_views, height, width)
        Its maps from :func:`compute_saliency_maps`. Views whose map is NaN are left out.
    durations, frange, title
        As in :class:`SpectrogramDisplay`.

    Attributes
    ----------
    figure_, axes_ : matplotlib Figure and ndarray of Axes of shape (n_shown,)
        The figure, and the axes of each view that the network uses.

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

    views: ArrayLike
    maps: ArrayLike
    _: KW_ONLY
    durations: Any = None
    frange: tuple[float, float] = FRANGE
    title: str | None = None

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
            The class. None is the predicted class.
        layer, method
            As in :func:`compute_saliency_maps`.
        frange : tuple of float, default=(10.0, 2048.0)
            The lowest and highest frequency in Hz.
        **kwargs
            `ax` and others, passed to :meth:`plot`.

        Returns
        -------
        display : SaliencyDisplay
        """
        array = np.asarray(views)
        array = array[None] if array.ndim == 2 else array
        probabilities = classifier.predict_proba(array[None])[0]
        if label is None:
            label = classifier.classes_[probabilities.argmax()]
        options: Any = {"labels": [label], "layer": layer, "method": method}
        maps = compute_saliency_maps(classifier, array[None], **options)
        probability = probabilities[classifier.classes_ == label][0]
        title = f"evidence for {label} ({100 * probability:.0f} %)"
        options = {"durations": classifier.durations_, "frange": frange, "title": title}
        return cls(array, maps[0], **options).plot(**kwargs)

    def plot(self, ax: Any = None, *, n_columns: int | None = None) -> SaliencyDisplay:
        """Plot the views that the network uses.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or SubFigure, default=None
            Where to plot; None creates a figure.
        n_columns : int, default=None
            The number of columns. None plots all views in one row.

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
            plot_energy(view_ax, views[view], *axis, "Greys")
            mesh = plot_view(view_ax, maps[view] / highest, *axis, vmin=0, vmax=1, cmap=ramp)
        axes = self.axes_.tolist()
        self.figure_.colorbar(mesh, ax=axes, label="saliency / maximum", pad=0.02)
        write_title(self.figure_, self.axes_, self.title)
        return self


def compute_saliency_maps(
    classifier: Any,
    X: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    layer: str | None = None,
    method: str = "gradient_activation",
) -> np.ndarray:
    r"""Compute how much each pixel of each view supports a class.

    Parameters
    ----------
    classifier : CNNClassifier
        A fitted classifier with a convolutional backbone.
    X : array-like
        Glitches of the shape seen in fit.
    labels : array-like of shape (n_samples,), default=None
        The class for each sample. None is the predicted class.
    layer : str, default=None
        The name of a module of the backbone that returns feature maps. None is the last one with
        more than one pixel, except pooling layers.
    method : {"gradient_activation", "grad_cam"}, default="gradient_activation"
        The method, see Notes.

    Returns
    -------
    maps : ndarray of shape (n_samples, n_views, height, width), dtype float32
        Non-negative, in units of logits. NaN in views that the network does not use.

    Raises
    ------
    ValueError
        If the backbone or `layer` has no feature maps, or a label is not one of the classes.

    Notes
    -----
    With the activation :math:`A_c(x)` of channel c at position x and the logit z of the class,
    Grad-CAM is :math:`\sum_c \bar g_c A_c(x)` with the gradients
    :math:`g_c(x) = \partial z / \partial A_c(x)` averaged over x, clipped at 0. The default
    (HiResCAM [1]_) omits the average, :math:`\sum_c g_c(x) A_c(x)`. Both are equal for mean
    pooling. For standard-deviation pooling, as in the default encoder, average gradients vanish.

    Maps are interpolated from the coarse resolution of the layer. With ``views="channels"`` the
    first layer mixes the views, so all of them get the same map.

    References
    ----------
    .. [1] R. L. Draelos, L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations
       of convolutional neural networks", 2020, arXiv:2011.08891.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import CNNClassifier
    >>> from skglitch.display import compute_saliency_maps
    >>> X = np.random.default_rng(0).integers(0, 50, (8, 1, 64, 64), dtype=np.uint8)
    >>> classifier = CNNClassifier(max_epochs=1).fit(X, ["Blip", "Tomte"] * 4)
    >>> compute_saliency_maps(classifier, X).shape
    (8, 1, 64, 64)
    """
    import torch

    from .._training import read_images

    check_is_fitted(classifier)
    if method not in METHODS:
        raise ValueError(f"method={method!r} is none of {METHODS}.")
    images = read_images(classifier, X)
    if labels is not None:
        asked = np.array(check_labels(labels, "labels", classifier.classes_.tolist()))
        if asked.shape != (len(images),):
            raise ValueError(f"labels must hold one label per sample, got shape {asked.shape}.")
        unknown = np.setdiff1d(asked, classifier.classes_)
        if len(unknown):
            raise ValueError(f"labels has {unknown.tolist()}, which the classifier does not know.")
        codes = np.searchsorted(classifier.classes_, asked)
    net = classifier.net_.module_.eval()
    layer = _find_map_layer(net, _tensor(classifier, images[:1])) if layer is None else layer
    net.encoder.backbone.check_layer(layer)
    caught: list[torch.Tensor] = []

    def catch(_module: nn.Module, _args: Any, output: Any) -> Any:
        """Start the autograd graph at this layer, as earlier ones may be frozen."""
        if not isinstance(output, torch.Tensor):
            return output
        caught[:] = [output.detach().requires_grad_()]
        return caught[0].clone()  # later layers may operate in place

    maps = np.empty(images.shape, dtype=np.float32)
    hook = net.encoder.backbone.net.get_submodule(layer).register_forward_hook(catch)
    with hook, torch.enable_grad():
        for rows in gen_batches(len(images), classifier.batch_size):
            logits = net(_tensor(classifier, images[rows])).float()
            if not caught or caught[0].ndim != 4:
                raise ValueError(f"layer={layer!r} returns no feature map in this network.")
            chosen = logits.argmax(dim=1) if labels is None else torch.from_numpy(codes[rows])
            score = logits.gather(1, chosen.to(logits.device)[:, None]).sum()
            (gradient,) = torch.autograd.grad(score, caught, allow_unused=True)
            if gradient is None:
                raise ValueError(f"layer={layer!r} does not affect the output of this network.")
            if method == "grad_cam":
                gradient = gradient.mean(dim=(2, 3), keepdim=True)
            coarse = (gradient * caught[0].detach()).sum(dim=1, keepdim=True).clamp(min=0)
            views = to_views(coarse.float(), net.encoder.layout, images[rows].shape)
            maps[rows] = views.cpu().numpy()
    return maps


def _find_map_layer(net: GlitchNet, images: torch.Tensor) -> str:
    """Return the last layer with a map of more than one pixel, which transformers do not have."""
    import torch
    from torch import nn

    last: list[str] = []
    # Maps of adaptive pooling have no spatial meaning.
    pooling = nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d

    def look(name: str, module: nn.Module, output: Any) -> None:
        if not isinstance(output, torch.Tensor) or isinstance(module, pooling):
            return
        if output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            last[:] = [name]
        elif output.ndim == 3 and output.shape[1] > 1:
            last.clear()

    backbone = net.encoder.backbone.net
    with ExitStack() as hooks, torch.no_grad():
        for name, module in backbone.named_modules():
            if name:
                hook = module.register_forward_hook(
                    lambda module, _, output, name=name: look(name, module, output)
                )
                hooks.callback(hook.remove)
        net(images)
    if not last:
        raise ValueError(
            f"{type(backbone).__name__} has no layer with a feature map of several pixels: use "
            "a convolutional backbone, or larger images."
        )
    return last[0]


def to_views(maps: torch.Tensor, layout: ViewLayout, shape: tuple[int, ...]) -> torch.Tensor:
    """Convert maps of arranged images to maps of the views, NaN in views that are not used."""
    import torch

    n, *image_shape = shape
    size = layout.image_size(*image_shape[1:])
    large = torch.nn.functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
    # Arranged pixel numbers are the source of each value. Zeros are padding.
    n_pixels = int(np.prod(image_shape))
    numbers = torch.arange(1, n_pixels + 1, dtype=torch.float64).reshape(1, *image_shape)
    arranged = layout.arrange(numbers).long().to(maps.device)
    values = large.reshape(n, layout.n_passes, 1, *size).expand(-1, -1, arranged.shape[1], -1, -1)
    views = maps.new_full((n, n_pixels + 1), torch.nan)
    views[:, arranged.flatten()] = values.reshape(n, -1)
    return views[:, 1:].reshape(shape)


def _tensor(classifier: Any, images: np.ndarray) -> torch.Tensor:
    import torch

    device = torch.device(classifier.net_.device)
    return torch.from_numpy(classifier.scale_.apply(images)).to(device)
