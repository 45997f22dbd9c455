"""Triggers and their classes in strain files as they arrive in a folder."""

from ._page import Page
from ._table import GrowingTable
from ._watch import Watch

__all__ = ["GrowingTable", "Page", "Watch"]
