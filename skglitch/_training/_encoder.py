"""The encoder, from views to features: layout, colors, backbone, readout, normalization."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from .._backbones import Backbone, Readout
from ._views import ViewLayout

COLORMAPS = ("viridis", "gray")
# Length of the normalized features of each layer, which suits the default regularization of
# scikit-learn's LogisticRegression.
_LENGTH = 4.0


class ViewEncoder(nn.Module):
    """A backbone for the views of a glitch in one layout.

    `image_shape` is ``(n_views, height, width)``, required unless `readout` is the default. With
    `normalize`, features are centered and those of each layer are scaled to the same length.
    `colormap` colors gray images for nets with three channels.
    """

    center: torch.Tensor
    palette: torch.Tensor

    def __init__(
        self,
        backbone: Backbone,
        layout: ViewLayout,
        readout: Readout | None = None,
        *,
        image_shape: tuple[int, ...] | None = None,
        normalize: bool = False,
        colormap: str = "gray",
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.layout = layout
        self.readout = Readout() if readout is None else readout
        self.normalize = normalize
        self.colormap = colormap if backbone.in_channels == 3 else "gray"
        # On the device of the backbone, which a fitted classifier may share.
        palette = _viridis() if self.colormap == "viridis" else torch.empty(0)
        palette = palette.to(self.device)
        self.register_buffer("palette", palette, persistent=False)
        self.widths = self._widths(image_shape)
        # Only persistent with `normalize`, so that other state dicts lack it.
        center = torch.zeros(self.width if normalize else 0, device=self.device)
        self.register_buffer("center", center, persistent=normalize)

    @property
    def width(self) -> int:
        """Number of features of one glitch."""
        return sum(self.widths)

    @property
    def device(self) -> torch.device:
        """Device of the encoder."""
        return self.backbone.mean.device

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features ``(n, n_features)`` of images ``(n, n_views, h, w)``, uint8 or from 0 to 1."""
        return self.normalized(self.features(images))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Features before the normalization."""
        features = self.backbone.read(self.pictures(images), self.readout)
        # Per glitch, concatenate the features of all passes, layer by layer.
        n_passes = self.layout.n_passes
        return torch.cat([p.reshape(-1, n_passes * p.shape[1]) for p in features], dim=1)

    def pictures(self, images: torch.Tensor) -> torch.Tensor:
        """Arrange images for the backbone, and apply the colormap."""
        pictures = self.layout.arrange(as_unit_interval(images))
        if self.colormap == "gray" or pictures.shape[1] != 1:
            return pictures
        levels = (pictures[:, 0] * 255).round().clamp(0, 255).long()
        return self.palette[levels].permute(0, 3, 1, 2)

    def center_on(self, features: torch.Tensor) -> None:
        """Make the mean of ``features`` the center of the normalization."""
        if self.normalize:
            self.center.copy_(features.to(self.center).mean(dim=0))

    def normalized(self, features: torch.Tensor) -> torch.Tensor:
        """Subtract the center and scale the features of each layer to the same length."""
        if not self.normalize:
            return features
        parts = (features - self.center).split(self.widths, dim=1)
        return torch.cat([_LENGTH * nn.functional.normalize(part, dim=1) for part in parts], dim=1)

    def get_facts(self) -> dict[str, Any]:
        """Return what rebuilding the encoder needs besides its parameters and state dict."""
        backbone = self.backbone
        facts = {
            "layer": self.readout.layers,
            "pooling": self.readout.pooling,
            "n_bands": self.readout.n_bands,
            "normalize": self.normalize,
            "colormap": self.colormap,
            "min_size": backbone.min_size,
            "fixed_size": backbone.fixed_size,
            "in_channels": backbone.in_channels,
            "loaded": dict(backbone.loaded),
            "mean": backbone.mean.flatten().tolist(),
            "scale": backbone.scale.flatten().tolist(),
        }
        if hasattr(backbone.net, "transform_input"):
            # Inception and GoogLeNet: torchvision sets it for its own weights.
            facts["transform_input"] = bool(backbone.net.transform_input)
        return facts

    def set_backbone_facts(self, facts: dict[str, Any]) -> None:
        """Set the facts of the backbone from :meth:`get_facts`."""
        backbone = self.backbone
        for name in ("min_size", "fixed_size", "in_channels", "loaded"):
            setattr(backbone, name, facts[name])
        for name in ("mean", "scale"):
            values = torch.tensor(facts[name]).view(1, -1, 1, 1)
            setattr(backbone, name, values.to(self.device))
        if "transform_input" in facts:
            backbone.net.transform_input = facts["transform_input"]

    def _widths(self, image_shape: tuple[int, ...] | None) -> tuple[int, ...]:
        """Count the features of each layer, by a trial if they depend on the image."""
        if self.readout == Readout():
            return (self.backbone.width * self.layout.n_passes,)
        if image_shape is None:
            raise ValueError(f"{self.readout} needs image_shape, on which its width depends.")
        was_training = self.backbone.training
        self.backbone.eval()
        with torch.no_grad():
            pictures = self.pictures(torch.zeros(1, *image_shape, device=self.device))
            features = self.backbone.read(pictures, self.readout)
        self.backbone.train(was_training)
        return tuple(part.numel() for part in features)


def as_unit_interval(images: torch.Tensor) -> torch.Tensor:
    """Convert uint8 to floats from 0 to 1, on the device of the images."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


def _viridis() -> torch.Tensor:
    """Return the 256 colors of Gravity Spy's pictures, ``(256, 3)`` from 0 to 1."""
    import matplotlib

    colors = matplotlib.colormaps["viridis"](np.arange(256))[:, :3]
    return torch.tensor(colors, dtype=torch.float32)
