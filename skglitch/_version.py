"""The one place where the version stands; ``setup.py`` and the docs read it here."""

__version__ = "0.1.0.dev0"
