"""Figures of glitches, scores and embeddings, as Display objects like scikit-learn's.

Names are imported on first use, and matplotlib when something is plotted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

if TYPE_CHECKING:
    from ._class_scores import ClassScoresDisplay
    from ._confusion import ConfusionDisplay
    from ._embedding import EmbeddingDisplay
    from ._explorer_display import EmbeddingExplorer
    from ._few_shot import FewShotDisplay
    from ._gallery import GalleryDisplay
    from ._history import HistoryDisplay
    from ._reliability import ReliabilityDisplay
    from ._saliency import SaliencyDisplay, compute_saliency_maps
    from ._spectrogram import SpectrogramDisplay
    from ._top_k import TopKDisplay

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
    {
        "ClassScoresDisplay": "skglitch.display._class_scores",
        "ConfusionDisplay": "skglitch.display._confusion",
        "EmbeddingDisplay": "skglitch.display._embedding",
        "EmbeddingExplorer": "skglitch.display._explorer_display",
        "FewShotDisplay": "skglitch.display._few_shot",
        "GalleryDisplay": "skglitch.display._gallery",
        "HistoryDisplay": "skglitch.display._history",
        "ReliabilityDisplay": "skglitch.display._reliability",
        "SaliencyDisplay": "skglitch.display._saliency",
        "SpectrogramDisplay": "skglitch.display._spectrogram",
        "TopKDisplay": "skglitch.display._top_k",
        "compute_saliency_maps": "skglitch.display._saliency",
    },
)
