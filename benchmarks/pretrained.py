"""Make the ready-made model of ``skglitch.load_pretrained``, and measure it on real glitches.

Simulated glitches are stored in the cache folder, so a run that was killed does not simulate them
again. The model goes into the package, and the scores into the results, from which
``python benchmarks/tables.py --write`` fills the tables of docs/pretrained.md. ``--quick`` makes a
tiny model to try the script, and stores no scores.

    python benchmarks/pretrained.py [--per-class 300] [--held-out 40] [--seed 0] [--device cuda]
    python benchmarks/pretrained.py --measure
    python benchmarks/pretrained.py --unknown --per-class 80 --max-epochs 4
    python benchmarks/pretrained.py --time
    python benchmarks/pretrained.py --quick
"""

from __future__ import annotations

import argparse
import copy
import functools
import hashlib
import json
import time
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import DATA, Store, cached, four_view_sets, median_seconds
from scipy.optimize import minimize_scalar
from sklearn.metrics import roc_auc_score

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer, _files
from skglitch.datasets import get_data_home, load_gravity_spy, load_strain, make_glitches
from skglitch.discovery import NoveltyDetector
from skglitch.estimators import Encoder
from skglitch.metrics import expected_calibration_error, top_k_accuracy, top_k_table
from skglitch.persistence._file import read_file, write_file
from skglitch.spectrograms import QTransformer

PACKAGE = Path(skglitch.__file__).parent
EVENT = 1126259462.4  # GPS time of GW150914
DURATIONS = (0.5, 1.0, 2.0, 4.0)
# Glitches of each class that are simulated at a time, and stored in a file. Every fourth chunk has
# the sample rate of most open strain, at which glitches above 1.2 kHz look different.
CHUNK = 40
RATES = (8192.0, 8192.0, 8192.0, 4096.0)
# Share of the glitches that lack views.
INCOMPLETE = 0.25
# Glitches of each class whose features are kept for add_classes, fewer than in other models.
EXEMPLARS = 8
# The unusual glitches of this class would make all unusual glitches known.
UNNAMED = "None_of_the_Above"
# Classes that a network is trained without in turn, to see whether their real glitches are novel.
UNKNOWN = (
    ("Whistle", "Helix", "Scattered_Light", "Power_Line", "Extremely_Loud", "Tomte"),
    ("Blip", "Scratchy", "Low_Frequency_Burst", "Violin_Mode", "Chirp", "Light_Modulation"),
    ("Koi_Fish", "Repeating_Blips", "Air_Compressor", "1080Lines", "Paired_Doves"),
    ("Wandering_Line", "1400Ripples", "Low_Frequency_Lines"),
)
ALL_REAL = "all with four views"
# Two folds in place of five: a third of the bytes, and as good.
DETECTOR = {"method": "combined", "cv": 2, "random_state": 0}


@functools.cache
def class_names() -> list[str]:
    """Return Gravity Spy's classes: all but one that only the simulation has."""
    names = make_glitches(1, classes="all").target_names
    return [name for name in names if name != "Reverse_Chirp"]


def simulation_version() -> str:
    """Return the first digits of a checksum of the code that makes simulated spectrograms."""
    checksum = hashlib.sha256()
    for pattern in ("datasets/_simulate/*.py", "datasets/_make_glitches.py", "spectrograms/*.py"):
        for path in sorted(PACKAGE.glob(pattern)):
            checksum.update(path.read_bytes())
    return checksum.hexdigest()[:8]


