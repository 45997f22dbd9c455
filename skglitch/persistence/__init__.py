"""Fitted estimators in one file, without pickle: nothing in the file is ever run."""

from ._api import load, load_pretrained, save

__all__ = ["load", "load_pretrained", "save"]
