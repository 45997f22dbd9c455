"""From embeddings to what is new, odd, mislabelled or alike."""

from ._label_issues import find_label_issues
from ._label_issues_table import LabelIssues
from ._labelling import rank_for_labelling
from ._novelty import NoveltyDetector
from ._similarity_index import SimilarityIndex
from ._similarity_table import SimilarGlitches

__all__ = [
    "LabelIssues",
    "NoveltyDetector",
    "SimilarGlitches",
    "SimilarityIndex",
    "find_label_issues",
    "rank_for_labelling",
]
