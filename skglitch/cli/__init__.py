"""The ``skglitch`` command.

Whatever is heavy (torch, scikit-learn, numpy) is imported in the bodies of the commands, so that
``--help`` and mistyped options are answered at once.
"""

from ._main import main

__all__ = ["main"]
