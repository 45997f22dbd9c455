"""The report: made once, written as one page and its parts."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from .._files import written_whole
from .._labels import is_labeled
from .._validation import check_same_kind, validated
from ..estimators import CNNClassifier
from . import _glitches
from ._document import Section, counted
from ._facts import cost_section, model_section, n_trained, origin, versions_section
from ._findings import Findings
from ._folder import write_folder
from ._html import page
from ._scores import Scores


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """A page on a classifier and some data, made by :func:`make_report`.

    Parameters
    ----------
    title : str
        What stands above.
    lead : list of str
        What is told first.
    sections : list of Section
        Text, tables and pictures.
    numbers : dict
        The main results as plain Python values, fit for ``json.dump``: ``n_glitches``,
        ``n_labeled``, ``n_known``, ``unknown_classes``, ``absent_classes``, ``n_trained``,
        ``n_kept`` training glitches of which ``n_in_data`` are in the data, ``n_novel``,
        ``n_doubtful_labels``, ``seconds``; ``top_k``, ``per_class``, ``calibration_error`` and
        ``log_loss``. What could not be computed is None.

    See Also
    --------
    make_report : Makes it.

    Examples
    --------
    >>> from skglitch.report import Report
    >>> Report("Empty", ["Nothing yet."], [], {}).html()[:15]
    '<!DOCTYPE html>'
    """

    title: str
    lead: list[str]
    sections: list[Section]
    numbers: dict[str, Any]

    def parts(self) -> dict[str, bytes]:
        """Give the tables as CSV and the pictures as PNG.

        Returns
        -------
        parts : dict of str to bytes
            By the name of the file.
        """
        found: dict[str, bytes] = {}
        for section in self.sections:
            found |= {f"{table.name}.csv": table.to_csv() for table in section.tables()}
            found |= {f"{picture.name}.png": picture.png for picture in section.pictures()}
        return found

    def html(self) -> str:
        """Give the page, which needs no other file.

        Returns
        -------
        text : str
        """
        return page(self.title, self.lead, self.sections, " ".join(self.parts()))

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, and its parts beside it.

        Parameters
        ----------
        path : path
            A file that ends in ``.html``, for the page alone, or a folder, which is made: then
            the page is ``report.html`` in it, and tables and pictures are in its folder
            ``parts``. What an earlier report wrote there is replaced once all is written aside;
            other files stay.

        Returns
        -------
        page : pathlib.Path
            Where the page is.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        target = Path(path).expanduser()
        if target.suffix.lower() == ".html":
            with written_whole(target) as file:
                file.write(self.html().encode())
            return target
        return write_folder(target, self.html(), self.parts())


@validated(
    {
        "classifier": [CNNClassifier],
        "n_pictures": [Interval(Integral, 1, None, closed="left")],
        "max_mapped": [Interval(Integral, 2, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left")],
        "title": [str, None],
    }
)
def make_report(
    classifier: CNNClassifier,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    ids: ArrayLike | None = None,
    detectors: ArrayLike | None = None,
    times: ArrayLike | None = None,
    durations: tuple[float, ...] | None = None,
    title: str | None = None,
    source: str | None = None,
    file: str | os.PathLike[str] | None = None,
    n_pictures: int = 12,
    max_mapped: int = 2000,
    random_state: int = 0,
) -> Report:
    """Compute all that a page on a classifier and some data tells.

    That is: a summary of the data, top-k accuracy, what is taken for what, scores of each class,
    calibration, a map of embeddings, errors that the net is sure of, novelty, where the net
    looks, time and cost, parameters, seeds and versions. What labels are needed for is left out
    where there are none; classes that the net does not know are told apart.

    Parameters
    ----------
    classifier : CNNClassifier
        Fitted.
    X : array-like of shape (n_samples, n_views, height, width)
        Glitches, as in :meth:`skglitch.CNNClassifier.predict`; best those that were not trained
        on. A memory map is read batch by batch.
    y : array-like of shape (n_samples,), default=None
        Their labels. An empty string or None is a glitch without a label.
    ids : array-like of shape (n_samples,), default=None
        Their names. None takes row numbers.
    detectors : array-like of shape (n_samples,), default=None
        Their detectors.
    times : array-like of shape (n_samples,), default=None
        Their GPS times in s.
    durations : tuple of float, default=None
        Of the views, in s. None takes those of the classifier.
    title : str, default=None
        What to write above. None tells how many glitches there are.
    source : str, default=None
        Where the data are from, to be told.
    file : path, default=None
        File that the classifier was loaded from, whose size, SHA-256 and versions are told.
    n_pictures : int, default=12
        How many errors and novel glitches to show at most.
    max_mapped : int, default=2000
        How many glitches to lay out at most; of more, so many are drawn by lot.
    random_state : int, default=0
        Seed of the map, and of what is drawn by lot.

    Returns
    -------
    report : Report

    Raises
    ------
    ValueError
        If X is not what the classifier was fitted on, lengths differ, labels are numbers where
        the classes are strings or the other way round, or `durations` does not fit the views.

    See Also
    --------
    skglitch.metrics : The numbers by themselves.
    skglitch.display : The figures by themselves.
    skglitch.display.EmbeddingExplorer : A map to look around in.

    Notes
    -----
    All glitches are predicted and embedded: two passes through the net.

    Novelty is the distance from the fifth nearest of the training glitches whose features the
    classifier keeps (``exemplars_``), see :class:`skglitch.discovery.NoveltyDetector`. The same
    features tell whether the data hold training glitches: those of one glitch are equal but for
    rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import CNNClassifier
    >>> from skglitch.report import make_report
    >>> X = np.random.default_rng(0).integers(0, 60, (12, 1, 32, 32), dtype=np.uint8)
    >>> X[::2, :, 20:] = 200
    >>> y = ["Low_Frequency_Lines", "Blip"] * 6
    >>> net = CNNClassifier(
    ...     "test_efficientnet", weights=None, max_epochs=1, durations=(1.0,), random_state=0
    ... )
    >>> report = make_report(net.fit(X[:8], y[:8]), X[8:], y[8:], n_pictures=1)
    >>> report.numbers["n_glitches"], report.numbers["n_in_data"]
    (4, 0)
    >>> [section.name for section in report.sections][:4]
    ['data', 'top-k', 'confusion', 'classes']
    """
    check_is_fitted(classifier)
    images = classifier._read_images(X)
    of = Findings(
        classifier,
        images,
        _labels(y, images, classifier),
        _column("ids", np.arange(len(images)) if ids is None else ids, len(images)).astype(str),
        None if detectors is None else _column("detectors", detectors, len(images)),
        None if times is None else _column("times", times, len(images)),
        _durations(durations or classifier.durations, images.shape[1]),
    )
    model_file = None if file is None else Path(file).expanduser()
    began, worked = time.perf_counter(), time.process_time()
    of.compute(max_mapped, random_state)
    scores = Scores(of) if of.is_known.any() else None
    sections = [_glitches.data_section(of), *(scores.sections() if scores else [])]
    if of.unknown_classes:
        sections.append(_glitches.unknown_section(of))
    if not of.is_labeled.all():
        sections.append(_glitches.guesses_section(of))
    sections.append(_glitches.map_section(of))
    if scores:
        sections.append(_glitches.errors_section(of, n_pictures))
    sections.append(_glitches.novelty_section(of, n_pictures))
    sections.append(_glitches.saliency_section(of))
    of.seconds["figures and tables"] = time.perf_counter() - began - sum(of.seconds.values())
    of.processor_seconds = time.process_time() - worked
    sections += [
        cost_section(of),
        model_section(of, model_file),
        versions_section(of, model_file, random_state),
    ]
    title = title or f"Report on {counted(len(of), 'glitch')}"
    return Report(title, _lead(of, scores, source, model_file), sections, _numbers(of, scores))


def _labels(y: Any, images: np.ndarray, classifier: CNNClassifier) -> np.ndarray:
    labels = np.full(len(images), None, dtype=object)
    if y is None:
        return labels
    given = _column("y", np.asarray(y, dtype=object), len(images)).tolist()
    there = is_labeled(y)
    labels[there] = [_plain(label) for label, has in zip(given, there, strict=True) if has]
    told = [label for label in labels if label is not None]
    if told:
        check_same_kind(y=told, **{"the classes": classifier.classes_.tolist()})
    return labels


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _column(name: str, values: Any, n_samples: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (n_samples,):
        raise ValueError(
            f"{name} must have one entry a glitch, shape ({n_samples},), got {array.shape}."
        )
    return array


def _durations(durations: Any, n_views: int) -> tuple[float, ...]:
    given = tuple(float(duration) for duration in durations)
    if len(given) != n_views:
        raise ValueError(
            f"durations={given!r} has {len(given)} durations, but there are {n_views} views: give "
            "the duration of each in s."
        )
    return given


def _lead(of: Findings, scores: Scores | None, source: str | None, file: Path | None) -> list[str]:
    backbone = of.classifier.backbone
    net = backbone if isinstance(backbone, str) else type(backbone).__name__
    model = f"the model {file.name}" if file else f"a CNNClassifier of {net}"
    where = f" in {source}" if source else ""
    lead = [
        f"What {model}, which knows {counted(len(of.classes), 'class')}, makes of "
        f"{counted(len(of), 'glitch')}{where}."
    ]
    if scores:
        table = scores.top_k
        lead.append(
            f"The first guess is right for {100 * table.accuracy[0]:.1f} % of "
            f"{counted(table.n_samples, 'glitch')} of known classes (95 % interval "
            f"{100 * table.low[0]:.1f} to {100 * table.high[0]:.1f} %)."
        )
        return [*lead, origin(of)]
    why = (
        "have no labels" if not of.is_labeled.any() else "are of classes that the net does not know"
    )
    return [*lead, f"These glitches {why}, so there are no scores.", origin(of)]


def _numbers(of: Findings, scores: Scores | None) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "n_glitches": len(of),
        "n_labeled": int(of.is_labeled.sum()),
        "n_known": int(of.is_known.sum()),
        "unknown_classes": of.unknown_classes,
        "absent_classes": of.absent_classes,
        "n_trained": n_trained(of.classifier) or None,
        "n_kept": of.kept,
        "n_in_data": of.n_twins,
        "n_novel": None if of.novelty is None else int(of.novelty.is_novel.sum()),
        "n_doubtful_labels": None if of.issues is None else int(of.issues.flagged.sum()),
        "seconds": of.seconds,
    }
    return numbers | {
        "top_k": scores.top_k.to_dict() if scores else None,
        "per_class": scores.per_class.to_dict() if scores else None,
        "calibration_error": scores.calibration_error if scores else None,
        "log_loss": scores.log_loss if scores else None,
    }
