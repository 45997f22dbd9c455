"""Which net: names, weights, and how the last layer comes off."""

from ._backbone import Backbone
from ._names import backbone_info, list_backbones
from ._published import PublishedWeights
from ._readout import PENULTIMATE, POOLINGS, Readout
from ._records import DEFAULT_BACKBONE, BackboneRecord
from ._registry import IMAGENET, make_backbone, max_learning_rate
from ._surgery import UnknownHeadError, cut_head

__all__ = [
    "DEFAULT_BACKBONE",
    "IMAGENET",
    "PENULTIMATE",
    "POOLINGS",
    "Backbone",
    "BackboneRecord",
    "PublishedWeights",
    "Readout",
    "UnknownHeadError",
    "backbone_info",
    "cut_head",
    "list_backbones",
    "make_backbone",
    "max_learning_rate",
]
