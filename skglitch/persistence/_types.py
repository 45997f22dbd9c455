"""The types that a file may hold, by name: nothing else is ever imported or made."""

from __future__ import annotations

import importlib
from typing import Any

# What save takes.
ESTIMATORS = (
    "skglitch.estimators.CNNClassifier",
    "skglitch.estimators.TruncatedCNNTransformer",
    "skglitch.discovery.NewClassFinder",
    "skglitch.discovery.NoveltyDetector",
    "skglitch.discovery.SimilarityIndex",
)
# What these may consist of, besides the private classes of one room.
_PARTS = (
    "skglitch.estimators.SpectrogramAugment",
    "sklearn.decomposition.PCA",
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    "sklearn.frozen.FrozenEstimator",
    "sklearn.linear_model.LogisticRegression",
    "sklearn.neighbors.KNeighborsClassifier",
    "sklearn.neighbors.LocalOutlierFactor",
    "sklearn.neighbors.NearestNeighbors",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing.Normalizer",
    "sklearn.preprocessing.StandardScaler",
)
_PRIVATE = "skglitch.discovery._"


def find_type(name: str) -> Any:
    """Return the type of this name, or raise ValueError if a file may not hold it."""
    module, _, attribute = name.rpartition(".")
    is_private = name.startswith(_PRIVATE)
    if is_private or name in ESTIMATORS or name in _PARTS:
        try:
            found = getattr(importlib.import_module(module), attribute, None)
        except ImportError:
            found = None
        # Not what a private module has imported from elsewhere.
        if isinstance(found, type) and (not is_private or found.__module__ == module):
            return found
    raise ValueError(f"it holds a {name!r}, which is not one of the types that a file may hold")


def name_of(kind: type) -> str | None:
    """Return the name by which :func:`find_type` finds a type; None if a file cannot hold it."""
    public = [name for name in (*ESTIMATORS, *_PARTS) if name.endswith(f".{kind.__name__}")]
    for name in (*public, f"{kind.__module__}.{kind.__qualname__}"):
        try:
            if find_type(name) is kind:
                return name
        except ValueError:
            continue
    return None
