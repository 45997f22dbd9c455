"""Fitted estimators in a file without pickle, from which no code is run."""

from ._api import load, load_pretrained, read_card, save
from ._export import export

__all__ = ["export", "load", "load_pretrained", "read_card", "save"]
