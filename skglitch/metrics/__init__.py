"""Scores and tables for problems with many classes, some of them rare.

With 22 classes, of which some have a dozen samples, the usual scores trip: a validation
fold lacks a class, or the training fold did. What is here keeps to the classes the
estimator knows, says how sure a figure is, and never warns about an empty class.
"""

from ._calibration import ReliabilityTable, expected_calibration_error, reliability_table
from ._classification_table import Averages, ClassificationTable, classification_table
from ._clustering_table import ClusteringTable, clustering_table
from ._coverage_table import CoverageTable, coverage_table
from ._groups import group_by_time
from ._paired_tests import McNemarResult, PairedDifference, mcnemar_test, paired_bootstrap
from ._prediction_sets import (
    ConformalThreshold,
    conformal_threshold,
    prediction_sets,
    top_k_sets,
)
from ._top_k import top_k_accuracy
from ._top_k_scorer import TopKScorer, top_k_scorer
from ._top_k_table import TopKTable, top_k_table

__all__ = [
    "Averages",
    "ClassificationTable",
    "ClusteringTable",
    "ConformalThreshold",
    "CoverageTable",
    "McNemarResult",
    "PairedDifference",
    "ReliabilityTable",
    "TopKScorer",
    "TopKTable",
    "classification_table",
    "clustering_table",
    "conformal_threshold",
    "coverage_table",
    "expected_calibration_error",
    "group_by_time",
    "mcnemar_test",
    "paired_bootstrap",
    "prediction_sets",
    "reliability_table",
    "top_k_accuracy",
    "top_k_scorer",
    "top_k_sets",
    "top_k_table",
]
