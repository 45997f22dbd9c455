"""Figures of glitches, scores and embeddings, as Display objects like scikit-learn's.

Names are imported on first use, and matplotlib when something is plotted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

if TYPE_CHECKING:
    from ._confusion import ConfusionDisplay
    from ._curves import FewShotDisplay, HistoryDisplay
    from ._embedding import EmbeddingDisplay
    from ._explorer_display import EmbeddingExplorer
    from ._saliency import SaliencyDisplay, compute_saliency_maps
    from ._scores import ClassScoresDisplay, ReliabilityDisplay, TopKDisplay
    from ._spectrogram import GalleryDisplay, SpectrogramDisplay

__all__ = [
    "ClassScoresDisplay",
    "ConfusionDisplay",
    "EmbeddingDisplay",
    "EmbeddingExplorer",
    "FewShotDisplay",
    "GalleryDisplay",
    "HistoryDisplay",
    "ReliabilityDisplay",
    "SaliencyDisplay",
    "SpectrogramDisplay",
    "TopKDisplay",
    "compute_saliency_maps",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    __all__,
    {
        "_confusion": ["ConfusionDisplay"],
        "_curves": ["FewShotDisplay", "HistoryDisplay"],
        "_embedding": ["EmbeddingDisplay"],
        "_explorer_display": ["EmbeddingExplorer"],
        "_saliency": ["SaliencyDisplay", "compute_saliency_maps"],
        "_scores": ["ClassScoresDisplay", "ReliabilityDisplay", "TopKDisplay"],
        "_spectrogram": ["GalleryDisplay", "SpectrogramDisplay"],
    },
)
