"""Fitted estimators in one file, without pickle: nothing in the file is ever run."""

from ._api import load, load_pretrained, read_card, save
from ._export import export

__all__ = ["export", "load", "load_pretrained", "read_card", "save"]
