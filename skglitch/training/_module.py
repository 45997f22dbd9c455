"""The whole net: views in, logits out."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..backbones import PENULTIMATE, Trunk
from ..spectrograms import ViewLayout


class ViewEncoder(nn.Module):
    """A trunk that sees the views of a glitch in one layout.

    Parameters
    ----------
    trunk : Trunk
    layout : ViewLayout
    """

    def __init__(self, trunk: Trunk, layout: ViewLayout) -> None:
        super().__init__()
        self.trunk = trunk
        self.layout = layout

    @property
    def width(self) -> int:
        """Number of features of one glitch at the penultimate layer."""
        return self.trunk.width * self.layout.n_passes

    def forward(self, images: torch.Tensor, layer: str = PENULTIMATE) -> torch.Tensor:
        """Features ``(n, n_features)`` of images ``(n, n_views, height, width)``.

        Images are uint8, or floats from 0 to 1.
        """
        pictures = self.layout.arrange(as_unit_interval(images))
        features = self.trunk.features_at(pictures, layer)
        return features.reshape(len(images), -1)


class GlitchNet(nn.Module):
    """An encoder and a last layer of ``n_classes``.

    Parameters
    ----------
    encoder : ViewEncoder
    n_classes : int
    augment : torch.nn.Module, default=None
        Applied to the images in training mode only.
    dropout : float, default=0.0
        Probability of dropping a feature before the last layer.
    """

    def __init__(
        self,
        encoder: ViewEncoder,
        n_classes: int,
        augment: nn.Module | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.augment = augment
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.width, n_classes)
        # A head of zeros starts from equal probabilities, so that the first steps do not
        # push random directions through the pre-trained layers.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.frozen: tuple[str, ...] = ()
        self.batch_norm_is_fixed = False

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(n, n_classes)`` of images ``(n, n_views, height, width)``."""
        if self.training and self.augment is not None:
            images = self.augment(as_unit_interval(images))
        return self.head(self.dropout(self.encoder(images)))

    def freeze_before(self, start: str) -> None:
        """Freeze what comes before the layer ``start``; ``"head"`` leaves only the last one.

        Frozen layers get no gradient, and their batch norms keep the statistics they have,
        whatever mode the net is put in.
        """
        net = self.encoder.trunk.net
        self.frozen = ("",) if start == HEAD else tuple(_modules_before(net, start))
        for name in self.frozen:
            net.get_submodule(name).requires_grad_(False)
        self.train(self.training)

    def fix_batch_norm(self) -> None:
        """Keep the statistics of all batch norms as they are; their scales go on learning."""
        self.batch_norm_is_fixed = True
        self.train(self.training)

    def train(self, mode: bool = True) -> GlitchNet:
        """Set the mode of all layers but the frozen ones, which stay in evaluation mode."""
        super().train(mode)
        if self.batch_norm_is_fixed:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        for name in self.frozen:
            self.encoder.trunk.net.get_submodule(name).eval()
        return self


HEAD = "head"


def as_unit_interval(images: torch.Tensor) -> torch.Tensor:
    """Turn uint8 into floats from 0 to 1, on the device where the images are."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


def _modules_before(net: nn.Module, start: str) -> list[str]:
    """Outermost modules that are complete before ``start`` in the order of definition."""
    before: list[str] = []
    for name, _ in net.named_modules():
        if name and name == start:
            return before
        is_parent = start.startswith(f"{name}.")
        is_inside = any(name.startswith(f"{done}.") for done in before)
        if name and not is_parent and not is_inside:
            before.append(name)
    return before
