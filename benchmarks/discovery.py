"""Is a class missing from the training set detected as novel, and does it form its own cluster?

Each class is held out in turn. A net is fine-tuned on 80 % of the other classes. Embeddings of the
remaining 20 % and of the held-out class are scored. Novelty: area under the ROC curve for the
held-out class against known glitches, for each method of NoveltyDetector, and the fraction of known
glitches called novel. Clusters: purity and recall of the cluster that contains most of the held-out
class, adjusted Rand index (ARI) and normalized mutual information (NMI) of all classes, for
NewClassFinder, for clustering without labels, for baselines without a fine-tuned net, and for a
classifier trained with labels of the held-out class. As in the paper: the known class nearest to
the held-out one, and the fraction of known glitches in new clusters if nothing is held out.

    python benchmarks/discovery.py [--data real simulated] [--classes NAME ...] [--samples 200]
    python benchmarks/discovery.py --data real --each N [--draws 5]
    python benchmarks/discovery.py --data real --learning-rate 3e-3
    python benchmarks/discovery.py --data real --weights glitches
    python benchmarks/discovery.py --cost [--rows 100000]

With ``--each``, detectors and finders get the labels of only N random glitches per class in each
draw. The nets are the same. ``--weights`` takes the initial weights of the nets, a word or a path.

Embeddings are stored in the cache folder of skglitch, so methods can be changed without training
again. OMP_NUM_THREADS sets the number of threads.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import product
from pathlib import Path

import numpy as np
from _common import Store, cached, peak_memory_mb, real_glitches, table
from sklearn.base import clone
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    adjusted_rand_score,
    normalized_mutual_info_score,
    roc_auc_score,
)
from sklearn.model_selection import KFold, train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import make_glitches
from skglitch.discovery import NewClassFinder, NoveltyDetector, SimilarityIndex

TRAIN, KNOWN, NEW = 0, 1, 2
# This label is not a class of similar glitches.
OTHER = "None_of_the_Above"
WITHOUT_OTHER = f"without {OTHER}"
DETECTORS = {
    "combined": NoveltyDetector(random_state=0),
    "combined, n_together=6": NoveltyDetector(n_together=6, random_state=0),
    "knn, k=1": NoveltyDetector("knn", n_neighbors=1),
    "knn, k=5": NoveltyDetector("knn"),
    "mahalanobis": NoveltyDetector("mahalanobis", random_state=0),
    "energy": NoveltyDetector("energy", random_state=0),
}
FINDER = NewClassFinder(n_resamples=0, random_state=0)
# Embeddings of a fine-tuned or pretrained net, and the labels of the training set that are given.
CLUSTERINGS = {
    "all labels": ("embeddings", "all"),
    f"labels {WITHOUT_OTHER}": ("embeddings", WITHOUT_OTHER),
    "no labels": ("embeddings", "none"),
    "pretrained, all labels": ("pretrained", "all"),
    "pretrained, no labels": ("pretrained", "none"),
}
# The number of principal components. These baselines get the true number of classes.
PIXEL_BASELINES = {"KMeans, pixels": None, "KMeans, PCA of pixels": 50}


def load(data: str, samples: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Return X, y and the layout of views."""
    if data == "real":
        return *real_glitches(), "mosaic"
    arrays = cached(f"simulated-{samples}", simulate, samples)
    return arrays["X"], arrays["y"], "channels"


def simulate(samples: int) -> dict[str, np.ndarray]:
    """Simulate 22 classes and Reverse_Chirp."""
    options = {"weights": "balanced", "n_jobs": -1, "progress": True}
    known = make_glitches(22 * samples, random_state=0, **options)
    reverse = make_glitches(samples, classes=["Reverse_Chirp"], random_state=1, **options)
    return {
        "X": np.concatenate([known.data, reverse.data]),
        "y": np.concatenate([known.target, reverse.target]),
    }


