"""What a classifier says of the data: computed once, for all sections."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances, pairwise_distances_argmin_min
from sklearn.utils import check_random_state

from .._validation import check_same_kind
from ..discovery import LabelIssues, NoveltyDetector, find_label_issues
from ..estimators import CNNClassifier, TruncatedCNNTransformer

# Features of one glitch that were computed twice differ by rounding alone, and by some parts in
# a thousand where one time it was in bfloat16. Those of two glitches differ by far more.
_SAME = 1e-2
# All pairs are compared to find neighbours.
_MAX_NEIGHBORS = 20_000
_FALSE_ALARMS = 0.05
# Below so many glitches t-SNE has nothing to show that principal components have not.
_FEW = 20


@dataclass
class Findings:
    """Data, what the net makes of them, and how long that took.

    Parameters
    ----------
    classifier : CNNClassifier
    X : ndarray of shape (n, n_views, height, width)
    labels : ndarray of shape (n,)
        Objects; None where there is no label.
    ids, detectors, times : ndarray of shape (n,)
        The latter two may be None.
    durations : tuple of float
    random_state : int
    """

    classifier: CNNClassifier
    X: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    detectors: np.ndarray | None
    times: np.ndarray | None
    durations: tuple[float, ...]
    random_state: int
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.classes = self.classifier.classes_
        self.is_labelled = np.array([label is not None for label in self.labels])
        names = self.labels[self.is_labelled]
        if len(names):
            check_same_kind(y=names.tolist(), classifier=self.classes.tolist())
        self.is_known = self.is_labelled.copy()
        self.is_known[self.is_labelled] = np.isin(names.astype(self.classes.dtype), self.classes)
        # A fixed-width dtype would cut a longer name off, and make it a known one.
        self.is_known &= np.array([label in set(self.classes.tolist()) for label in self.labels])

    def __len__(self) -> int:
        return len(self.X)