def simulate(n_per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return simulated glitches of all classes, in chunks that are each simulated once."""
    parts = []
    for start in range(0, n_per_class, CHUNK):
        n = min(n_per_class - start, CHUNK)
        name = f"pretrained-{simulation_version()}-seed{seed}-{n}-from-{start}"
        rate = RATES[start // CHUNK % len(RATES)]
        parts.append(cached(name, simulate_part, n, rate, 100_000 * seed + start))
    return tuple(np.concatenate([part[name] for part in parts]) for name in ("X", "y"))


def simulate_part(n_per_class: int, sample_rate: float, seed: int) -> dict[str, np.ndarray]:
    classes = class_names()
    X, y = make_glitches(
        n_per_class * len(classes),
        classes=classes,
        weights="balanced",
        sample_rate=sample_rate,
        durations=DURATIONS,
        return_X_y=True,
        n_jobs=-1,
        random_state=seed,
        progress=True,
    )
    return {"X": X, "y": y}


def drop_views(X: np.ndarray, seed: int) -> np.ndarray:
    """Fill one to three views of some glitches with zeros, as ``missing="fill"`` does."""
    rng = np.random.default_rng(seed)
    X = X.copy()
    for row in np.flatnonzero(rng.random(len(X)) < INCOMPLETE):
        n_missing = rng.integers(1, X.shape[1])
        X[row, rng.choice(X.shape[1], n_missing, replace=False)] = 0
    return X


def train(X: np.ndarray, y: np.ndarray, options: argparse.Namespace) -> CNNClassifier:
    classifier = CNNClassifier(
        encoder=Encoder(durations=DURATIONS),
        max_epochs=options.max_epochs or "auto",
        device=options.device,
        random_state=options.seed,
        verbose=1,
    )
    return classifier.fit(drop_views(X, options.seed), y)


def calibrate(classifier: CNNClassifier, X: np.ndarray, y: np.ndarray) -> float:
    """Divide the logits by the temperature that minimizes the log loss, and return it."""
    y_prob = classifier.predict_proba(X).astype(float)
    logits = np.log(np.maximum(y_prob, np.finfo(np.float32).tiny))
    targets = np.searchsorted(classifier.classes_, y)

    def log_loss(log_temperature: float) -> float:
        scaled = torch.tensor(logits / np.exp(log_temperature))
        return float(torch.nn.functional.cross_entropy(scaled, torch.tensor(targets)))

    temperature = float(np.exp(minimize_scalar(log_loss, bounds=(-4, 4), method="bounded").x))
    head = classifier.net_.module_.head
    with torch.no_grad():
        head.weight /= temperature
        head.bias /= temperature
    return temperature


def round_weights(classifier: CNNClassifier) -> None:
    """Round the matrices to what the file holds, so that all that follows is of the rounded net."""
    for tensor in classifier.net_.module_.state_dict().values():
        if tensor.is_floating_point() and tensor.ndim > 1:
            tensor.copy_(tensor.half())


def keep_fewer_exemplars(classifier: CNNClassifier) -> None:
    labels, classes = classifier.exemplar_classes_, classifier.classes_
    rows = np.concatenate([np.flatnonzero(labels == name)[:EXEMPLARS] for name in classes])
    classifier.exemplars_, classifier.exemplar_classes_ = classifier.exemplars_[rows], labels[rows]


def embed(classifier: CNNClassifier, X: np.ndarray) -> np.ndarray:
    return TruncatedCNNTransformer(classifier, verbose=1).fit_transform(X)


def write(classifier: CNNClassifier, path: Path) -> None:
    """Write the model with matrices in half precision; only the date differs for the same seed."""
    for row in classifier.history_:
        row.pop("dur", None)  # seconds, which differ each time
    skglitch.save(classifier, path)
    schema, arrays = read_file(path)
    half = [name for name, a in arrays.items() if a.dtype == np.float32 and a.ndim > 1]
    write_file(path, schema["estimator"], arrays, half)


def make(options: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Simulate, train, calibrate and write, and return what the card says about it."""
    X, y = simulate(options.per_class, options.seed)
    held_X, held_y = simulate(options.held_out, options.seed + 1)
    start = time.perf_counter()
    classifier = train(X, y, options)
    seconds = time.perf_counter() - start
    incomplete = drop_views(held_X, options.seed)
    temperature = calibrate(classifier, incomplete, held_y)
    round_weights(classifier)
    keep_fewer_exemplars(classifier)
    is_named = held_y != UNNAMED
    embeddings = embed(classifier, incomplete[is_named])
    classifier.novelty_ = NoveltyDetector(**DETECTOR).fit(embeddings, held_y[is_named])
    write(classifier.set_params(device="auto", verbose=0), path)
    return {
        "glitches for training": len(y),
        "other glitches for the temperature, the novelty detector and the scores": len(held_y),
        "version of the simulation": simulation_version(),
        "seed": options.seed,
        "epochs": len(classifier.history_),
        "seconds of training": round(seconds),
        "temperature": round(temperature, 2),
        "size of the file in MB": round(path.stat().st_size / 1e6, 1),
        "versions": ", ".join(
            f"{name} {metadata.version(name)}" for name in ("torch", "timm", "scikit-learn")
        ),
    }


def real_sets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return X and y of each set of real glitches; views that are missing are zeros."""
    sets = four_view_sets()
    sets[ALL_REAL] = tuple(map(np.concatenate, zip(*sets.values(), strict=True)))
    for folder, name in (
        ("gravity_spy_22", "22 classes, incomplete"),
        ("gravity_spy_o3", "O3 pictures, 4 s view only"),
    ):
        bunch = load_gravity_spy(DATA / folder, missing="fill", progress=False)
        lacks = bunch.missing_views.any(axis=1)
        sets[name] = bunch.data[lacks], bunch.target[lacks]
    sets["GW150914"] = QTransformer(4096).transform(strain_of_event()), np.array(["Chirp"] * 2)
    return sets


def strain_of_event() -> np.ndarray:
    """Return 16 s of strain around GW150914 in both detectors."""
    files = sorted((DATA / "strain_events").glob("*.hdf5"))
    return np.stack([load_strain(file).around(EVENT, 16.0) for file in files])


def latency(classifier: CNNClassifier) -> dict[str, int]:
    """Return the milliseconds from 16 s of strain to the label, in total and in parts."""
    strain, transformer = strain_of_event()[:1], QTransformer(4096)
    plain, X = QTransformer(4096, whiten=False), transformer.transform(strain)
    steps = {
        "Q transform": lambda: plain.transform(strain),
        "whitening": lambda: transformer.transform(strain),
        "network": lambda: classifier.predict(X),
        "total": lambda: classifier.predict(transformer.transform(strain)),
    }
    result = {}
    for name, step in steps.items():
        step()  # warm up
        result[name] = round(1e3 * median_seconds(step, 20))
    result["whitening"] -= result["Q transform"]
    return result


def accuracy(model: Any, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return the top-1 and top-5 accuracy of a classifier, and the pairs that it confuses."""
    y_prob = model.predict_proba(X)
    y_pred = model.classes_[y_prob.argmax(axis=1)]
    confused = Counter(f"{t} as {p}" for t, p in zip(y, y_pred, strict=True) if t != p)
    tops = {k: float(top_k_accuracy(y, y_prob, k=k, labels=model.classes_)) for k in (1, 5)}
    return {
        **{f"top-{k}": top for k, top in tops.items()},
        "n": len(y),
        "confusions": dict(confused.most_common()),
    }


def score(classifier: CNNClassifier, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return scores with their intervals, and the shares that are called novel."""
    classes = classifier.classes_
    y_prob = classifier.predict_proba(X)
    embeddings = embed(classifier, X)

    def top_k(rows: np.ndarray) -> list[list[float]]:
        """Accuracy, its interval and the counts for k of 1 and 5."""
        scores = top_k_table(y[rows], y_prob[rows], labels=classes, ks=(1, 5))
        return scores.round(4).to_numpy().tolist()

    return {
        "top-1, top-5": top_k(np.ones(len(y), dtype=bool)),
        "classes": {name: top_k(y == name) for name in np.unique(y).tolist()},
        "confused": accuracy(classifier, X, y)["confusions"],
        "calibration error": float(expected_calibration_error(y, y_prob, labels=classes)),
        "novel": float((classifier.novelty_.predict(embeddings) == -1).mean()),
        "novel, calibrated": novel_after_calibration(classifier.novelty_, embeddings),
    }


def novel_after_calibration(detector: NoveltyDetector, embeddings: np.ndarray) -> float | None:
    """Calibrate by a random half of the glitches, and return the share of novel others."""
    if len(embeddings) < 2 / detector.false_alarm_probability:
        return None  # the threshold would be the lowest score
    rng, shares = np.random.default_rng(0), []
    detector = copy.copy(detector)
    for _ in range(20):
        order = rng.permutation(len(embeddings))
        detector.calibrate(embeddings[order[::2]])
        shares.append((detector.predict(embeddings[order[1::2]]) == -1).mean())
    return float(np.mean(shares))


def detect_unknown(options: argparse.Namespace, unknown: tuple[str, ...]) -> dict[str, float]:
    """Train without some classes, and detect their real glitches as novel among all real ones."""
    X, y = simulate(options.per_class, options.seed)
    held_X, held_y = simulate(options.held_out, options.seed + 1)
    rows = ~np.isin(y, unknown)
    classifier = train(X[rows], y[rows], options)
    rows = ~np.isin(held_y, (*unknown, UNNAMED))
    held_X = drop_views(held_X[rows], options.seed)
    detector = NoveltyDetector(**DETECTOR).fit(embed(classifier, held_X), held_y[rows])
    real_X, real_y = real_sets()[ALL_REAL]
    is_new = np.isin(real_y, unknown)
    rows = real_y != UNNAMED
    scores = detector.score_samples(embed(classifier, real_X))
    return {
        "area under the curve": float(roc_auc_score(is_new[rows], -scores[rows])),
        "novel among known": float((scores[rows & ~is_new] < detector.offset_).mean()),
        "real glitches of unknown classes": int(is_new.sum()),
    }


def measure(options: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Score the model in a file on simulated glitches, and on real ones where they are."""
    classifier = skglitch.load(path, device=options.device)
    sets = {"simulated": simulate(options.held_out, options.seed + 1)}
    if DATA.is_dir():
        sets |= real_sets()
    scores = {}
    for name, (X, y) in sets.items():
        scores[name] = found = score(classifier, X, y)
        shown = {key: value for key, value in found.items() if key != "classes"}
        print(f"{name}: {len(y)} glitches\n{json.dumps(shown, indent=1)}")
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--per-class", type=int, default=300, help="glitches to train on")
    parser.add_argument("--held-out", type=int, default=40, help="other glitches of each class")
    parser.add_argument("--max-epochs", type=int, help="chosen by CNNClassifier by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--measure", action="store_true", help="measure the model that is there")
    parser.add_argument("--unknown", action="store_true", help="only measure unknown classes")
    parser.add_argument("--time", action="store_true", help="only measure the latency")
    parser.add_argument("--quick", action="store_true", help="a tiny model in the cache folder")
    options = parser.parse_args()
    if options.quick:
        options.per_class, options.held_out, options.max_epochs = 3, 2, 1
        path = get_data_home() / "benchmarks" / "pretrained.skglitch"
        print(make(options, path))
        measure(options, path)
        return
    store = Store("pretrained")
    if options.unknown:
        for group in UNKNOWN:
            key = f"without {', '.join(group)}"
            print(key, Store("pretrained_unknown").get(key, detect_unknown, options, group))
        return
    if options.time:
        store.add("latency in ms", latency(skglitch.load(_files.PRETRAINED)))
        print(store.runs["latency in ms"])
        return
    if not options.measure:
        store.add("model", make(options, _files.PRETRAINED))
    store.add("scores", measure(options, _files.PRETRAINED))


if __name__ == "__main__":
    main()
