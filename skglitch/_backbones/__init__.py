"""Backbones: names, weights, removal of the head, and readout."""

from ._backbone import PENULTIMATE, POOLINGS, Backbone, Readout
from ._make import IMAGENET, make_backbone
from ._registry import DEFAULT_BACKBONE, backbone_info, list_backbones, max_learning_rate

__all__ = [
    "DEFAULT_BACKBONE",
    "IMAGENET",
    "PENULTIMATE",
    "POOLINGS",
    "Backbone",
    "Readout",
    "backbone_info",
    "list_backbones",
    "make_backbone",
    "max_learning_rate",
]
