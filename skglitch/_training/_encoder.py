"""From the views of a glitch to features: layout, colors, trunk, readout, normalization."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .._backbones import Backbone, Readout
from ..spectrograms import ViewLayout

COLORS = ("viridis", "gray")
# Length of the features of each layer once they are normalized: at this scale the default
# regularisation of scikit-learn's LogisticRegression suits them.
_LENGTH = 4.0


class ViewEncoder(nn.Module):
    """A trunk that sees the views of a glitch in one layout.

    Parameters
    ----------
    trunk : Backbone
    layout : ViewLayout
    readout : Readout, default=None
        The layers that are read and how; None for the penultimate features.
    image_shape : tuple of int, default=None
        ``(n_views, height, width)`` of the images to come; needed for other readouts.
    normalize : bool, default=False
        Whether to subtract a center from the features of each layer, see :meth:`center_on`,
        and to scale them to the same length.
    colors : {"viridis", "gray"}, default="gray"
        How a picture of one channel fills the three colors of a net: as Gravity Spy draws it,
        or the same in each.

    Examples
    --------
    >>> import torch
    >>> from skglitch._backbones import make_backbone
    >>> from skglitch.spectrograms import ViewLayout
    >>> from skglitch._training import ViewEncoder
    >>> durations = (0.5, 1.0, 2.0, 4.0)
    >>> layout = ViewLayout.from_parameter("separate", durations, n_views=4)
    >>> encoder = ViewEncoder(make_backbone("resnet18", weights=None), layout).eval()
    >>> encoder(torch.zeros(2, 4, 32, 40)).shape  # four views of 512 features
    torch.Size([2, 2048])
    """

    center: torch.Tensor
    palette: torch.Tensor

    def __init__(
        self,
        trunk: Backbone,
        layout: ViewLayout,
        readout: Readout | None = None,
        *,
        image_shape: tuple[int, ...] | None = None,
        normalize: bool = False,
        colors: str = "gray",
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.layout = layout
        self.readout = Readout() if readout is None else readout
        self.normalize = normalize
        self.paints = colors == "viridis" and trunk.in_channels == 3
        palette = _viridis() if self.paints else torch.empty(0)
        self.register_buffer("palette", palette, persistent=False)
        self.widths = self._widths(image_shape)
        # Not persistent without need, so that files of nets without it stay as they were.
        center = torch.zeros(self.width if normalize else 0)
        self.register_buffer("center", center, persistent=normalize)

    @property
    def width(self) -> int:
        """Number of features of one glitch."""
        return sum(self.widths)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features ``(n, n_features)`` of images ``(n, n_views, height, width)``.

        Images are uint8, or floats from 0 to 1.
        """
        return self.normalized(self.features(images))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Features as they are read, before any normalization."""
        features = self.trunk.read(self.pictures(images), self.readout)
        # One row a glitch, with the features of all its passes side by side, layer by layer.
        rows = [part.reshape(len(images), -1) for part in features]
        return torch.cat(rows, dim=1)

    def pictures(self, images: torch.Tensor) -> torch.Tensor:
        """Arrange images as the trunk sees them, in color where that is asked for."""
        pictures = self.layout.arrange(as_unit_interval(images))
        if not self.paints or pictures.shape[1] != 1:
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

    def _widths(self, image_shape: tuple[int, ...] | None) -> tuple[int, ...]:
        """Count the features of each layer, by a trial where they depend on the picture."""
        if self.readout == Readout():
            return (self.trunk.width * self.layout.n_passes,)
        if image_shape is None:
            raise ValueError(f"{self.readout} needs image_shape, on which its width depends.")
        device = self.trunk.mean.device
        was_training = self.trunk.training
        self.trunk.eval()
        with torch.no_grad():
            pictures = self.pictures(torch.zeros(1, *image_shape, device=device))
            features = self.trunk.read(pictures, self.readout)
        self.trunk.train(was_training)
        return tuple(part.numel() for part in features)


def as_unit_interval(images: torch.Tensor) -> torch.Tensor:
    """Turn uint8 into floats from 0 to 1, on the device where the images are."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


def _viridis() -> torch.Tensor:
    """Look up the 256 colors of Gravity Spy's pictures, ``(256, 3)`` from 0 to 1."""
    import matplotlib

    colors = matplotlib.colormaps["viridis"](np.arange(256))[:, :3]
    return torch.tensor(colors, dtype=torch.float32)
