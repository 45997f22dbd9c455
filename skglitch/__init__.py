"""Classify and embed spectrograms of transient noise, the scikit-learn way.

Public names import their dependencies when they are first used, so that ``import skglitch`` takes
milliseconds and loads no weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import lazy_names
from ._version import __version__

if TYPE_CHECKING:
    from . import (
        backbones,
        datasets,
        discovery,
        display,
        estimators,
        metrics,
        persistence,
        report,
        spectrograms,
    )
    from .estimators import (
        CNNClassifier,
        TruncatedCNNTransformer,
        all_gpus_per_fit,
        one_gpu_per_worker,
    )
    from .persistence import export, load, load_pretrained, save

__all__ = [
    "CNNClassifier",
    "TruncatedCNNTransformer",
    "__version__",
    "all_gpus_per_fit",
    "backbones",
    "datasets",
    "discovery",
    "display",
    "estimators",
    "export",
    "load",
    "load_pretrained",
    "metrics",
    "one_gpu_per_worker",
    "persistence",
    "report",
    "save",
    "spectrograms",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    __all__,
    {
        "estimators": [
            "CNNClassifier",
            "TruncatedCNNTransformer",
            "all_gpus_per_fit",
            "one_gpu_per_worker",
        ],
        "persistence": ["export", "load", "load_pretrained", "save"],
    },
)
