"""The ``skglitch`` command.

Heavy packages (torch, scikit-learn, numpy) are imported in the bodies of the commands, so that
``--help`` and errors in the command line are immediate.
"""

from ._main import main

__all__ = ["main"]
