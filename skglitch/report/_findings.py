"""What a classifier says of the data: computed once, for all sections."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances, pairwise_distances_argmin_min
from sklearn.utils import check_random_state

from ..discovery import LabelIssues, NoveltyDetector, find_label_issues
from ..display._layout import METHOD_NAMES, lay_out
from ..estimators import CNNClassifier, TruncatedCNNTransformer

FALSE_ALARMS = 0.05
N_NEIGHBORS = 5
# A glitch whose features were computed in float32 and in bfloat16 was found up to 0.11 of the way
# to the nearest other training glitch from itself, and glitches of other data 0.59 and more.
_SAME = 0.25
# Labels of more glitches are compared with the guesses of the net alone: neighbors are searched
# among all pairs.
_MAX_PAIRED = 20_000
# Below so many glitches t-SNE shows nothing that principal components do not.
_FEW = 20


@dataclass
class Findings:
    """Data, what the net makes of them, and how long that took.

    Parameters
    ----------
    classifier : CNNClassifier
        Fitted.
    X : ndarray of shape (n, n_views, height, width)
    labels : ndarray of shape (n,), dtype=object
        None where there is no label.
    ids : ndarray of shape (n,)
    detectors, times : ndarray of shape (n,) or None
    durations : tuple of float
        Of the views, in s.

    Attributes
    ----------
    is_labeled, is_known : ndarray of shape (n,), dtype=bool
        Whether there is a label, and whether it is a class of the net.
    probabilities : ndarray of shape (n, n_classes)
    guesses, confidence : ndarray of shape (n,)
    embeddings : ndarray of shape (n, n_features)
    map_rows : ndarray of shape (n_mapped,)
        The glitches of the map.
    places : ndarray of shape (n_mapped, 2) or None
    map_method : str
    novelty : Novelty or None
    issues : LabelIssues or None
        Of the glitches of known classes.
    no_issues : str
        Why there are none.
    kept, n_twins : int
        How many training glitches the model keeps the features of, and how many of these are in
        the data.
    seconds : dict of str to float
        How long each step took.
    processor_seconds : float
        How long the processor worked on all.
    """

    classifier: CNNClassifier
    X: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    detectors: np.ndarray | None
    times: np.ndarray | None
    durations: tuple[float, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    processor_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.classes = self.classifier.classes_
        known = set(self.classes.tolist())
        self.is_labeled = np.array([label is not None for label in self.labels])
        self.is_known = np.array([label in known for label in self.labels])

    def __len__(self) -> int:
        return len(self.X)

    def compute(self, max_mapped: int, random_state: Any) -> Findings:
        """Predict, embed, lay out a map, look for novel glitches and doubtful labels."""
        with self._timed("predicting"):
            self.probabilities = self.classifier.predict_proba(self.X)
        self.guesses = self.classes[self.probabilities.argmax(axis=1)]
        self.confidence = self.probabilities.max(axis=1)
        with self._timed("embedding"):
            self.embeddings = self._embed()
        with self._timed("laying out the map"):
            self._lay_out(max_mapped, random_state)
        with self._timed("novelty"):
            self.novelty = find_novelty(self.classifier, self.embeddings)
            self.kept = len(self.classifier.exemplars_)
            self.n_twins = count_twins(self.classifier.exemplars_, self.embeddings)
        with self._timed("doubtful labels"):
            self._look_for_issues()
        return self

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[what] = time.perf_counter() - began

    @property
    def is_wrong(self) -> np.ndarray:
        """Whether a glitch of a known class was taken for another one."""
        wrong = np.zeros(len(self), dtype=bool)
        wrong[self.is_known] = self.guesses[self.is_known] != self.true
        return wrong

    @property
    def true(self) -> np.ndarray:
        """Labels of the glitches of known classes."""
        return self.labels[self.is_known].astype(self.classes.dtype)

    @property
    def unknown_classes(self) -> list[Any]:
        """Classes of the data that the net does not know."""
        return sorted(set(self.labels[self.is_labeled & ~self.is_known].tolist()))

    @property
    def absent_classes(self) -> list[Any]:
        """Classes of the net that the data lack."""
        present = set(self.labels.tolist())
        return [label for label in self.classes.tolist() if label not in present]

    def _embed(self) -> np.ndarray:
        classifier = self.classifier
        transformer = TruncatedCNNTransformer(
            classifier,
            batch_size=2 * classifier.batch_size,
            precision=classifier.precision,
            verbose=classifier.verbose,
        )
        return transformer.fit(self.X[:1]).transform(self.X)

    def _lay_out(self, max_mapped: int, random_state: Any) -> None:
        self.map_rows = np.arange(len(self))
        if len(self) > max_mapped:
            drawn = check_random_state(random_state).choice(len(self), max_mapped, replace=False)
            self.map_rows = np.sort(drawn)
        embeddings = self.embeddings[self.map_rows]
        self.places, self.map_method = None, "PCA"
        if (embeddings == embeddings[0]).all():
            return
        method = "tsne" if len(embeddings) >= _FEW else "pca"
        self.places = lay_out(embeddings, method, 2, random_state)
        self.map_method = METHOD_NAMES[method]

    def _look_for_issues(self) -> None:
        self.issues: LabelIssues | None = None
        self.no_issues = "no glitch has a label that the net knows"
        if not self.is_known.any():
            return
        few = self.is_known.sum() <= _MAX_PAIRED
        try:
            self.issues = find_label_issues(
                self.embeddings[self.is_known] if few else None,
                self.true,
                probabilities=self.probabilities[self.is_known],
                classes=self.classes,
                method="both" if few else "classifier",
            )
        except ValueError as error:
            # Too few of anything: the message says of what.
            self.no_issues = str(error)


@dataclass(frozen=True)
class Novelty:
    """How far glitches are from those that the net was trained on.

    Parameters
    ----------
    distance : ndarray of shape (n,)
        Of each glitch, from its fifth nearest reference glitch or the furthest there is.
    reference : ndarray of shape (n_references,)
        The distance of each reference glitch from the others.
    threshold : float
        Glitches beyond are called novel.
    is_own : bool
        Whether the references are the data themselves, as the model keeps no glitches.
    """

    distance: np.ndarray
    reference: np.ndarray
    threshold: float
    is_own: bool

    @property
    def is_novel(self) -> np.ndarray:
        """Whether a glitch is beyond the threshold."""
        return self.distance > self.threshold


def find_novelty(classifier: CNNClassifier, embeddings: np.ndarray) -> Novelty | None:
    """Compare glitches with those that the model keeps, or without these with each other."""
    kept = classifier.exemplars_
    is_own = len(kept) < 2
    reference = embeddings if is_own else kept
    if len(reference) < 2:
        return None
    neighbors = min(N_NEIGHBORS, len(reference) - 1)
    detector = NoveltyDetector("knn", n_neighbors=neighbors, false_alarm_probability=FALSE_ALARMS)
    with warnings.catch_warnings():
        # Of few references: the page tells how many there are.
        warnings.filterwarnings("ignore", message="false_alarm_probability=")
        detector.fit(reference)
    held_out = detector.held_out_scores_
    scores = held_out if is_own else detector.score_samples(embeddings)
    return Novelty(-scores, -held_out, -detector.offset_, is_own)


def count_twins(kept: np.ndarray, embeddings: np.ndarray) -> int:
    """Count the training glitches that are in the data, by their features."""
    if len(kept) < 2:
        return 0
    others = pairwise_distances(kept)
    np.fill_diagonal(others, np.inf)
    _, nearest = pairwise_distances_argmin_min(kept, embeddings)
    return int((nearest < _SAME * others.min(axis=1)).sum())
