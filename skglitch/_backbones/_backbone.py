"""A net without its last layer: what is fine-tuned and what is read for embeddings."""

from __future__ import annotations

import difflib
import functools
from typing import Any

import torch
from torch import nn

from ._readout import PENULTIMATE, Readout
from ._stages import stages_of
from ._surgery import pool


class Backbone(nn.Module):
    """A backbone cut before its last layer, with what is needed to feed it.

    Parameters
    ----------
    net : torch.nn.Module
        The net whose output are features.
    width : int
        Number of features.
    mean, std : tuple of float
        Normalization of each color, for pixels from 0 to 1.
    min_size : int, default=32
        Smallest height and width in pixels that the net gets; smaller pictures are enlarged.
    fixed_size : tuple of int, default=None
        Height and width that all pictures are resized to, for nets that take one size only or
        whose user wants one.
    in_channels : int, default=3
        Colors that the net takes.
    readout : Readout, default=None
        What is best read of the net as it is; None for the penultimate features.
    loaded : dict, default=None
        Where the weights come from: ``extent`` (``"whole"`` for weights that were read,
        ``"none"`` for random ones, or ``"own"`` for those that a module came with) and
        ``source``.

    Examples
    --------
    >>> import torch
    >>> from skglitch._backbones import make_backbone
    >>> backbone = make_backbone("resnet18", weights=None).eval()
    >>> backbone(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 512])
    >>> backbone.stages()[-1]
    ('layer4.1', 'avgpool', 'fc')
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
        """Features ``(n, width)`` of pictures ``(n, 1 or 3, h, w)`` with pixels from 0 to 1."""
        return pool(self.net(self.prepare(pictures)))

    def read(self, pictures: torch.Tensor, readout: Readout) -> list[torch.Tensor]:
        """Features of the layers that ``readout`` names.

        Parameters
        ----------
        pictures : Tensor of shape (n, 1 or 3, h, w)
            Pixels from 0 to 1.
        readout : Readout
            Layers after the last one that is asked for are not computed.

        Returns
        -------
        features : list of Tensor of shape (n, n_features), dtype float32
            One for each layer.

        Raises
        ------
        ValueError
            If a layer takes no part in the forward pass.
        """
        outputs = self._outputs(pictures, readout.layers)
        return [readout.pool(outputs[name]) for name in readout.layers]

    def stages(self) -> list[tuple[str, ...]]:
        """Layers of ``net`` from input to output, grouped for unfreezing and learning rates.

        Returns
        -------
        stages : list of tuple of str
            Names of modules of ``net``, and of parameters and buffers that stand outside of
            them. A tensor of ``net`` is in a stage if its name is there, or starts with a name
            there and a dot; each tensor is in exactly one.

        Examples
        --------
        >>> from skglitch._backbones import make_backbone
        >>> make_backbone("squeezenet1_1", weights=None).stages()[:2]
        [('features.0', 'features.1', 'features.2'), ('features.3',)]
        """
        return stages_of(self.net)

    def features_at(self, pictures: torch.Tensor, layer: str) -> torch.Tensor:
        """Averaged output of the named layer; the layers after it are not computed."""
        return self.read(pictures, Readout((layer,)))[0]

    def _outputs(self, pictures: torch.Tensor, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
        """Run the net; what the named modules return, and as ``"penultimate"`` the net itself."""
        wanted = {name for name in names if name != PENULTIMATE}
        catch = _Catch(wanted, goes_on=PENULTIMATE in names)
        hooks = [
            self.net.get_submodule(name).register_forward_hook(functools.partial(catch, name))
            for name in wanted
        ]
        try:
            catch.caught[PENULTIMATE] = self.net(self.prepare(pictures))
        except _CaughtError:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        for name in names:
            if name not in catch.caught:
                raise ValueError(f"layer={name!r} takes no part in the forward pass of this net.")
        return catch.caught

    def prepare(self, pictures: torch.Tensor) -> torch.Tensor:
        """Resize and normalize pictures to what the net expects."""
        size = self.input_size(pictures.shape[-2], pictures.shape[-1])
        if size != tuple(pictures.shape[-2:]):
            pictures = nn.functional.interpolate(
                pictures, size=size, mode="bilinear", align_corners=False, antialias=True
            )
        if pictures.shape[1] != self.in_channels:
            # One gray picture in every color, or colors to gray for a one-channel net.
            gray = pictures if pictures.shape[1] == 1 else pictures.mean(dim=1, keepdim=True)
            pictures = gray.expand(-1, self.in_channels, -1, -1)
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


class _Catch:
    """Hook that keeps outputs, and leaves the forward pass once it has all that are wanted."""

    def __init__(self, wanted: set[str], *, goes_on: bool) -> None:
        self.wanted = wanted
        self.goes_on = goes_on
        self.caught: dict[str, torch.Tensor] = {}

    def __call__(self, name: str, _module: nn.Module, _args: tuple, output: torch.Tensor) -> None:
        self.caught[name] = output
        if not self.goes_on and self.wanted <= self.caught.keys():
            raise _CaughtError


class _CaughtError(Exception):
    """Raised by a hook to leave the forward pass early."""
