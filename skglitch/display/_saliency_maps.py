"""Saliency maps: Grad-CAM and HiResCAM, mapped back to the views of each glitch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._training import GlitchNet, ViewLayout, read_images

METHODS = ("gradient_activation", "grad_cam")
# Maps of adaptive pooling have no spatial meaning.
_POOLING = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def compute_saliency_maps(
    classifier: Any,
    X: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    layer: str | None = None,
    method: str = "gradient_activation",
    batch_size: int = 16,
) -> np.ndarray:
    r"""Compute how much each pixel of each view supports a class.

    Parameters
    ----------
    classifier : CNNClassifier
        A fitted classifier with a convolutional backbone.
    X : array-like
        Glitches of the shape seen in fit.
    labels : array-like of shape (n_samples,), default=None
        The class for each sample. None takes the predicted classes.
    layer : str, default=None
        The name of a module of the backbone that returns feature maps. None takes the last one
        with more than one pixel, except pooling.
    method : {"gradient_activation", "grad_cam"}, default="gradient_activation"
        The method, see Notes.
    batch_size : int, default=16
        The number of glitches per batch.

    Returns
    -------
    maps : ndarray of shape (n_samples, n_views, height, width), dtype float32
        Non-negative, on the scale of logits. NaN in views that the network does not use.

    Raises
    ------
    ValueError
        If the backbone has no feature maps, `layer` does not exist or returns none, or a label
        is not one of the classes.

    See Also
    --------
    SaliencyDisplay : Plots the maps.

    Notes
    -----
    With the activation :math:`A_c(x)` of channel c at position x and the logit z of the class,
    Grad-CAM [1]_ is :math:`\sum_c \bar g_c A_c(x)` with the gradients
    :math:`g_c(x) = \partial z / \partial A_c(x)` averaged over x, clipped at 0. The default
    (HiResCAM [2]_) omits the average, :math:`\sum_c g_c(x) A_c(x)`. Both are equal for mean
    pooling. For standard-deviation pooling, as in the default encoder, average gradients vanish.

    Maps have the resolution of the layer, often a few pixels, and are interpolated. With
    ``views="channels"`` the first layer mixes the views, which all get the same map. If the
    encoder reads several layers, as by default, the map shows the last one; pass the name of
    another as `layer`.

    References
    ----------
    .. [1] R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via
       Gradient-based Localization", ICCV 2017, arXiv:1610.02391.
    .. [2] R. L. Draelos, L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations
       of convolutional neural networks", 2020, arXiv:2011.08891.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import CNNClassifier
    >>> from skglitch.display import compute_saliency_maps
    >>> X = np.random.default_rng(0).integers(0, 50, (8, 1, 64, 64), dtype=np.uint8)
    >>> X[:4, :, 50:], X[4:, :, :, 30:34] = 200, 200
    >>> y = np.repeat(["Low_Frequency_Lines", "Blip"], 4)
    >>> classifier = CNNClassifier(max_epochs=1, random_state=0).fit(X, y)
    >>> compute_saliency_maps(classifier, X).shape
    (8, 1, 64, 64)
    """
    check_is_fitted(classifier)
    if method not in METHODS:
        raise ValueError(f"method={method!r} is none of {METHODS}.")
    images = read_images(classifier, X)
    codes = None if labels is None else _codes(labels, classifier.classes_, len(images))
    net = classifier.net_.module_.eval()
    layer = find_map_layer(net, _tensor(classifier, images[:1])) if layer is None else layer
    net.encoder.backbone.check_layer(layer)
    maps = np.empty(images.shape, dtype=np.float32)
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        batch = _tensor(classifier, images[rows])
        chosen = None if codes is None else codes[rows]
        maps[rows] = _maps_of(net, batch, chosen, layer, method).cpu().numpy()
    return maps


def find_map_layer(net: GlitchNet, images: torch.Tensor) -> str:
    """Return the name of the last layer of the backbone with a map of more than one pixel.

    Transformers have none, since their layers return lists of patches.
    """
    last: list[str] = []

    def look(name: str, module: nn.Module, output: Any) -> None:
        if not isinstance(output, torch.Tensor) or isinstance(module, _POOLING):
            return
        if output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            last[:] = [name]
        elif output.ndim == 3 and output.shape[1] > 1:
            last.clear()

    backbone = net.encoder.backbone.net
    hooks = [
        module.register_forward_hook(
            lambda module, _, output, name=name: look(name, module, output)
        )
        for name, module in backbone.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            net(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not last:
        raise ValueError(
            f"{type(backbone).__name__} has no layer that returns a feature map of several pixels: "
            "use a convolutional backbone and larger images."
        )
    return last[0]


def _maps_of(
    net: GlitchNet, images: torch.Tensor, codes: np.ndarray | None, layer: str, method: str
) -> torch.Tensor:
    """Compute the maps ``(n, n_views, height, width)`` of one batch."""
    with torch.enable_grad(), _caught(net.encoder.backbone.net, layer) as caught:
        logits = net(images).float()
    targets = logits.argmax(dim=1) if codes is None else torch.from_numpy(codes).to(logits.device)
    if not caught or caught[0].ndim != 4:
        raise ValueError(f"layer={layer!r} returns no feature map in this network.")
    score = logits.gather(1, targets[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, caught, allow_unused=True)
    if gradient is None:
        raise ValueError(f"layer={layer!r} does not affect the output of this network.")
    if method == "grad_cam":
        gradient = gradient.mean(dim=(2, 3), keepdim=True)
    maps = (gradient * caught[0].detach()).sum(dim=1, keepdim=True).clamp(min=0)
    n, n_views, height, width = images.shape
    return to_views(maps.float(), net.encoder.layout, (n, n_views, height, width))


def to_views(maps: torch.Tensor, layout: ViewLayout, shape: tuple[int, ...]) -> torch.Tensor:
    """Map maps of arranged images back to the views, NaN in views that are not used."""
    n, *image_shape = shape
    size = layout.image_size(*image_shape[1:])
    large = nn.functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
    # The layout arranges the numbers of pixels, which gives the source of each value. Zeros are
    # padding.
    n_pixels = int(np.prod(image_shape))
    numbers = torch.arange(1, n_pixels + 1, dtype=torch.float64).reshape(1, *image_shape)
    arranged = layout.arrange(numbers).long().to(maps.device)
    values = large.reshape(n, layout.n_passes, 1, *size).expand(-1, -1, arranged.shape[1], -1, -1)
    views = maps.new_full((n, n_pixels + 1), torch.nan)
    views[:, arranged.flatten()] = values.reshape(n, -1)
    return views[:, 1:].reshape(shape)


@contextmanager
def _caught(backbone: nn.Module, layer: str) -> Iterator[list[torch.Tensor]]:
    """Catch the output of a layer, and start the graph there."""
    caught: list[torch.Tensor] = []

    def catch(_module: nn.Module, _args: Any, output: Any) -> Any:
        if not isinstance(output, torch.Tensor):
            return output
        # Earlier layers may be frozen, and later ones may work in place.
        caught[:] = [output.detach().requires_grad_()]
        return caught[0].clone()

    hook = backbone.get_submodule(layer).register_forward_hook(catch)
    try:
        yield caught
    finally:
        hook.remove()


def _tensor(classifier: Any, images: np.ndarray) -> torch.Tensor:
    device = torch.device(classifier.net_.device)
    return torch.from_numpy(classifier.scale_.apply(images)).to(device)


def _codes(labels: ArrayLike, classes: np.ndarray, n_samples: int) -> np.ndarray:
    asked = np.asarray(labels)
    if asked.shape != (n_samples,):
        raise ValueError(f"labels must hold one label per sample, got shape {asked.shape}.")
    unknown = np.setdiff1d(asked, classes)
    if len(unknown):
        raise ValueError(f"labels has {unknown.tolist()}, which the classifier does not know.")
    return np.searchsorted(classes, asked)
