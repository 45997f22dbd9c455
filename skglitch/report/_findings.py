"""Predictions and results of searches, computed once for all sections."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances, pairwise_distances_argmin_min

from ..discovery import NoveltyDetector, find_label_issues
from ..estimators import CNNClassifier

FALSE_ALARM_PROBABILITY = 0.05
# Embeddings of a training glitch in float32 and bfloat16 differed by up to 0.11 of the distance to
# the nearest other training glitch. Other glitches were at 0.59 or more.
_MAX_RELATIVE_DISTANCE = 0.25
# find_label_issues compares all pairs of embeddings, so larger data sets use probabilities only.
_MAX_PAIRED = 20_000


@dataclass(eq=False)
class Findings:
    """The data, the predictions and the results of the searches.

    ``labels`` is an object array with None for no label. ``novelty`` is None if the classifier has
    too few exemplars, and ``issues`` is None for the reason in ``no_issues``.
    """

    classifier: CNNClassifier
    X: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    ifo: np.ndarray | None
    gps: np.ndarray | None
    durations: tuple[float, ...]
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.classes = self.classifier.classes_
        known = set(self.classes.tolist())
        self.is_labeled = np.array([label is not None for label in self.labels])
        self.is_known = np.array([label in known for label in self.labels])
        self.y_true = self.labels[self.is_known].astype(self.classes.dtype)

    def __len__(self) -> int:
        return len(self.X)

    def compute(self, random_state: int) -> Findings:
        """Predict, embed and search for novel glitches and label issues."""
        with self.timed("predicting"):
            found = self.classifier.predict_proba_and_embed(self.X)
        self.probabilities, self.embeddings = found
        self.predictions = self.classes[self.probabilities.argmax(axis=1)]
        self.confidences = self.probabilities.max(axis=1).astype(float)
        self.is_wrong = np.zeros(len(self), dtype=bool)
        self.is_wrong[self.is_known] = self.predictions[self.is_known] != self.y_true
        with self.timed("novelty"):
            self._find_novel(random_state)
            self.n_in_data = count_shared(self.classifier.exemplars_, self.embeddings)
        with self.timed("label issues"):
            self._find_issues()
        return self

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Record how long a step takes."""
        started = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - started

    @property
    def unknown_classes(self) -> list[Any]:
        """Classes in the data that the classifier does not know."""
        return sorted(set(self.labels[self.is_labeled & ~self.is_known].tolist()))

    @property
    def n_trained(self) -> int:
        """Number of glitches in the first epoch; 0 if its batches were not recorded."""
        epochs = list(self.classifier.history_)
        batches = epochs[0].get("batches", []) if epochs else []
        keys = ("train_batch_size", "valid_batch_size")
        return int(sum(batch.get(key, 0) for batch in batches for key in keys))

    def _find_novel(self, random_state: int) -> None:
        self.novelty: pd.DataFrame | None = None
        references = self.classifier.exemplars_
        if len(references) < 2:
            return
        detector = NoveltyDetector(
            false_alarm_probability=FALSE_ALARM_PROBABILITY, random_state=random_state
        )
        with warnings.catch_warnings():
            # Warns about few references, whose number is on the page.
            warnings.simplefilter("ignore", UserWarning)
            detector.fit(references, self.classifier.exemplar_classes_)
        scores = detector.score_samples(self.embeddings)
        self.novelty_offset = float(detector.offset_)
        self.novelty = pd.DataFrame(
            {
                "novelty_score": scores,
                "novelty_p_value": detector.p_values(self.embeddings),
                "is_novel": scores < detector.offset_,
            }
        )

    def _find_issues(self) -> None:
        self.issues: pd.DataFrame | None = None
        self.no_issues = "no glitch has a label that the classifier knows"
        if not self.is_known.any():
            return
        self.issues_use_neighbors = bool(self.is_known.sum() <= _MAX_PAIRED)
        try:
            self.issues = find_label_issues(
                self.embeddings[self.is_known] if self.issues_use_neighbors else None,
                self.y_true,
                y_prob=self.probabilities[self.is_known],
                classes=self.classes,
            )
        except ValueError as error:
            # Too few glitches or classes, which the message explains.
            self.no_issues = str(error)


def count_shared(exemplars: np.ndarray, embeddings: np.ndarray) -> int:
    """Count the kept training glitches that are in the data, by their embeddings."""
    if len(exemplars) < 2:
        return 0
    distances = pairwise_distances(exemplars)
    np.fill_diagonal(distances, np.inf)
    _, nearest = pairwise_distances_argmin_min(exemplars, embeddings)
    return int((nearest < _MAX_RELATIVE_DISTANCE * distances.min(axis=1)).sum())
