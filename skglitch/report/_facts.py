"""Sections on the model: what it was trained on, with what, and what it costs."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .._version import __version__
from ..estimators import CNNClassifier
from ..persistence._file import read_file
from ._document import Section, Table, counted, facts_table
from ._findings import Findings

_LIBRARIES = ("torch", "torchvision", "timm", "skorch", "scikit-learn", "numpy", "matplotlib")
# A parameter may be a whole module.
_LONG = 200


def origin(of: Findings) -> str:
    """Tell whether the data may be what the net was trained on."""
    n_train = n_trained(of.classifier)
    on = f"The net was trained on {counted(n_train, 'glitch')}. " if n_train else ""
    if of.kept < 2:
        return (
            f"{on}Whether these data are among them, the model cannot tell. If they are, all "
            "scores here are too good."
        )
    keeps = f"{on}The model keeps the features of {of.kept:,} of them"
    if of.n_twins:
        return (
            f"{keeps}; these data hold {of.n_twins:,} of these. So they are training data, at "
            "least in part: glitches that the net has not seen will fare worse than the scores "
            "here say."
        )
    return (
        f"{keeps}, and none of these is in these data: they are not the training data, though "
        "single glitches may be in both."
    )


def n_trained(classifier: CNNClassifier) -> int:
    """Count the glitches of the first epoch; 0 if its batches were not recorded."""
    epochs = list(classifier.history_)
    batches = epochs[0].get("batches", []) if epochs else []
    sizes = [
        batch.get("train_batch_size", 0) + batch.get("valid_batch_size", 0) for batch in batches
    ]
    return int(sum(sizes))


def cost_section(of: Findings) -> Section:
    """Tell time and cost, as measured for this page."""
    classifier = of.classifier
    module = classifier.net_.module_
    predicting = of.seconds["predicting"]
    epochs = list(classifier.history_)
    training = sum(epoch.get("dur", np.nan) for epoch in epochs)
    flops = count_flops(classifier, of.X[:1])
    facts = {
        "weights": f"{sum(p.numel() for p in module.parameters()):,}",
        "of them trained": f"{sum(p.numel() for p in module.parameters() if p.requires_grad):,}",
        "operations a glitch": f"{flops / 1e9:.3g} GFLOP, two for a multiplication and an addition",
        "device": _device(classifier),
        "number format": str(classifier.net_.compute_dtype).removeprefix("torch."),
        "predicting": f"{predicting:.3g} s, {1000 * predicting / len(of):.3g} ms a glitch",
        "embedding": f"{of.seconds['embedding']:.3g} s",
        "this page": f"{sum(of.seconds.values()):.3g} s, of which the processor worked "
        f"{of.processor_seconds:.3g} s",
        "training": f"{training:.3g} s for {counted(len(epochs), 'epoch')}, on the machine where "
        "that was",
    }
    peak = _peak_memory()
    if peak:
        facts["most memory"] = f"{peak / 1e9:.3g} GB, of the whole program"
    text = [
        "Measured while this page was made, reading the data aside. Other work on the machine "
        "makes times longer; look at milliseconds a glitch to know what a day of triggers takes."
    ]
    return Section(
        "cost", "What does it cost?", text, [facts_table("cost", "Time and cost.", facts)]
    )


def model_section(of: Findings, file: Path | None) -> Section:
    """Tell which model this is, and how it was trained."""
    classifier = of.classifier
    facts: dict[str, str] = {}
    if file is not None:
        facts["file"] = f"{file.name}, {file.stat().st_size / 1e6:.1f} MB"
        facts["SHA-256"] = _sha256(file)
    facts["seed of the training"] = str(classifier.random_state)
    facts["classes"] = str(len(classifier.classes_))
    last = list(classifier.history_)[-1:]
    if last:
        facts["epochs"] = str(len(classifier.history_))
        facts["last training loss"] = f"{last[0].get('train_loss', np.nan):.3g}"
        if "valid_loss" in last[0]:
            facts["last held-out loss"] = f"{last[0]['valid_loss']:.3g}"
    parameters = classifier.get_params(deep=False)
    default = CNNClassifier().get_params(deep=False)
    columns = {
        "parameter": list(parameters),
        "value": [_short(value) for value in parameters.values()],
        "as by default": [repr(value) == repr(default[name]) for name, value in parameters.items()],
    }
    text = ["What it takes to train the same net again, but for the data."]
    content: list[Any] = [
        facts_table("model", "The model.", facts),
        Table("parameters", "All parameters of CNNClassifier.", columns, wraps=True),
    ]
    return Section("model", "Which model is it?", text, content)


def versions_section(of: Findings, file: Path | None, seed: Any) -> Section:
    """Tell what this page was made with."""
    here = {"skglitch": __version__} | {name: metadata.version(name) for name in _LIBRARIES}
    here["Python"] = platform.python_version()
    columns: dict[str, Any] = {"what": list(here), "here": list(here.values())}
    if file is not None:
        written = read_file(file)[0].get("versions", {})
        columns["the model was saved with"] = [written.get(name) for name in here]
    text = [
        f"Made on {platform.system()}, {platform.machine()}. The seed of the map and of what was "
        f"drawn by lot is {seed}."
    ]
    return Section(
        "versions", "Made with which versions?", text, [Table("versions", "Versions.", columns)]
    )


def count_flops(classifier: CNNClassifier, X: np.ndarray) -> int:
    """Count multiplications and additions of convolutions and matrices for these glitches."""
    from torch.utils.flop_counter import FlopCounterMode

    verbose = classifier.verbose
    try:
        classifier.verbose = 0
        with FlopCounterMode(display=False) as counter:
            classifier.predict_proba(X)
    finally:
        classifier.verbose = verbose
    return counter.get_total_flops()


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]} ..."


def _device(classifier: CNNClassifier) -> str:
    device = torch.device(classifier.net_.device)
    if device.type == "cuda":
        return f"{device}, {torch.cuda.get_device_name(device)}"
    threads = counted(torch.get_num_threads(), "thread")
    return f"{device}, {threads}" if device.type == "cpu" else str(device)


def _peak_memory() -> float | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if platform.system() == "Darwin" else 1024 * peak)
