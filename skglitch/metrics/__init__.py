"""Scores and tables for problems with many classes, some of them rare.

With 22 classes, of which some have a dozen samples, the usual scores trip: a validation
fold lacks a class, or the training fold did. What is here keeps to the classes the
estimator knows, says how sure a figure is, and never warns about an empty class.
"""

from ._classification_table import Averages, ClassificationTable, classification_table
from ._top_k import top_k_accuracy
from ._top_k_scorer import TopKScorer, top_k_scorer
from ._top_k_table import TopKTable, top_k_table

__all__ = [
    "Averages",
    "ClassificationTable",
    "TopKScorer",
    "TopKTable",
    "classification_table",
    "top_k_accuracy",
    "top_k_scorer",
    "top_k_table",
]
