"""Display objects for glitches, scores and embeddings, as in scikit-learn.

matplotlib is imported to plot, and torch for saliency maps.
"""

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