def embed(
    X: np.ndarray, y: np.ndarray, new: str, views: str, rate: float | str, weights: str
) -> dict:
    """Fine-tune a net without one class, and embed all glitches."""
    known = np.flatnonzero(y != new)
    train, test = train_test_split(known, test_size=0.2, stratify=y[known], random_state=0)
    classifier = CNNClassifier(views=views, weights=weights, learning_rate=rate, random_state=0)
    classifier.fit(X[train], y[train])
    parts = (train, test, np.flatnonzero(y == new))
    rows = np.concatenate(parts)
    pretrained = TruncatedCNNTransformer(views=views, weights=weights)
    return {
        "rows": rows,
        "part": np.repeat([TRAIN, KNOWN, NEW], [len(part) for part in parts]),
        "embeddings": TruncatedCNNTransformer(classifier).fit_transform(X[rows]),
        "pretrained": pretrained.fit_transform(X[rows]),
        "accuracy": np.mean(classifier.predict(X[test]) == y[test]),
        "precision": classifier.net_.precision,
        "learning_rate": classifier.net_.lr,
    }


def draw_few(embedded: dict, y: np.ndarray, each: int, draw: int) -> dict:
    """Drop all but ``each`` training glitches per class. ``y`` has the labels of ``rows``."""
    drawn = np.random.default_rng(draw).permutation(np.flatnonzero(embedded["part"] == TRAIN))
    few = [drawn[y[drawn] == label][:each] for label in np.unique(y[drawn])]
    kept = np.sort(np.concatenate([*few, np.flatnonzero(embedded["part"] != TRAIN)]))
    by_row = ("rows", "part", "embeddings", "pretrained")
    return {key: value[kept] if key in by_row else value for key, value in embedded.items()}


def novelty(embedded: dict, y: np.ndarray) -> dict:
    """Score each detector on the glitches outside the training set."""
    part, E = embedded["part"], embedded["embeddings"]
    result = {name: score_novelty(detector, part, E, y) for name, detector in DETECTORS.items()}
    if OTHER in y:
        # Drop them from the known glitches. If they are held out, they are new.
        rows = (y != OTHER) | (part == NEW)
        for name in ("combined", "combined, n_together=6"):
            scores = score_novelty(DETECTORS[name], part[rows], E[rows], y[rows])
            result[f"{name}, {WITHOUT_OTHER}"] = scores
    return result


def score_novelty(
    detector: NoveltyDetector, part: np.ndarray, E: np.ndarray, y: np.ndarray
) -> dict:
    """Return the area under the ROC curve, and the fractions that are called novel."""
    train, test = part == TRAIN, part != TRAIN
    is_known = part[test] == KNOWN
    detector = clone(detector).fit(E[train], y[train])
    scores = detector.score_samples(E[test])
    novel = scores < detector.offset_
    return {
        "AUROC": float(roc_auc_score(is_known, scores)),
        "false alarms": float(novel[is_known].mean()),
        "detected": float(novel[~is_known].mean()),
    }


def clusters(embedded: dict, X: np.ndarray, y: np.ndarray, only_labeled: bool = False) -> dict:
    """Score the agreement of clusters with all classes and of one cluster with the new class.

    ``only_labeled`` skips methods that do not use labels.
    """
    test = embedded["part"] != TRAIN
    is_new = embedded["part"][test] == NEW
    labels = np.where(test, "", y)
    result = {}
    for name, (key, given) in CLUSTERINGS.items():
        if (only_labeled and given == "none") or (given == WITHOUT_OTHER and OTHER not in y):
            continue
        if given == "none":
            result[name] = clustering(test.sum()).fit_predict(embedded[key][test])
            continue
        known = np.where(labels == OTHER, "", labels) if given == WITHOUT_OTHER else labels
        result[name] = clone(FINDER).fit(embedded[key], known).labels_[test]
    if not only_labeled:
        result["supervised"] = classify(embedded, y)
        result |= cluster_pixels(X[embedded["rows"]][test], len(np.unique(y[test])))
    return {name: score_clusters(labels, y[test], is_new) for name, labels in result.items()}


def clustering(n_samples: int) -> Pipeline:
    """Return HDBSCAN on 10 principal components, like ``discover`` without labels."""
    size = max(5, round(np.sqrt(n_samples) / 4))
    clusterer = HDBSCAN(size, min_samples=3, copy=True)
    return make_pipeline(Normalizer(), PCA(10, random_state=0), clusterer)


