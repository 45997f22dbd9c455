"""An HTML report on a classifier and some data: scores, errors, novel glitches and cost."""

from ._report import make_report

__all__ = ["make_report"]
