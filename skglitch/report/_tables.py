"""The tables of a report, as data frames."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from .._device import choose_precision
from .._version import __version__
from ..estimators import CNNClassifier
from ..persistence import read_card
from ._findings import Findings

NO_LABEL = "no label"
# Glitches with saliency maps: the most confident one of each frequent class, and confident errors.
N_SALIENCY_CLASSES, N_SALIENCY_ERRORS = 6, 2
_LIBRARIES = (
    *("torch", "torchvision", "timm", "skorch", "scikit-learn"),
    *("numpy", "pandas", "matplotlib", "jinja2"),
)
# The value of a parameter may be a module.
_MAX_CHARACTERS = 200


def summarize_data(findings: Findings) -> pd.DataFrame:
    """Summarize sizes, IFOs and GPS times."""
    height, width = findings.X.shape[2:]
    durations = ", ".join(map(str, findings.durations))
    facts = {
        "glitches": f"{len(findings):,}",
        "labeled": f"{findings.is_labeled.sum():,}",
        "of known classes": f"{findings.is_known.sum():,}",
        "views": f"{durations} s, {height} x {width} pixels, {findings.X.dtype}",
    }
    if findings.ifo is not None:
        names, counts = np.unique(findings.ifo, return_counts=True)
        facts["IFOs"] = ", ".join(
            f"{name or 'unknown'} {count:,}" for name, count in zip(names, counts, strict=True)
        )
    if findings.gps is not None and np.isfinite(findings.gps).any():
        first, last = np.nanmin(findings.gps), np.nanmax(findings.gps)
        facts["GPS times"] = f"{first:.0f} to {last:.0f} s, {(last - first) / 86400:.1f} days"
    return _facts(facts)


def count_labels(findings: Findings) -> pd.DataFrame:
    """Count the glitches with each label."""
    names, counts = _count(label_names(findings))
    known = set(map(str, findings.classes.tolist()))
    return pd.DataFrame(
        {
            "label": names,
            "glitches": counts,
            "fraction": counts / len(findings),
            "known": [None if name == NO_LABEL else name in known for name in names],
        }
    )


def label_names(findings: Findings) -> np.ndarray:
    """Return the labels as text."""
    return np.array([NO_LABEL if label is None else str(label) for label in findings.labels])


def count_confusions(matrix: pd.DataFrame) -> pd.DataFrame:
    """Count the confusions of each pair of classes, the most frequent first."""
    counts = matrix.to_numpy()
    wrong = counts - np.diag(np.diag(counts))
    true, predicted = np.nonzero(wrong)
    order = np.argsort(-wrong[true, predicted], kind="stable")
    true, predicted = true[order], predicted[order]
    n = wrong[true, predicted]
    return pd.DataFrame(
        {
            "label": matrix.index[true],
            "prediction": matrix.columns[predicted],
            "glitches": n,
            "fraction": n / counts.sum(axis=1)[true],
        }
    )


def count_predictions(findings: Findings) -> pd.DataFrame:
    """Count the predictions for glitches without a label."""
    rows = ~findings.is_labeled
    predictions, confidences = findings.predictions[rows], findings.confidences[rows]
    names, counts = _count(predictions)
    return pd.DataFrame(
        {
            "prediction": names,
            "glitches": counts,
            "fraction": counts / rows.sum(),
            "median_probability": [np.median(confidences[predictions == n]) for n in names],
        }
    )


def describe_unknown_classes(findings: Findings) -> pd.DataFrame:
    """Describe the predictions for classes that the classifier does not know."""
    rows = []
    for label in findings.unknown_classes:
        members = findings.labels == label
        names, counts = _count(findings.predictions[members])
        row = {
            "class": label,
            "glitches": int(members.sum()),
            "most_frequent_prediction": names[0],
            "fraction": counts[0] / members.sum(),
            "median_probability": np.median(findings.confidences[members]),
        }
        if findings.novelty is not None:
            row["fraction_novel"] = findings.novelty["is_novel"][members].mean()
        rows.append(row)
    return pd.DataFrame(rows)


def list_glitches(findings: Findings, rows: np.ndarray) -> pd.DataFrame:
    """List ids, labels and predictions of some glitches."""
    table = pd.DataFrame({"number": np.arange(1, len(rows) + 1), "id": findings.ids[rows]})
    if findings.is_labeled.any():
        table["label"] = findings.labels[rows]
    table["prediction"] = findings.predictions[rows]
    table["probability"] = findings.confidences[rows]
    return table


def most_confident(findings: Findings, mask: np.ndarray) -> np.ndarray:
    """Return the rows of a mask, the most confident prediction first."""
    rows = np.flatnonzero(mask)
    return rows[np.argsort(-findings.confidences[rows], kind="stable")]


def list_errors(findings: Findings, rows: np.ndarray) -> pd.DataFrame:
    """List errors, with the results of the search for wrong labels."""
    table = list_glitches(findings, rows)
    if findings.issues is not None:
        flagged, score = np.zeros(len(findings), dtype=bool), np.full(len(findings), np.nan)
        examined = np.flatnonzero(findings.is_known)[findings.issues.index]
        flagged[examined], score[examined] = findings.issues.flagged, findings.issues.score
        table["label_flagged"], table["label_score"] = flagged[rows], score[rows]
    return table


def choose_examples(findings: Findings) -> np.ndarray:
    """Choose the glitches with saliency maps."""
    right = ~findings.is_wrong & (findings.is_known | ~findings.is_labeled)
    frequent = _count(findings.predictions[right])[0][:N_SALIENCY_CLASSES]
    examples = [most_confident(findings, right & (findings.predictions == n))[0] for n in frequent]
    rows = [*examples, *most_confident(findings, findings.is_wrong)[:N_SALIENCY_ERRORS]]
    # If all glitches are of unknown classes, show one of them.
    return np.array(rows or [findings.confidences.argmax()], dtype=int)


def measure_cost(findings: Findings, processor_seconds: float) -> pd.DataFrame:
    """Count the parameters and operations of the network, and collect run times."""
    classifier, seconds = findings.classifier, findings.seconds
    device = classifier.net_.module_.encoder.device
    parameters = list(classifier.net_.module_.parameters())
    epochs = list(classifier.history_)
    predicting = seconds["predicting"]
    facts = {
        "parameters": f"{sum(p.numel() for p in parameters):,}",
        "trainable parameters": f"{sum(p.numel() for p in parameters if p.requires_grad):,}",
        "operations per glitch": f"{count_flops(classifier, findings.X[:1]) / 1e9:.3g} GFLOP",
        "device": _describe_device(device),
        "precision": choose_precision(classifier.precision, device),
        "predicting": f"{predicting:.3g} s, {1000 * predicting / len(findings):.3g} ms per glitch",
        "this report": f"{sum(seconds.values()):.3g} s, {processor_seconds:.3g} s of CPU time",
        "training": f"{sum(epoch.get('dur', np.nan) for epoch in epochs):.3g} s, "
        f"{len(epochs)} epochs, on the machine that trained the model",
    }
    peak = _peak_memory()
    if peak is not None:
        facts["peak memory"] = f"{peak / 1e9:.3g} GB, whole process"
    return _facts(facts)


def describe_model(classifier: CNNClassifier, model_file: Path | None) -> pd.DataFrame:
    """Describe the file of the model and its training."""
    facts: dict[str, str] = {}
    if model_file is not None:
        facts["file"] = f"{model_file.name}, {model_file.stat().st_size / 1e6:.1f} MB"
        with model_file.open("rb") as file:
            facts["SHA-256"] = hashlib.file_digest(file, "sha256").hexdigest()
    facts["random_state"] = str(classifier.random_state)
    facts["classes"] = str(len(classifier.classes_))
    epochs = list(classifier.history_)
    if epochs:
        facts["epochs"] = str(len(epochs))
        facts["training loss"] = f"{epochs[-1].get('train_loss', np.nan):.3g}"
        if "valid_loss" in epochs[-1]:
            facts["validation loss"] = f"{epochs[-1]['valid_loss']:.3g}"
    return _facts(facts)


def list_parameters(classifier: CNNClassifier) -> pd.DataFrame:
    """List the parameters of the classifier, and which of them have their default."""
    parameters = classifier.get_params(deep=False)
    defaults = CNNClassifier().get_params(deep=False)
    texts = [repr(value) for value in parameters.values()]
    return pd.DataFrame(
        {
            "parameter": list(parameters),
            "value": [
                text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]} ..."
                for text in texts
            ],
            "default": [repr(value) == repr(defaults[k]) for k, value in parameters.items()],
        }
    )


def list_versions(model_file: Path | None) -> pd.DataFrame:
    """List the versions of libraries, now and when the model was saved."""
    versions = {"skglitch": __version__} | {name: metadata.version(name) for name in _LIBRARIES}
    versions["Python"] = platform.python_version()
    table = pd.DataFrame({"library": list(versions), "version": list(versions.values())})
    if model_file is not None:
        saved = read_card(model_file)["versions"]
        table["saved_with"] = [saved.get(name) for name in versions]
    return table


def count_flops(classifier: CNNClassifier, X: np.ndarray) -> int:
    """Count multiplications and additions of convolutions and matrix products."""
    from torch.utils.flop_counter import FlopCounterMode

    verbose = classifier.verbose
    try:
        classifier.verbose = 0
        with FlopCounterMode(display=False) as counter:
            classifier.predict_proba(X)
    finally:
        classifier.verbose = verbose
    return counter.get_total_flops()


def _facts(facts: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame({"quantity": list(facts), "value": list(facts.values())})


def _count(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values and their counts, the most frequent first."""
    names, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return names[order], counts[order]


def _describe_device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device}, {torch.cuda.get_device_name(device)}"
    return f"cpu, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device)


def _peak_memory() -> float | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if platform.system() == "Darwin" else 1024 * peak)
