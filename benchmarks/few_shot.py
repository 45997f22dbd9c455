"""Accuracy as a function of the number of labels per class.

Fine-tuning, training the head only, logistic regression and nearest class mean on pretrained
features, and training from scratch, with k glitches per class, tested on all others, over several
seeds. Data: ``gravity_spy_o3`` (three classes), all real glitches (``real``: seven classes, 4 s
view, images of two runs and strain), and simulated glitches (22 classes, 4 s view). For comparison:
the penultimate features of the default backbone, and layers of two nets with incomplete ImageNet
weights.

    python benchmarks/few_shot.py [--data o3 real simulated] [--labels 1 2 5 10 20 50] [--seeds 10]
    python benchmarks/few_shot.py --data o3 --weights imagenet glitches

With ``--weights``, which takes paths too, only initial weights of the default backbone are compared
on frozen features. Then each class in turn has no labels, and novelty (area under the ROC curve,
false alarms at 5 %) and clusters (adjusted Rand index) are scored as in discovery.py.

Each fit is stored when it finishes, so an interrupted run can be resumed. All stored runs are
plotted in benchmarks/results.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import torch
from _common import (
    RESULTS,
    Store,
    cached,
    interval,
    mean_interval,
    real_glitches,
    strain_glitches,
    table,
)
from discovery import (
    DETECTORS,
    FINDER,
    KNOWN,
    NEW,
    TRAIN,
    clustering,
    score_clusters,
    score_novelty,
)
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import NearestCentroid

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import make_glitches
from skglitch.estimators import Encoder
from skglitch.spectrograms import QTransformer

# Parameters of TruncatedCNNTransformer for frozen features.
FROZEN = {
    "default": {},
    "default, penultimate": {"layer": "penultimate", "encoder": Encoder(colormap="gray")},
    "default, random weights": {"weights": None},
    "resnet18 layer3, random": {"source": "resnet18", "weights": None, "layer": "layer3"},
}
TRAINED = {
    "fine-tuned": {},
    "head only": {"fine_tune": "head"},
    "from scratch": {"weights": None},
}
METRICS = ["accuracy", "balanced", "AUROC", "false alarms", "ARI"]
N_SIMULATED = 2200
MAX_TEST = 660
# With fewer labels per class, clusters are found without labels.
MIN_LABELS = 10


def load(data: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the 4 s view and labels."""
    if data == "simulated":
        arrays = cached(f"simulated-{N_SIMULATED}-one-view", simulate)
        return arrays["X"], arrays["y"]
    if data == "o3":
        return real_glitches("o3")
    X, y = real_glitches("o3", "o1")
    strain, labels = strain_glitches()
    X_strain = QTransformer(4096).transform(strain)[:, 3:]
    return np.concatenate([X, X_strain]), np.concatenate([y, labels])


def simulate() -> dict[str, np.ndarray]:
    X, y = make_glitches(
        N_SIMULATED, weights="balanced", random_state=0, n_jobs=-1, return_X_y=True
    )
    return {"X": X[:, 3:], "y": y}


