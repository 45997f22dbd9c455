"""The version of the package, which ``setup.py`` and the docs read from this file."""

__version__ = "0.1.0.dev0"
