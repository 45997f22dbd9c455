"""Which net: names, weights, and how the last layer comes off."""

from ._names import backbone_info, list_backbones
from ._published import PublishedWeights
from ._readout import PENULTIMATE, POOLINGS, Readout
from ._records import DEFAULT_BACKBONE, BackboneRecord
from ._registry import IMAGENET, make_trunk
from ._surgery import UnknownHeadError, cut_head
from ._trunk import Trunk

__all__ = [
    "DEFAULT_BACKBONE",
    "IMAGENET",
    "PENULTIMATE",
    "POOLINGS",
    "BackboneRecord",
    "PublishedWeights",
    "Readout",
    "Trunk",
    "UnknownHeadError",
    "backbone_info",
    "cut_head",
    "list_backbones",
    "make_trunk",
]
