"""Find novel, mislabeled and similar glitches, new classes and their onsets by embeddings."""

from ._clusters import describe_clusters
from ._discover import discover
from ._label_issues import find_label_issues
from ._labeling import rank_for_labeling
from ._new_classes import NewClassFinder
from ._novelty import NoveltyDetector
from ._onsets import find_onsets
from ._similarity_index import SimilarityIndex

__all__ = [
    "NewClassFinder",
    "NoveltyDetector",
    "SimilarityIndex",
    "describe_clusters",
    "discover",
    "find_label_issues",
    "find_onsets",
    "rank_for_labeling",
]
