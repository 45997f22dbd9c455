"""A net without its last layer: what is fine-tuned and what is read for embeddings."""

from __future__ import annotations

import difflib

import torch
from torch import nn

from ._surgery import pool

PENULTIMATE = "penultimate"


class Trunk(nn.Module):
    """A backbone cut before its last layer, with what is needed to feed it.

    Parameters
    ----------
    net : torch.nn.Module
        The net whose output are features.
    width : int
        Number of features.
    mean, std : tuple of float
        Normalisation of each colour, for pixels from 0 to 1.
    min_size : int
        Smallest height and width in pixels that the net takes.
    fixed_size : tuple of int, default=None
        The only height and width that the net takes, for nets with a fixed number of tokens.
    in_channels : int, default=3
        Colours that the net takes.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self,
        net: nn.Module,
        *,
        width: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        min_size: int = 32,
        fixed_size: tuple[int, int] | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.net = net
        self.width = width
        self.min_size = min_size
        self.fixed_size = fixed_size
        self.in_channels = in_channels
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("scale", 1.0 / torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Features ``(n, width)`` of pictures ``(n, 1 or 3, h, w)`` with pixels from 0 to 1."""
        return pool(self.net(self.prepare(pictures)))

    def features_at(self, pictures: torch.Tensor, layer: str) -> torch.Tensor:
        """Pooled output of the named layer; the layers after it are not computed."""
        if layer == PENULTIMATE:
            return self(pictures)
        caught: list[torch.Tensor] = []

        def catch(_module: nn.Module, _args: tuple, output: torch.Tensor) -> None:
            caught.append(pool(output))
            raise _CaughtError

        hook = self.net.get_submodule(layer).register_forward_hook(catch)
        try:
            self.net(self.prepare(pictures))
        except _CaughtError:
            return caught[0]
        finally:
            hook.remove()
        raise ValueError(f"layer={layer!r} takes no part in the forward pass of this net.")

    def prepare(self, pictures: torch.Tensor) -> torch.Tensor:
        """Resize and normalise pictures to what the net expects."""
        size = self.input_size(pictures.shape[-2], pictures.shape[-1])
        if size != tuple(pictures.shape[-2:]):
            pictures = nn.functional.interpolate(
                pictures, size=size, mode="bilinear", align_corners=False, antialias=True
            )
        if pictures.shape[1] != self.in_channels:
            # One grey picture in every colour, or colours to grey for a one-channel net.
            grey = pictures if pictures.shape[1] == 1 else pictures.mean(dim=1, keepdim=True)
            pictures = grey.expand(-1, self.in_channels, -1, -1)
        pictures = (pictures - self.mean) * self.scale
        return pictures.contiguous(memory_format=torch.channels_last)

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which the net sees pictures of ``height`` x ``width``."""
        if self.fixed_size is not None:
            return self.fixed_size
        return max(height, self.min_size), max(width, self.min_size)

    def layer_names(self) -> list[str]:
        """Names that ``layer`` may take, in the order of definition."""
        return [PENULTIMATE, *(name for name, _ in self.net.named_modules() if name)]

    def check_layer(self, layer: str, parameter: str = "layer") -> str:
        """Return ``layer`` if the net has it, else fail with the nearest names."""
        names = self.layer_names()
        if layer in names:
            return layer
        near = difflib.get_close_matches(str(layer), names, n=3, cutoff=0.4)
        top = [PENULTIMATE, *(name for name, _ in self.net.named_children())]
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"{parameter}={layer!r} is not a layer of this backbone.{hint} "
            f"Its outermost layers are {', '.join(map(repr, top))}."
        )


class _CaughtError(Exception):
    """Raised by the hook of ``features_at`` to leave the forward pass early."""
