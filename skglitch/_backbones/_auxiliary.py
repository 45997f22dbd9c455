"""Auxiliary classifiers: branches of Inception V3 and GoogLeNet that help in training only."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from ._surgery import cut_head


class _Branch(NamedTuple):
    feeder: str  # the module whose output the branch takes
    min_size: int  # pixels below which the branch has nothing left to look at


_BRANCHES = {
    "AuxLogits": _Branch("Mixed_6e", 299),
    "aux1": _Branch("inception4a", 1),
    "aux2": _Branch("inception4d", 1),
}


def cut_auxiliary(net: nn.Module, keep: bool) -> tuple[str, ...]:
    """Drop the auxiliary branches of ``net``, or only their last layers.

    Parameters
    ----------
    net : torch.nn.Module
        Any net; one without branches stays as it is.
    keep : bool
        Whether to keep the branches but for their last layers.

    Returns
    -------
    cut : tuple of str
        Prefixes of the state-dict keys of what was cut.
    """
    cut: list[str] = []
    for name in _branches_of(net):
        if keep:
            _, heads = cut_head(net.get_submodule(name))
            cut += [f"{name}.{head}" for head in heads]
        else:
            setattr(net, name, None)
            cut.append(f"{name}.")
    return tuple(cut)


def take_auxiliary(net: nn.Module) -> tuple[nn.ModuleDict, tuple[str, ...], int]:
    """Take the branches that are left out of ``net``, which then returns one tensor always.

    Returns
    -------
    branches : torch.nn.ModuleDict
    feeders : tuple of str
        The module of ``net`` that feeds each branch.
    min_size : int
        Smallest height and width in pixels that all branches take.
    """
    names = _branches_of(net)
    branches = nn.ModuleDict({name: net.get_submodule(name) for name in names})
    for name in names:
        setattr(net, name, None)
    if hasattr(net, "aux_logits"):
        net.aux_logits = False  # type: ignore[assignment]
    kinds = [_BRANCHES[name] for name in names]
    return (
        branches,
        tuple(kind.feeder for kind in kinds),
        max((kind.min_size for kind in kinds), default=1),
    )


def _branches_of(net: nn.Module) -> list[str]:
    if not hasattr(net, "aux_logits"):
        return []
    return [
        name
        for name, branch in _BRANCHES.items()
        if isinstance(getattr(net, name, None), nn.Module) and hasattr(net, branch.feeder)
    ]
