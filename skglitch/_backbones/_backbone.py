"""A network without its head, and the readout of its layers."""

from __future__ import annotations

import difflib
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ._surgery import pool

PENULTIMATE = "penultimate"
POOLINGS = ("mean", "std", "max")


@dataclass(frozen=True)
class Readout:
    """Layers to read, and the pooling of their feature maps ``(n, channels, height, width)``.

    `n_bands` horizontal stripes, which are frequency bands of a spectrogram, are pooled separately.
    They overlap by a row if the height is not divisible. Features without position, such as most
    penultimate ones, are not pooled.
    """

    layers: tuple[str, ...] = (PENULTIMATE,)
    pooling: str = "mean"
    n_bands: int = 1

    def pool(self, output: torch.Tensor) -> torch.Tensor:
        """Pool the output of a layer to features ``(n, n_features)`` in float32."""
        output = output.float()
        if output.ndim == 4:
            bands = [output[:, :, rows].flatten(2) for rows in self._rows(output.shape[2])]
            return torch.cat([self._pooled(band) for band in bands], dim=1)
        if output.ndim == 3:
            return self._pooled(output.transpose(1, 2))
        return pool(output)

    def _rows(self, height: int) -> list[slice]:
        """Rows of each band, as in adaptive pooling."""
        n = self.n_bands
        return [slice(i * height // n, -(-(i + 1) * height // n)) for i in range(n)]

    def _pooled(self, values: torch.Tensor) -> torch.Tensor:
        if self.pooling == "mean":
            return values.mean(dim=2)
        if self.pooling == "max":
            return values.amax(dim=2)
        # The square root of zero has no finite gradient.
        return values.var(dim=2, correction=0).add(1e-8).sqrt()


class Backbone(nn.Module):
    """A network without its head, which resizes and normalizes its input.

    Images smaller than `min_size` are enlarged, or all are resized to `fixed_size`, and normalized
    by `mean` and `std` for pixels from 0 to 1. `loaded` describes the weights: ``source`` and
    ``extent``, which is "whole" for a file, "none" for random weights, and "own" for those of a
    module.
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
        readout: Readout | None = None,
        loaded: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        self.width = width
        self.min_size = min_size
        self.fixed_size = fixed_size
        self.in_channels = in_channels
        self.readout = Readout() if readout is None else readout
        self.loaded = {"extent": "none", "source": None} if loaded is None else loaded
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("scale", 1.0 / torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Features ``(n, width)`` of images ``(n, 1 or 3, h, w)`` with pixels from 0 to 1."""
        return pool(self.net(self.prepare(pictures)))

    def read(self, pictures: torch.Tensor, readout: Readout) -> list[torch.Tensor]:
        """Features ``(n, n_features)``, float32, of each layer in `readout`."""
        layers = set(readout.layers) - {PENULTIMATE}
        for name in layers:
            hooks: Any = self.net.get_submodule(name)._forward_hooks
            taps = [key for key, hook in list(hooks.items()) if isinstance(hook, _Tap)]
            if not taps:
                self.net.get_submodule(name).register_forward_hook(_Tap(name))
            elif next(reversed(hooks)) != taps[0]:
                hooks.move_to_end(taps[0])  # it ends the pass, so hooks of the user must come first
        outputs: dict[str, torch.Tensor] = {}
        last = None if PENULTIMATE in readout.layers else layers
        token = _READING.set((outputs, last))
        try:
            outputs[PENULTIMATE] = self.net(self.prepare(pictures))
        except _CompleteError:
            pass
        finally:
            _READING.reset(token)
        for name in readout.layers:
            if name not in outputs:
                raise ValueError(f"layer={name!r} takes no part in the forward pass of this net.")
        return [readout.pool(outputs[name]) for name in readout.layers]

    def prepare(self, pictures: torch.Tensor) -> torch.Tensor:
        """Resize and normalize images for the net."""
        size = self.input_size(pictures.shape[-2], pictures.shape[-1])
        if size != tuple(pictures.shape[-2:]):
            pictures = nn.functional.interpolate(
                pictures, size=size, mode="bilinear", align_corners=False, antialias=True
            )
        if pictures.shape[1] != self.in_channels:
            # Gray in every channel, or colors averaged for a net with one channel.
            gray = pictures if pictures.shape[1] == 1 else pictures.mean(dim=1, keepdim=True)
            pictures = gray.expand(-1, self.in_channels, -1, -1)
        pictures = (pictures - self.mean) * self.scale
        return pictures.contiguous(memory_format=torch.channels_last)

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to which images of ``height`` x ``width`` are resized."""
        if self.fixed_size is not None:
            return self.fixed_size
        return max(height, self.min_size), max(width, self.min_size)

    def check_layer(self, layer: str, parameter: str = "layer") -> str:
        """Return ``layer`` if the net has it, else raise an error with the closest names."""
        names = [PENULTIMATE, *(name for name, _ in self.net.named_modules() if name)]
        if layer in names:
            return layer
        near = difflib.get_close_matches(str(layer), names, n=3, cutoff=0.4)
        top = [PENULTIMATE, *(name for name, _ in self.net.named_children())]
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"{parameter}={layer!r} is not a layer of this backbone.{hint} "
            f"Its outermost layers are {', '.join(map(repr, top))}."
        )


class _CompleteError(Exception):
    """Raised by a hook to leave the forward pass once all layers were read."""


# Outputs read in this thread, by layer, and the layers after which it can stop.
_READING: ContextVar[tuple[dict[str, torch.Tensor], set[str] | None] | None] = ContextVar(
    "_READING", default=None
)


class _Tap:
    """A forward hook that keeps the output of a layer, if it runs in a thread that reads it."""

    # It stays on the layer. Threads that add and remove hooks of one net would read each other's
    # outputs, and the net could not be pickled in the meantime.
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, _module: nn.Module, _args: tuple, output: torch.Tensor) -> None:
        reading = _READING.get()
        if reading is None:
            return
        outputs, wanted = reading
        outputs[self.name] = output
        # Exports remove unused layers themselves.
        if wanted and wanted <= outputs.keys() and not torch.compiler.is_exporting():
            raise _CompleteError
