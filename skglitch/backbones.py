"""The available pretrained networks and their properties."""

from ._backbones import backbone_info, list_backbones

__all__ = ["backbone_info", "list_backbones"]
