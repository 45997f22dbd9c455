"""Sections of a report with figures: scores, map, novelty and saliency."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, log_loss

from .._html import draw
from ..display import (
    ClassScoresDisplay,
    ConfusionDisplay,
    EmbeddingDisplay,
    ReliabilityDisplay,
    TopKDisplay,
    compute_saliency_maps,
)
from ..metrics import (
    classification_table,
    expected_calibration_error,
    reliability_table,
    top_k_table,
)
from . import _figures, _tables
from ._findings import Findings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_N_BINS = 10
# With fewer glitches, t-SNE shows no more than PCA.
_MIN_TSNE = 20

Tables = dict[str, pd.DataFrame]
Pictures = dict[str, bytes]


def add_scores(findings: Findings, tables: Tables, pictures: Pictures) -> dict[str, Any]:
    """Score the predictions of glitches of known classes, and return numbers for the text."""
    y_true, classes = findings.y_true, findings.classes
    y_pred = findings.predictions[findings.is_known]
    y_prob = findings.probabilities[findings.is_known]
    occurs = np.isin(classes, y_true) | np.isin(classes, y_pred)
    occurring = classes[occurs]

    top_k = top_k_table(y_true, y_prob, labels=classes)
    tables["top_k"] = top_k.reset_index()
    pictures["top_k"] = draw((5.2, 3.6), TopKDisplay(top_k).plot)

    matrix = pd.DataFrame(
        confusion_matrix(y_true, y_pred, labels=occurring), index=occurring, columns=occurring
    )
    tables["confusion"] = matrix.rename_axis("true class").reset_index()
    tables["confusions"] = _tables.count_confusions(matrix)
    display = ConfusionDisplay(matrix)
    plot = partial(display.plot, order="similarity")
    pictures["confusion"] = draw(display.figsize, plot)

    # A class without glitches has no recall, which is not 0.
    per_class = classification_table(y_true, y_pred, labels=classes, zero_division=np.nan)
    tables["classes"] = per_class[:-3].reset_index()  # without averages
    pictures["classes"] = draw(
        (5.8, 1.4 + 0.42 * len(occurring)),
        lambda figure: ClassScoresDisplay.from_predictions(
            y_true, y_pred, labels=occurring, sort_by="f1", ax=figure
        ),
    )
    macro = classification_table(y_true, y_pred, labels=occurring).loc["macro avg"]

    bins: Any = {"labels": classes, "n_bins": _N_BINS}
    reliability = reliability_table(y_true, y_prob, **bins)
    tables["calibration"] = reliability.rename(columns={"frequency": "accuracy"})
    pictures["calibration"] = draw(
        (5.0, 5.2),
        lambda figure: ReliabilityDisplay.from_predictions(y_true, y_prob, ax=figure, **bins),
    )
    # Renormalized, as scikit-learn warns about rounding errors of float32.
    exact = y_prob.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)

    n_correct, n_samples = int(tables["top_k"]["n_correct"].iloc[0]), len(y_true)
    return {
        "n_samples": n_samples,
        "n_errors": n_samples - n_correct,
        "accuracy": n_correct / n_samples,
        "accuracy_with_unknown": n_correct / findings.is_labeled.sum(),
        "low": tables["top_k"]["low"].iloc[0],
        "high": tables["top_k"]["high"].iloc[0],
        "n_met": len(occurring),
        "macro": macro[["precision", "recall", "f1"]].to_dict(),
        "confidence": findings.confidences[findings.is_known].mean(),
        "calibration_error": float(expected_calibration_error(y_true, y_prob, **bins)),
        "log_loss": float(log_loss(y_true, exact, labels=classes)),
    }


def add_map(
    findings: Findings, tables: Tables, pictures: Pictures, max_mapped: int, random_state: int
) -> str:
    """Add a map of the embeddings, or of a random sample, and return the name of the method."""
    rows = np.arange(len(findings))
    if len(rows) > max_mapped:
        rng = np.random.RandomState(random_state)
        rows = np.sort(rng.choice(len(rows), max_mapped, replace=False))
    embeddings = findings.embeddings[rows]
    if (embeddings == embeddings[0]).all():
        return ""
    method = "tsne" if len(rows) >= _MIN_TSNE else "pca"
    if findings.is_labeled.any():
        names = _tables.label_names(findings)[rows]
    else:
        names = findings.predictions[rows].astype(str)

    def plot(figure: Figure) -> None:
        display = EmbeddingDisplay.from_embeddings(
            embeddings, names, method=method, random_state=random_state, ax=figure
        )
        x, y = np.asarray(display.embedding).T
        tables["map"] = pd.DataFrame({"id": findings.ids[rows], "class": names, "x": x, "y": y})

    with findings.timed("map"):
        pictures["map"] = draw((6.0, 5.0), plot)
    return {"tsne": "t-SNE", "pca": "PCA"}[method]


def add_novelty(
    findings: Findings, tables: Tables, pictures: Pictures, n_pictures: int
) -> list[dict[str, Any]]:
    """Add the most novel glitches, and return the fraction of novel ones in each group."""
    novelty = findings.novelty
    if novelty is None:
        return []
    groups = {
        "known classes": findings.is_known,
        "unknown classes": findings.is_labeled & ~findings.is_known,
        "no label": ~findings.is_labeled,
    }
    groups = {name: members for name, members in groups.items() if members.any()}
    scores = novelty["novelty_score"].to_numpy()
    rows = np.argsort(scores, kind="stable")
    columns = novelty.iloc[rows].to_dict("list")
    tables["novelty"] = _tables.list_glitches(findings, rows).assign(**columns)
    pictures["novelty"] = _figures.draw_novelty(scores, findings.novelty_offset, groups)
    pictures |= _figures.draw_glitches(findings, rows[:n_pictures], "novelty")
    return [
        {"name": name, "n": int(members.sum()), "fraction": novelty["is_novel"][members].mean()}
        for name, members in groups.items()
    ]


def add_saliency(findings: Findings, tables: Tables, pictures: Pictures) -> str:
    """Add saliency maps of some glitches, or return why there are none."""
    rows = _tables.choose_examples(findings)
    try:
        maps = compute_saliency_maps(findings.classifier, findings.X[rows])
    except ValueError as error:
        return str(error)
    tables["saliency"] = _tables.list_glitches(findings, rows)
    pictures |= _figures.draw_saliency(findings, rows, maps)
    return ""
