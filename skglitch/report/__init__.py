"""An HTML report on a classifier and some data: scores, errors, novel glitches and cost.

The names load on first use, and matplotlib when a report is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

if TYPE_CHECKING:
    from ._report import make_report

__all__ = ["make_report"]

__getattr__, __dir__ = lazy_names(__name__, __all__, {"make_report": "_report"})
