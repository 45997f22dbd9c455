"""Which net: names, weights, and how the last layer comes off."""

from ._registry import DEFAULT_BACKBONE, IMAGENET, list_backbones, make_trunk
from ._surgery import UnknownHeadError, cut_head
from ._trunk import PENULTIMATE, Trunk

__all__ = [
    "DEFAULT_BACKBONE",
    "IMAGENET",
    "PENULTIMATE",
    "Trunk",
    "UnknownHeadError",
    "cut_head",
    "list_backbones",
    "make_trunk",
]
