"""The whole net: views in, logits out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from .._device import exactly
from ._encoder import ViewEncoder, as_unit_interval


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

    Examples
    --------
    >>> import torch
    >>> from skglitch._backbones import make_backbone
    >>> from skglitch.spectrograms import ViewLayout
    >>> from skglitch._training import GlitchNet, ViewEncoder
    >>> layout = ViewLayout.from_parameter("mosaic", (4.0,), n_views=1)
    >>> encoder = ViewEncoder(make_backbone("resnet18", weights=None), layout)
    >>> net = GlitchNet(encoder, n_classes=22).eval()
    >>> net(torch.zeros(2, 1, 64, 64)).shape
    torch.Size([2, 22])
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
        features = self.encoder.features(images)
        # Cheap, and where sums of a thousand features decide between classes.
        with exactly(features.device):
            return self.head(self.dropout(self.encoder.normalized(features).float()))

    def freeze(self, names: Iterable[str]) -> None:
        """Freeze these parts of the trunk's net, and let all others learn.

        Frozen layers get no gradient, and their batch norms keep the statistics they have,
        whatever mode the net is put in.

        Parameters
        ----------
        names : iterable of str
            Names of modules, or of single parameters; ``""`` is the whole net.
        """
        self.frozen = tuple(names)
        for name, parameter in self.encoder.trunk.named_parameters():
            parameter.requires_grad_(not self._is_frozen(name))
        self.train(self.training)

    def replace_head(self, head: nn.Linear, order: np.ndarray) -> None:
        """Put another last layer in place, its classes in another order.

        Parameters
        ----------
        head : torch.nn.Linear
            The old classes first, then new ones.
        order : ndarray of shape (n_classes,)
            The class of ``head`` that comes in each place.
        """
        self.head = _in_order(head, head.out_features, order)

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
        for name, module in self.encoder.trunk.named_modules():
            if self._is_frozen(name):
                module.eval()
        return self

    def _is_frozen(self, name: str) -> bool:
        """Whether a module or parameter of the trunk is not trained."""
        if "" in self.frozen:
            return True
        return any(_is_in(name, f"net.{part}") for part in self.frozen)


def _in_order(old: nn.Linear, n_classes: int, order: np.ndarray) -> nn.Linear:
    new = nn.Linear(old.in_features, n_classes).to(old.weight)
    with torch.no_grad():
        for values, before in ((new.weight, old.weight), (new.bias, old.bias)):
            values.zero_()
            values[: len(before)] = before
            values.copy_(values[torch.from_numpy(order).to(values.device)].clone())
    return new


def _is_in(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")
