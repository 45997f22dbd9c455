"""Taking the last layer off a classification net, whatever its kind."""

from __future__ import annotations

import torch
from torch import nn


class UnknownHeadError(ValueError):
    """A module in which no last layer can be found.

    Examples
    --------
    >>> from torch import nn
    >>> from skglitch._backbones import UnknownHeadError, cut_head
    >>> try:
    ...     cut_head(nn.ReLU())
    ... except UnknownHeadError as error:
    ...     print(error)
    the module has no torch.nn.Linear or Conv2d to cut off.
    """


def cut_head(net: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """Take the last layer off ``net``, in place.

    Parameters
    ----------
    net : torch.nn.Module
        A classification net. Its last :class:`~torch.nn.Linear`, or, in a net without one,
        the block around its last convolution, is what gets cut.

    Returns
    -------
    net : torch.nn.Module
        The same module, whose output now are the features that the last layer saw.
    cut : tuple of str
        Prefixes of the state-dict keys that went with the layer.

    Raises
    ------
    UnknownHeadError
        If ``net`` has neither a linear layer nor a convolution.

    Examples
    --------
    >>> from torch import nn
    >>> from skglitch._backbones import cut_head
    >>> net, cut = cut_head(nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Linear(8, 3)))
    >>> cut
    ('2.',)
    """
    linear = _last_of(net, nn.Linear)
    if linear:
        return _replace(net, linear, nn.Identity()), (f"{linear}.",)
    convolution = _last_of(net, nn.Conv2d)
    if not convolution:
        raise UnknownHeadError("the module has no torch.nn.Linear or Conv2d to cut off.")
    # A convolution that classifies (SqueezeNet) stands in a block with the dropout before
    # it and the pooling behind it: the block goes as one, and pooling takes its place.
    block = convolution.rpartition(".")[0]
    if not block:
        return _replace(net, convolution, nn.Identity()), (f"{convolution}.",)
    pooling = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
    return _replace(net, block, pooling), (f"{block}.",)


def drop_auxiliary(net: nn.Module) -> tuple[str, ...]:
    """Drop the auxiliary classifiers of Inception V3 and GoogLeNet, in place.

    A net without them always returns one tensor. They only help in training from scratch.

    Returns
    -------
    cut : tuple of str
        Prefixes of the state-dict keys that went with them.
    """
    if not hasattr(net, "aux_logits"):
        return ()
    names = [name for name in ("AuxLogits", "aux1", "aux2") if getattr(net, name, None) is not None]
    for name in names:
        setattr(net, name, None)
    net.aux_logits = False  # type: ignore[assignment]
    return tuple(f"{name}." for name in names)


def pool(features: torch.Tensor) -> torch.Tensor:
    """Average feature maps ``(n, c, h, w)`` or tokens ``(n, t, c)`` to ``(n, c)`` float32."""
    if features.ndim == 4:
        features = features.mean(dim=(2, 3), dtype=torch.float32)
    elif features.ndim == 3:
        features = features.mean(dim=1, dtype=torch.float32)
    return features.float()


def input_channels(net: nn.Module) -> int:
    """Colors that the first convolution of ``net`` takes; 3 where it has none."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    return 3


def _last_of(net: nn.Module, kind: type[nn.Module]) -> str:
    names = [name for name, module in net.named_modules() if isinstance(module, kind)]
    return names[-1] if names else ""


def _replace(net: nn.Module, name: str, new: nn.Module) -> nn.Module:
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, new)
    return net
