"""One page on a classifier and some data: how good it is, where it fails, and what is odd.

The names load on first use, and matplotlib when a report is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

if TYPE_CHECKING:
    from ._report import Report, make_report

__all__ = ["Report", "make_report"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {"Report": "skglitch.report._report", "make_report": "skglitch.report._report"},
)