def classify(embedded: dict, y: np.ndarray) -> np.ndarray:
    """Predict classes after training with labels of four fifths of the new class.

    This is an upper bound on how well these embeddings separate known and new glitches.
    """
    E, part = embedded["embeddings"], embedded["part"]
    train, new = np.flatnonzero(part == TRAIN), np.flatnonzero(part == NEW)
    names, codes = np.unique(y, return_inverse=True)
    probabilities = np.zeros((len(y), len(names)))
    for labeled, others in KFold(5, shuffle=True, random_state=0).split(new):
        rows = np.concatenate([train, new[labeled]])
        head = LogisticRegression(C=10, max_iter=1000)
        n_axes = min(200, len(rows) - 1)
        model = make_pipeline(Normalizer(), PCA(n_axes, random_state=0), head)
        model.fit(E[rows], codes[rows])
        unseen = np.concatenate([np.flatnonzero(part == KNOWN), new[others]])
        probabilities[unseen] += model.predict_proba(E[unseen])
    return probabilities[part != TRAIN].argmax(axis=1)


def cluster_pixels(X: np.ndarray, n_clusters: int) -> dict:
    """Cluster pixels by k-means."""
    pixels = X.reshape(len(X), -1).astype(np.float32)
    result = {}
    for name, n_axes in PIXEL_BASELINES.items():
        values = pixels if n_axes is None else PCA(n_axes, random_state=0).fit_transform(pixels)
        result[name] = KMeans(n_clusters, n_init=3, random_state=0).fit_predict(values)
    return result


def experiment(embedded: dict, y: np.ndarray) -> dict:
    """Return the known class nearest to the new one, and false new clusters without a new class."""
    E, part = embedded["embeddings"], embedded["part"]
    labels = np.where(part == TRAIN, y, "")
    finder = clone(FINDER)
    new = finder.fit(E, labels).new_clusters_
    index = NearestNeighbors(n_neighbors=5, metric="cosine").fit(E[part != NEW])
    nearest = y[part != NEW][index.kneighbors(E[part == NEW], return_distance=False)]
    classes, counts = np.unique(nearest, return_counts=True)
    finder.fit(E[part != NEW], labels[part != NEW])
    n_known = int(np.sum(part == KNOWN))
    return {
        "new clusters": len(new),
        "nearest class of clusters": str(new["nearest_1"].iloc[0]) if len(new) else "",
        "nearest class": str(classes[counts.argmax()]),
        "fraction of nearest class": float(counts.max() / counts.sum()),
        "known in new clusters": int(finder.new_clusters_["size"].sum()) / n_known,
    }


def score_clusters(labels: np.ndarray, y: np.ndarray, is_new: np.ndarray) -> dict:
    """Compare clusters with classes. ARI and NMI count noise as one cluster."""
    inside = labels[is_new & (labels >= 0)]
    own = labels == np.bincount(inside).argmax() if len(inside) else np.zeros(len(labels), bool)
    return {
        "purity": float(is_new[own].mean()) if own.any() else 0.0,
        "recall": float(own[is_new].mean()),
        "ARI": float(adjusted_rand_score(y, labels)),
        "NMI": float(normalized_mutual_info_score(y, labels)),
        "noise": float(np.mean(labels < 0)),
    }


def means(runs: list[dict], task: str, data: str) -> list[dict]:
    """Return a row per method, with means over the held-out classes and draws."""
    rows = []
    for name in runs[0][task]:
        keys = runs[0][task][name]
        mean = {key: f"{np.mean([run[task][name][key] for run in runs]):.3f}" for key in keys}
        rows.append({"data": data, "runs": len(runs), "method": name, **mean})
    return rows


def hold_out(X: np.ndarray, y: np.ndarray, embedded: dict, each: int | None, draw: int) -> dict:
    """Return all results for one held-out class."""
    if each:
        embedded = draw_few(embedded, y[embedded["rows"]], each, draw)
    labels = y[embedded["rows"]]
    return {
        "accuracy of known": float(embedded["accuracy"]),
        "precision": str(embedded["precision"]),
        "learning rate": float(embedded["learning_rate"]),
        "novelty": novelty(embedded, labels),
        "clusters": clusters(embedded, X, labels, only_labeled=bool(each)),
        "experiment": experiment(embedded, labels),
    }


