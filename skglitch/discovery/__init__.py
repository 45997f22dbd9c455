"""From embeddings to what is new, odd, mislabeled or alike."""

from ._clusters import Cluster
from ._label_issues import find_label_issues
from ._label_issues_table import LabelIssues
from ._labeling import rank_for_labeling
from ._new_classes import NewClassFinder
from ._novelty import NoveltyDetector
from ._onset import onset
from ._onset_table import Onset, OnsetTable
from ._similarity_index import SimilarityIndex
from ._similarity_table import SimilarGlitches

__all__ = [
    "Cluster",
    "LabelIssues",
    "NewClassFinder",
    "NoveltyDetector",
    "Onset",
    "OnsetTable",
    "SimilarGlitches",
    "SimilarityIndex",
    "find_label_issues",
    "onset",
    "rank_for_labeling",
]
