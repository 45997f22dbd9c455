"""The whole net, from views to logits."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from .._device import exactly
from ._encoder import ViewEncoder, as_unit_interval

ALL, HEAD = "all", "head"


class GlitchNet(nn.Module):
    """An encoder and a linear head, with augmentation in training mode."""

    def __init__(
        self, encoder: ViewEncoder, n_classes: int, augment: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.augment = augment
        self.head = nn.Linear(encoder.width, n_classes)
        # Zeros, so that the first gradients do not distort the pretrained layers at random.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        # Modules of the backbone's net that are not trained, "" for all of it.
        self.frozen: tuple[str, ...] = ()
        self.batch_norm_is_fixed = False

    def forward(self, images: torch.Tensor, part: slice = slice(None)) -> torch.Tensor:
        """Logits ``(n, n_classes)`` of a part of images ``(n_images, n_views, height, width)``."""
        if self.training and self.augment is not None:
            images = self.augment(as_unit_interval(images))
        # All images are augmented, so that random numbers do not depend on the part.
        return self.classify(self.encoder.features(images[part]))

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Logits of features from ``encoder.features``."""
        # In float32, which is cheap, as sums of a thousand features decide between classes.
        with exactly(features.device):
            return self.head(self.encoder.normalized(features).float())

    def freeze_before(self, fine_tune: str) -> None:
        """Freeze the layers before ``fine_tune`` ("all", "head" or a layer), and train others."""
        if fine_tune == ALL:
            self.frozen = ()
        elif fine_tune == HEAD:
            self.frozen = ("",)
        else:
            self.encoder.backbone.check_layer(fine_tune, "fine_tune")
            self.frozen = _modules_before(self.encoder.backbone.net, fine_tune)
        for name, parameter in self.encoder.backbone.named_parameters():
            parameter.requires_grad_(not self._is_frozen(name))
        self.train(self.training)

    def fix_batch_norm(self) -> None:
        """Keep the statistics of all batch norms; their scales are still trained."""
        self.batch_norm_is_fixed = True
        self.train(self.training)

    def train(self, mode: bool = True) -> GlitchNet:
        """Set the mode of all layers, except frozen ones, which stay in evaluation mode."""
        super().train(mode)
        if self.batch_norm_is_fixed:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        for name, module in self.encoder.backbone.named_modules():
            if self._is_frozen(name):
                module.eval()
        return self

    def _is_frozen(self, name: str) -> bool:
        """Whether a module or parameter of the backbone is not trained."""
        return "" in self.frozen or any(_is_in(name, f"net.{part}") for part in self.frozen)


def _is_in(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def _modules_before(net: nn.Module, start: str) -> tuple[str, ...]:
    """Outermost modules that end before ``start`` in the order of definition."""
    before: list[str] = []
    for name, _ in net.named_modules():
        if name == start:
            break
        if name and not _is_in(start, name) and not any(_is_in(name, done) for done in before):
            before.append(name)
    return tuple(before)


def measure_batch_norm(net: GlitchNet, batches: Iterable[torch.Tensor]) -> None:
    """Estimate the statistics of the trainable batch norms on ``batches`` of training images."""
    # After training, as moving averages over a few dozen steps lag behind the weights (Li et al.,
    # arXiv:1603.04779).
    norms = [
        module
        for module in net.modules()
        if isinstance(module, _BatchNorm)
        and module.track_running_stats
        and any(parameter.requires_grad for parameter in module.parameters())
    ]
    if not norms:
        return
    before = [(norm.momentum, copy.deepcopy(dict(norm.named_buffers()))) for norm in norms]
    measured: set[nn.Module] = set()
    hooks = [norm.register_forward_hook(lambda norm, *_: measured.add(norm)) for norm in norms]
    was_training = net.training
    net.eval()  # without dropout; only the norms are in training mode
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    try:
        with torch.no_grad():
            for n_before, images in enumerate(batches):
                for norm in norms:
                    # The average over all batches, as with momentum=None, for which the host waits
                    # for a GPU at each norm.
                    norm.momentum = 1 / (n_before + 1)
                net.encoder.features(images)
    finally:
        for norm, hook, (momentum, buffers) in zip(norms, hooks, before, strict=True):
            hook.remove()
            norm.momentum = momentum
            if norm not in measured:
                # A layer after the last one that is read was not measured.
                norm.load_state_dict(buffers, strict=False)
        net.train(was_training)