def run(options: argparse.Namespace) -> None:
    store = Store("discovery")
    tables: dict[str, list[dict]] = {"novelty": [], "clusters": []}
    for data in options.data:
        X, y, views = load(data, options.samples)
        size = "" if data == "real" else f"-{options.samples}"
        rate = options.learning_rate or "auto"
        if options.learning_rate:
            size += f"-rate-{rate:g}"
        if options.weights != "imagenet":
            size += f"-weights-{Path(options.weights).stem}"
        classes = [name for name in options.classes or np.unique(y).tolist() if name in y]
        runs = []
        for new, draw in product(classes, range(options.draws if options.each else 1)):
            few = f", {options.each} per class, draw {draw}" if options.each else ""
            key = f"{data}{size}{few} | {new}"
            if key not in store.runs:
                embedded = cached(
                    f"{data}{size}-{new}", embed, X, y, new, views, rate, options.weights
                )
                store.add(key, hold_out(X, y, embedded, options.each, draw))
            runs.append(store.runs[key])
            print(
                key, {n: round(r["AUROC"], 3) for n, r in runs[-1]["novelty"].items()}, flush=True
            )
        for task, rows in tables.items():
            rows += means(runs, task, data) if runs else []
    for task, rows in tables.items():
        print(f"\n{task}\n{table(rows)}" if rows else f"\n{task}: none of these classes")


def cost(n: int) -> None:
    """Measure the time and peak memory of fits to 1,280 features of 22 Gaussian clusters."""
    rng = np.random.default_rng(0)
    y = rng.integers(22, size=n)
    centers = rng.standard_normal((22, 1280), dtype=np.float32)
    X = centers[y] + rng.standard_normal((n, 1280), dtype=np.float32)
    few = np.where(np.arange(n) < n // 10, y, -1)
    steps = {
        **{name: (clone(DETECTORS[name]), y) for name in ("combined", "knn, k=5", "mahalanobis")},
        "clusters, no labels": (clustering(n), None),
        "clusters, a tenth labeled": (clone(FINDER), few),
        "index": (SimilarityIndex("exact"), None),
    }
    store = Store("discovery_cost")
    for name, (estimator, labels) in steps.items():
        key = f"{name} | {n}"
        if key in store.runs:
            continue
        start = time.perf_counter()
        estimator.fit(X) if labels is None else estimator.fit(X, labels)
        seconds = time.perf_counter() - start
        result = {"seconds": seconds, "peak memory in MB": peak_memory_mb()}
        store.add(key, result | {"threads": os.environ.get("OMP_NUM_THREADS", "all")})
    rows = [
        {
            "estimator | embeddings": name,
            "time [s]": f"{run['seconds']:.0f}",
            # Peak of the process so far, including the embeddings.
            "peak memory [MB]": f"{run['peak memory in MB']:.0f}",
            "threads": run["threads"],
        }
        for name, run in store.runs.items()
    ]
    print("\n" + table(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", nargs="+", choices=("real", "simulated"), default=["real", "simulated"]
    )
    parser.add_argument("--classes", nargs="+", default=None, help="to hold out, default: all")
    parser.add_argument("--samples", type=int, default=200, help="simulated glitches per class")
    parser.add_argument("--learning-rate", type=float, help="default: auto")
    parser.add_argument("--weights", default="imagenet", help="initial weights, a word or a file")
    parser.add_argument("--each", type=int, help="labels per known class")
    parser.add_argument("--draws", type=int, default=5, help="random choices of labels")
    parser.add_argument("--cost", action="store_true", help="measure time and memory instead")
    parser.add_argument("--rows", type=int, default=100_000, help="number of embeddings")
    options = parser.parse_args()
    if options.cost:
        cost(options.rows)
    else:
        run(options)


if __name__ == "__main__":
    main()
