"""Scores and tables for classifiers of many classes, some of them rare.

Tables are pandas data frames. All functions work when a validation fold lacks a class.
"""

from ._calibration import expected_calibration_error, reliability_table
from ._classification_table import classification_table
from ._clustering_table import clustering_table
from ._groups import group_by_time
from ._paired_tests import mcnemar_test, paired_bootstrap
from ._prediction_sets import conformal_threshold, coverage_table, prediction_sets
from ._top_k import top_k_accuracy, top_k_scorer, top_k_table

__all__ = [
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
    "top_k_table",
]