def split(y: np.ndarray, n_each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return training rows, ``n_each`` per class but at most two thirds of it, and test rows."""
    rng = np.random.RandomState(seed)
    shuffled = [rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y)]
    train = np.concatenate([rows[: min(n_each, len(rows) * 2 // 3)] for rows in shuffled])
    test = np.setdiff1d(np.arange(len(y)), train)
    return train, rng.permutation(test)[:MAX_TEST]


def scores(y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Accuracy, and its mean over classes."""
    return {
        "accuracy": float(np.mean(y == predicted)),
        "balanced": float(balanced_accuracy_score(y, predicted)),
    }


def embedder(X: np.ndarray, nets: dict[str, dict]) -> Callable:
    """Return a function that embeds X by a frozen net, whose features are computed only once."""

    @cache
    def read(name: str) -> tuple[torch.nn.Module, torch.Tensor]:
        transformer = TruncatedCNNTransformer(**nets[name], random_state=0).fit(X[:2])
        return transformer.encoder_, torch.from_numpy(transformer._embed(X, normalized=False))

    def embed(name: str, train: np.ndarray) -> np.ndarray:
        encoder, features = read(name)
        encoder.center_on(features[train])
        return encoder.normalized(features).numpy()

    return embed


def classify(
    embed: Callable, name: str, head: str, y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> dict:
    """Fit and score a classifier of embeddings."""
    embeddings = embed(name, train)
    model = NearestCentroid() if head == "class mean" else LogisticRegression(max_iter=2000)
    with np.errstate(invalid="ignore"):  # NearestCentroid: no variance with one label
        model.fit(embeddings[train], y[train])
    return scores(y[test], model.predict(embeddings[test]))


def find_unknown(
    embed: Callable, name: str, y: np.ndarray, train: np.ndarray, test: np.ndarray, n_each: int
) -> dict:
    """Score novelty and clusters where one class has no labels, as means over the classes."""
    found = []
    for new in np.unique(y):
        known = train[y[train] != new]
        rows = np.concatenate([known, test])
        part = np.where(y[rows] == new, NEW, KNOWN)
        part[: len(known)] = TRAIN
        E, is_test = embed(name, rows)[rows], part != TRAIN
        if n_each < MIN_LABELS:
            clusters = clustering(len(test)).fit_predict(E[is_test])
        else:
            finder = clone(FINDER).fit(E, np.where(is_test, "", y[rows]))
            clusters = finder.labels_[is_test]
        found.append(
            score_novelty(DETECTORS["combined"], part, E, y[rows])
            | score_clusters(clusters, y[test], y[test] == new)
        )
    return {key: float(np.mean([result[key] for result in found])) for key in found[0]}


def trained_run(
    name: str, X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, seed: int
) -> dict:
    """Fit and score a classifier."""
    start = time.perf_counter()
    model = CNNClassifier(random_state=seed, **TRAINED[name]).fit(X[train], y[train])
    seconds = time.perf_counter() - start
    return scores(y[test], model.predict(X[test])) | {"seconds": seconds}


def summary(runs: dict, data: str, metric: str) -> list[dict]:
    """Return a row per method: mean, interval and number of seeds for each number of labels."""
    found: dict[str, dict[int, list[float]]] = {}
    for key, result in runs.items():
        name, method, n_each, _ = key.split(" | ")
        if name == data and metric in result:
            found.setdefault(method, {}).setdefault(int(n_each.split()[0]), []).append(
                100 * result[metric]
            )
    columns = sorted({n for counts in found.values() for n in counts})
    rows = []
    for method, counts in found.items():
        row: dict = {"method": method}
        for n in columns:
            values = counts.get(n, [])
            row[f"{n}"] = f"{interval(values)} ({len(values)})" if values else ""
        rows.append(row)
    return rows


def plot(runs: dict, data: str) -> None:
    """Plot accuracy against the number of labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    ax = figure.subplots()
    shown = [*TRAINED, "default + LogisticRegression", "default, penultimate + LogisticRegression"]
    colors = ["#D55E00", "#E69F00", "#999999", "#0072B2", "#56B4E9"]
    for method, color, marker in zip(shown, colors, "os^Dv", strict=True):
        points: dict[int, list[float]] = {}
        for key, result in runs.items():
            name, used, n_each, _ = key.split(" | ")
            if (name, used) == (data, method):
                points.setdefault(int(n_each.split()[0]), []).append(100 * result["balanced"])
        if not points:
            continue
        x = sorted(points)
        means, halves = np.array([mean_interval(points[n]) for n in x]).T
        ax.plot(x, means, color=color, marker=marker, label=method)
        ax.fill_between(x, means - halves, means + halves, color=color, alpha=0.15, lw=0)
    ax.set(xscale="log", xlabel="labels per class", ylabel="balanced accuracy [%]", title=data)
    ax.set_xticks(ticks := [1, 2, 5, 10, 20, 50], [str(n) for n in ticks])
    ax.minorticks_off()
    # Intervals of a mean near 100 % would extend beyond it.
    ax.set_ylim(top=101)
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right", fontsize="small")
    figure.savefig(RESULTS / f"few_shot_{data}.png", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=["o3", "real", "simulated"])
    parser.add_argument("--labels", type=int, nargs="+", default=[1, 2, 5, 10, 20, 50])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=[*FROZEN, *TRAINED], default=FROZEN | TRAINED)
    parser.add_argument("--weights", nargs="+", default=[], help="words or files to compare")
    options = parser.parse_args()
    compared = {Path(weights).stem: {"weights": weights} for weights in options.weights}
    for data in options.data:
        store = Store(f"few_shot_weights_{data}" if compared else f"few_shot_{data}")
        X, y = load(data)
        embed = embedder(X, FROZEN | compared)
        for n_each, seed in product(options.labels, range(options.seeds)):
            train, test = split(y, n_each, seed)
            suffix = f"{n_each} per class | seed {seed}"
            for name in compared or options.only:
                if name in TRAINED:
                    key = f"{data} | {name} | {suffix}"
                    store.get(key, trained_run, name, X, y, train, test, seed)
                    continue
                for head in ("LogisticRegression", "class mean"):
                    key = f"{data} | {name} + {head} | {suffix}"
                    store.get(key, classify, embed, name, head, y, train, test)
                if name in compared:
                    key = f"{data} | {name}, unknown class | {suffix}"
                    store.get(key, find_unknown, embed, name, y, train, test, n_each)
            if seed == options.seeds - 1:
                print(table(summary(store.runs, data, "balanced")), "\n", flush=True)
        if not compared:
            plot(store.runs, data)
        for metric in (
            "accuracy",
            "balanced",
            *(("AUROC", "false alarms", "ARI") if compared else ()),
        ):
            rows = summary(store.runs, data, metric)
            print(f"{data}: {metric} [%], mean and interval over seeds (number of seeds)")
            print(table(rows), "\n", flush=True)


if __name__ == "__main__":
    main()
