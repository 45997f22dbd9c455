"""Which pretrained nets there are, and what is known of each."""

from ._backbones import backbone_info, list_backbones

__all__ = ["backbone_info", "list_backbones"]
