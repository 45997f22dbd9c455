"""Classify and embed spectrograms of transient noise, the scikit-learn way.

Nothing is loaded at import: each public name brings its own dependencies in when it is
first used, so that ``import skglitch`` costs milliseconds and touches no weights.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import backbones, datasets, estimators, metrics, spectrograms, training
    from .estimators import CNNClassifier, TruncatedCNNTransformer

_SUBMODULES = ("backbones", "datasets", "estimators", "metrics", "spectrograms", "training")
_HOME_OF = {
    "CNNClassifier": "skglitch.estimators",
    "TruncatedCNNTransformer": "skglitch.estimators",
}

__all__ = [
    "CNNClassifier",
    "TruncatedCNNTransformer",
    "__version__",
    "backbones",
    "datasets",
    "estimators",
    "metrics",
    "spectrograms",
    "training",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"skglitch.{name}")
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'skglitch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
