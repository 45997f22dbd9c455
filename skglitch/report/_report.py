"""The report, as an HTML page and its parts."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from .._files import written_whole
from .._html import render
from .._labels import as_labels, is_labeled
from .._pictures import as_pixels
from .._validation import check_gps, check_ifo, check_same_kind, unmask, validated
from ..estimators import CNNClassifier
from . import _figures, _tables
from ._findings import FALSE_ALARM_PROBABILITY, Findings
from ._page import write_folder
from ._sections import add_map, add_novelty, add_saliency, add_scores

if TYPE_CHECKING:
    import pandas as pd

# Number of rows of a table of glitches on the page. The CSV file has all.
_N_ROWS = 20


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """A report made by :func:`make_report`.

    Attributes
    ----------
    title : str
        The title.
    numbers : dict
        The main results, serializable by ``json.dump``. None if a result is not available.
    tables : dict of str to pandas.DataFrame
        All tables by name.
    pictures : dict of str to bytes
        All pictures by name, as PNG.
    """

    title: str
    numbers: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    pictures: dict[str, bytes]
    _html: str

    def html(self) -> str:
        """Return the self-contained page as HTML."""
        return self._html

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, or the page with its tables and pictures.

        Parameters
        ----------
        path : path
            A file that ends in ``.html``, for only the page, or a folder, which is created if
            needed, for the page ``report.html`` and the subfolder ``parts`` with tables (CSV) and
            pictures (PNG). Files of an earlier report are replaced; others are kept.

        Returns
        -------
        page : pathlib.Path
            Path of the page.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        target = Path(path).expanduser()
        if target.suffix.lower() == ".html":
            with written_whole(target) as file:
                file.write(self._html.encode())
            return target
        parts = {f"{name}.png": png for name, png in self.pictures.items()}
        for name, table in self.tables.items():
            parts[f"{name}.csv"] = table.to_csv(index=False, lineterminator="\n").encode()
        return write_folder(target, self._html, parts)


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
    ifo: ArrayLike | None = None,
    gps: ArrayLike | None = None,
    durations: tuple[float, ...] | None = None,
    title: str | None = None,
    source: str | None = None,
    model_file: str | os.PathLike[str] | None = None,
    n_pictures: int = 12,
    max_mapped: int = 2000,
    random_state: int = 0,
) -> Report:
    """Make a report on a classifier and some data.

    Without labels the report has no scores. Unknown classes are reported separately.

    Parameters
    ----------
    classifier : CNNClassifier
        The fitted classifier.
    X : array-like of shape (n_samples, n_views, height, width)
        The glitches, as in :meth:`skglitch.CNNClassifier.predict`, preferably not the training
        data. A memory map is read batch by batch.
    y : array-like of shape (n_samples,), default=None
        The labels. None, NaN and empty strings stand for no label.
    ids : array-like of shape (n_samples,), default=None
        The ids of the glitches. None is the row numbers.
    ifo : array-like of shape (n_samples,), default=None
        The interferometers, such as ``"H1"``.
    gps : array-like of shape (n_samples,), default=None
        The GPS times in s, NaN if unknown.
    durations : tuple of float, default=None
        The durations of the views in s. None is the durations of the classifier.
    title : str, default=None
        The title. None is a title with the number of glitches.
    source : str, default=None
        The origin of the data, for the page.
    model_file : path, default=None
        The file of the classifier, whose size, SHA-256 and package versions are listed on the page.
    n_pictures : int, default=12
        The maximum number of pictures of errors and of novel glitches.
    max_mapped : int, default=2000
        The maximum number of glitches on the map, which is a random sample of larger data sets.
    random_state : int, default=0
        The seed of the map, its sample and the novelty detector.

    Returns
    -------
    report : Report
        ``report.write(path)`` writes it.

    Raises
    ------
    ValueError
        If X does not fit the classifier, lengths differ, labels are numbers and classes are
        strings or vice versa, or `durations` does not fit the views.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import CNNClassifier
    >>> from skglitch.report import make_report
    >>> X = np.random.default_rng(0).integers(0, 60, (12, 1, 32, 32), dtype=np.uint8)
    >>> X[::2, :, 20:] = 200
    >>> y = ["Low_Frequency_Lines", "Blip"] * 6
    >>> net = CNNClassifier("test_efficientnet", weights=None, max_epochs=1).fit(X[:8], y[:8])
    >>> report = make_report(net, X[8:], y[8:], durations=(1.0,), n_pictures=1)
    >>> report.numbers["n_glitches"], report.numbers["n_in_data"]
    (4, 0)
    """
    check_is_fitted(classifier)
    started, cpu_started = time.perf_counter(), time.process_time()
    images = np.asarray(as_pixels(unmask(X)))
    n_samples = len(images)
    classifier.predict_proba(images[:1])  # raises where X does not fit the classifier
    durations = durations or classifier.durations_
    if durations is None:
        raise ValueError("durations=None, but the classifier has none: pass durations.")
    views = tuple(map(float, durations))
    if len(views) != classifier.image_shape_[0]:
        raise ValueError(
            f"durations={views!r} must have {classifier.image_shape_[0]} values, one for each view "
            "of X."
        )
    findings = Findings(
        classifier,
        images.reshape(n_samples, *classifier.image_shape_),
        _check_labels(y, n_samples, classifier),
        np.arange(n_samples).astype(str)
        if ids is None
        else _check_column("ids", ids, n_samples).astype(str),
        None if ifo is None else check_ifo(ifo, n_samples),
        None if gps is None else _check_column("gps", check_gps(gps), n_samples),
        views,
    ).compute(random_state)
    path = None if model_file is None else Path(model_file).expanduser()

    tables = {
        "data": _tables.summarize_data(findings),
        "labels": _tables.count_labels(findings),
    }
    pictures: dict[str, bytes] = {}
    scores = add_scores(findings, tables, pictures) if findings.is_known.any() else None
    if findings.unknown_classes:
        tables["unknown"] = _tables.describe_unknown_classes(findings)
    if not findings.is_labeled.all():
        unlabeled = ~findings.is_labeled
        tables["predictions"] = _tables.count_predictions(findings)
        rows = _tables.most_confident(findings, unlabeled)[::-1]
        tables["uncertain"] = _tables.list_glitches(findings, rows[:_N_ROWS])
        pictures["predictions"] = _figures.draw_confidences(findings.confidences[unlabeled])
    map_method = add_map(findings, tables, pictures, max_mapped, random_state)
    if scores:
        rows = _tables.most_confident(findings, findings.is_wrong)
        tables["errors"] = _tables.list_errors(findings, rows)
        pictures |= _figures.draw_glitches(findings, rows[:n_pictures], "errors")
    groups = add_novelty(findings, tables, pictures, n_pictures)
    no_saliency = add_saliency(findings, tables, pictures)
    elapsed = time.perf_counter() - started
    findings.seconds["figures and tables"] = elapsed - sum(findings.seconds.values())
    tables["cost"] = _tables.measure_cost(findings, time.process_time() - cpu_started)
    tables["model"] = _tables.describe_model(classifier, path)
    tables["parameters"] = _tables.list_parameters(classifier)
    tables["versions"] = _tables.list_versions(path)

    present = set(findings.labels.tolist())
    numbers = {
        "n_glitches": n_samples,
        "n_labeled": int(findings.is_labeled.sum()),
        "n_known": int(findings.is_known.sum()),
        "unknown_classes": findings.unknown_classes,
        "absent_classes": [name for name in findings.classes.tolist() if name not in present],
        "n_trained": findings.n_trained or None,
        "n_kept": len(classifier.exemplars_),
        "n_in_data": findings.n_in_data,
        "n_novel": None if findings.novelty is None else int(findings.novelty["is_novel"].sum()),
        "n_label_issues": None if findings.issues is None else int(findings.issues.flagged.sum()),
        "seconds": findings.seconds,
        "top_k": tables["top_k"].to_dict("records") if scores else None,
        "per_class": tables["classes"].to_dict("records") if scores else None,
        "calibration_error": scores["calibration_error"] if scores else None,
        "log_loss": scores["log_loss"] if scores else None,
    }
    title = title or f"Report on {n_samples:,} glitches"
    kept = set(classifier.exemplar_classes_.tolist())
    absent = {"unknown", "predictions"} - set(tables)
    if scores is None:
        absent |= {"top-k", "confusion", "classes", "calibration", "errors"}
    html = render(
        "skglitch.report",
        **numbers,
        title=title,
        absent=absent,
        source=source,
        model_name=path.name if path else f"CNNClassifier({classifier.backbone!r})",
        findings=findings,
        scores=scores,
        map_method=map_method,
        n_map_classes=tables["map"]["class"].nunique() if "map" in tables else 0,
        novelty_groups=groups,
        false_alarm_probability=FALSE_ALARM_PROBABILITY,
        missing_exemplars=[label for label in findings.classes.tolist() if label not in kept],
        n_saliency_classes=_tables.N_SALIENCY_CLASSES,
        n_saliency_errors=_tables.N_SALIENCY_ERRORS,
        no_saliency=no_saliency,
        platform=f"{platform.system()}, {platform.machine()}",
        random_state=random_state,
        n_pictures=n_pictures,
        n_rows=_N_ROWS,
        tables=tables,
        pictures=pictures,
        parts=[*(f"{name}.csv" for name in tables), *(f"{name}.png" for name in pictures)],
    )
    return Report(title, numbers, tables, pictures, html)


def _check_labels(y: Any, n_samples: int, classifier: CNNClassifier) -> np.ndarray:
    """Convert labels to an object array with None for no label."""
    values = [None] * n_samples if y is None else as_labels(y)
    labels = _check_column("y", np.array(values, dtype=object), n_samples)
    labeled = is_labeled(labels)
    labels[~labeled] = None
    if labeled.any():
        given = labels[labeled].tolist()
        check_same_kind(y=given, **{"classifier.classes_": classifier.classes_.tolist()})
    return labels


def _check_column(name: str, values: Any, n_samples: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (n_samples,):
        raise ValueError(f"{name} must have shape ({n_samples},), got {array.shape}.")
    return array
