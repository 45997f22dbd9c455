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
    python benchmarks/discovery.py --cost [--rows 100000]

With ``--each``, detectors and finders get the labels of only N glitches per class, drawn anew in
each draw. The nets are the same.

Embeddings are stored in ``--cache``, by default in the cache folder of skglitch, so methods can
be changed without training again. OMP_NUM_THREADS sets the number of threads.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import product
from pathlib import Path

import numpy as np
from _common import Store, peak_memory_mb, real_glitches, table
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
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import get_data_home, make_glitches
from skglitch.discovery import NewClassFinder, NoveltyDetector, SimilarityIndex

TRAIN, KNOWN, NEW = 0, 1, 2
# Glitches with this label are of no known kind, though they have a label.
NO_KIND = "None_of_the_Above"
DETECTORS = {
    "combined": NoveltyDetector(random_state=0),
    "knn, k=1": NoveltyDetector("knn", n_neighbors=1),
    "knn, k=5": NoveltyDetector("knn"),
    "mahalanobis": NoveltyDetector("mahalanobis", random_state=0),
    "energy": NoveltyDetector("energy", random_state=0),
}
# Which embeddings, what labels of the training set are given, and with what. "kinds" are all labels
# but NO_KIND.
FINDERS = {
    "guided": ("embeddings", "all", NewClassFinder(n_resamples=0, random_state=0)),
    "guided, kinds": ("embeddings", "kinds", NewClassFinder(n_resamples=0, random_state=0)),
    "no labels": ("embeddings", "none", None),
    "untuned, guided": ("untuned", "all", NewClassFinder(n_resamples=0, random_state=0)),
    "untuned": ("untuned", "none", None),
}
# They are told how many classes there are.
PIXEL_BASELINES = {"KMeans, pixels": None, "KMeans, PCA of pixels": 50}


def load(data: str, samples: int, cache: Path) -> tuple[np.ndarray, np.ndarray, object]:
    """X, y and how the net sees views."""
    if data == "real":
        return *real_glitches(), "mosaic"
    path = cache / f"simulated-{samples}.npz"
    if not path.exists():
        options = {"weights": "balanced", "n_jobs": -1, "progress": True}
        known = make_glitches(22 * samples, random_state=0, **options)
        mirror = make_glitches(samples, classes=["Reverse_Chirp"], random_state=1, **options)
        write(
            path,
            X=np.concatenate([known.data, mirror.data]),
            y=np.concatenate([known.target, mirror.target]),
        )
    with np.load(path) as file:
        return file["X"], file["y"], "channels"


def write(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp.npz")
    np.savez(draft, **arrays)
    draft.replace(path)


def embed(
    X: np.ndarray, y: np.ndarray, new: str, views: object, rate: float | str, path: Path
) -> dict:
    """Tune a net without one class, and embed all."""
    if not path.exists():
        known = np.flatnonzero(y != new)
        train, test = train_test_split(known, test_size=0.2, stratify=y[known], random_state=0)
        classifier = CNNClassifier(views=views, learning_rate=rate, random_state=0)
        classifier.fit(X[train], y[train])
        parts = (train, test, np.flatnonzero(y == new))
        rows = np.concatenate(parts)
        write(
            path,
            rows=rows,
            part=np.repeat([TRAIN, KNOWN, NEW], [len(part) for part in parts]),
            embeddings=TruncatedCNNTransformer(classifier).fit_transform(X[rows]),
            untuned=TruncatedCNNTransformer(views=views).fit_transform(X[rows]),
            accuracy=np.mean(classifier.predict(X[test]) == y[test]),
            precision=str(classifier.net_.compute_dtype).removeprefix("torch."),
            learning_rate=classifier.net_.lr,
        )
    with np.load(path) as file:
        return dict(file)


def draw_few(embedded: dict, y: np.ndarray, each: int, draw: int) -> dict:
    """Leave out all but some of each class of the training set; y is of the rows embedded."""
    drawn = np.random.default_rng(draw).permutation(np.flatnonzero(embedded["part"] == TRAIN))
    few = [drawn[y[drawn] == label][:each] for label in np.unique(y[drawn])]
    kept = np.sort(np.concatenate([*few, np.flatnonzero(embedded["part"] != TRAIN)]))
    by_row = ("rows", "part", "embeddings", "untuned")
    return {key: value[kept] if key in by_row else value for key, value in embedded.items()}


def novelty(embedded: dict, y: np.ndarray) -> dict:
    """Area under the ROC curve, and share of known and of new ones called novel."""
    judged = {name: detect(detector, embedded, y) for name, detector in DETECTORS.items()}
    result = {name: alone for name, (alone, _) in judged.items()}
    result["combined, together"] = judged["combined"][1]
    if NO_KIND in y:
        # They are neither learned as known nor expected to be called so; held out, they are new.
        kinds = (y != NO_KIND) | (embedded["part"] == NEW)
        of_kinds = {key: embedded[key][kinds] for key in ("part", "embeddings")}
        alone, together = detect(DETECTORS["combined"], of_kinds, y[kinds])
        result |= {"combined, kinds": alone, "combined, kinds, together": together}
    return result


def detect(detector: NoveltyDetector, embedded: dict, y: np.ndarray) -> tuple[dict, dict]:
    """How well a detector that has learned the training set judges the rest, alone and together."""
    part, E = embedded["part"], embedded["embeddings"]
    train, shown = part == TRAIN, part != TRAIN
    is_known = part[shown] == KNOWN
    detector = clone(detector).fit(E[train], y[train])
    together = clone(detector).set_params(n_together=6).fit(E[train], y[train])
    return (
        score_novelty(is_known, detector.score_samples(E[shown]), detector.offset_),
        score_novelty(is_known, together.score_samples(E[shown]), together.offset_),
    )


def score_novelty(is_known: np.ndarray, scores: np.ndarray, threshold: float) -> dict:
    novel = scores < threshold
    return {
        "AUROC": float(roc_auc_score(is_known, scores)),
        "false alarms": float(novel[is_known].mean()),
        "found": float(novel[~is_known].mean()),
    }


def clusters(embedded: dict, X: np.ndarray, y: np.ndarray, by_labels: bool = False) -> dict:
    """How well clusters fit the classes, and one of them the new class.

    ``by_labels`` leaves out what takes no labels.
    """
    shown = embedded["part"] != TRAIN
    is_new = embedded["part"][shown] == NEW
    labels = np.where(shown, "", y)
    found = {}
    for name, (key, given, finder) in FINDERS.items():
        if (by_labels and given == "none") or (given == "kinds" and NO_KIND not in y):
            continue
        if given == "none":
            found[name] = cluster_without_labels(embedded[key][shown])
            continue
        known = np.where(labels == NO_KIND, "", labels) if given == "kinds" else labels
        found[name] = clone(finder).fit(embedded[key], known).labels_[shown]
    if not by_labels:
        found["told"] = tell(embedded, y)
        found |= cluster_pixels(X[embedded["rows"]][shown], len(np.unique(y[shown])))
    return {name: score_clusters(labels, y[shown], is_new) for name, labels in found.items()}


def cluster_without_labels(E: np.ndarray) -> np.ndarray:
    """Cluster by density along 10 principal axes, like ``discover`` without labels."""
    size = max(5, round(np.sqrt(len(E)) / 4))
    clusterer = HDBSCAN(size, min_samples=3, copy=True)
    return make_pipeline(Normalizer(), PCA(10, random_state=0), clusterer).fit_predict(E)


def tell(embedded: dict, y: np.ndarray) -> np.ndarray:
    """Classes as a classifier tells them that knows four fifths of the new one by name.

    It is how well known and new glitches can be told apart by what this net reads.
    """
    E, part = embedded["embeddings"], embedded["part"]
    train, new = np.flatnonzero(part == TRAIN), np.flatnonzero(part == NEW)
    names, codes = np.unique(y, return_inverse=True)
    probabilities = np.zeros((len(y), len(names)))
    for told, others in KFold(5, shuffle=True, random_state=0).split(new):
        rows = np.concatenate([train, new[told]])
        head = LogisticRegression(C=10, max_iter=1000)
        n_axes = min(200, len(rows) - 1)
        model = make_pipeline(Normalizer(), PCA(n_axes, random_state=0), head)
        model.fit(E[rows], codes[rows])
        # Of glitches that the model has not seen.
        unseen = np.concatenate([np.flatnonzero(part == KNOWN), new[others]])
        probabilities[unseen] += model.predict_proba(E[unseen])
    return probabilities[part != TRAIN].argmax(axis=1)


def cluster_pixels(X: np.ndarray, n_clusters: int) -> dict:
    """Clusters of baselines that take pixels as they are."""
    pixels = X.reshape(len(X), -1).astype(np.float32)
    found = {}
    for name, n_axes in PIXEL_BASELINES.items():
        places = pixels if n_axes is None else PCA(n_axes, random_state=0).fit_transform(pixels)
        found[name] = KMeans(n_clusters, n_init=3, random_state=0).fit_predict(places)
    return found


def experiment(embedded: dict, y: np.ndarray) -> dict:
    """The paper's: what the new class is near to; and what is called new where nothing is."""
    E, part = embedded["embeddings"], embedded["part"]
    labels = np.where(part == TRAIN, y, "")
    finder = NewClassFinder(n_resamples=0, random_state=0)
    new = finder.fit(E, labels).new_clusters_
    index = NearestNeighbors(n_neighbors=5, metric="cosine").fit(E[part != NEW])
    nearest = y[part != NEW][index.kneighbors(E[part == NEW], return_distance=False)]
    classes, counts = np.unique(nearest, return_counts=True)
    finder.fit(E[part != NEW], labels[part != NEW])
    n_known = int(np.sum(part == KNOWN))
    return {
        "new clusters": len(new),
        "most alike": str(new["nearest_1"].iloc[0]) if len(new) else "",
        "nearest known": str(classes[counts.argmax()]),
        "nearest known, share": float(counts.max() / counts.sum()),
        "called new without it": int(finder.new_clusters_["size"].sum()) / n_known,
    }


def score_clusters(labels: np.ndarray, y: np.ndarray, is_new: np.ndarray) -> dict:
    """Noise counts as one group of all, as the indices have no other place for it."""
    inside = labels[is_new & (labels >= 0)]
    own = labels == np.bincount(inside).argmax() if len(inside) else np.zeros(len(labels), bool)
    return {
        "purity": float(is_new[own].mean()) if own.any() else 0.0,
        "recall": float(own[is_new].mean()),
        "ARI": float(adjusted_rand_score(y, labels)),
        "NMI": float(normalized_mutual_info_score(y, labels)),
        "in none": float(np.mean(labels < 0)),
    }


def means(runs: list[dict], kind: str, data: str) -> list[dict]:
    """A row a method: means over the classes that were held out, and draws."""
    rows = []
    for name in runs[0][kind]:
        keys = runs[0][kind][name]
        mean = {key: f"{np.mean([run[kind][name][key] for run in runs]):.3f}" for key in keys}
        rows.append({"data": data, "runs": len(runs), "method": name, **mean})
    return rows


def hold_out(X: np.ndarray, y: np.ndarray, embedded: dict, each: int | None, draw: int) -> dict:
    """All results of one class that was held out."""
    if each:
        embedded = draw_few(embedded, y[embedded["rows"]], each, draw)
    labels = y[embedded["rows"]]
    return {
        "accuracy of known": float(embedded["accuracy"]),
        "precision": str(embedded["precision"]),
        "learning rate": float(embedded["learning_rate"]),
        "novelty": novelty(embedded, labels),
        "clusters": clusters(embedded, X, labels, by_labels=bool(each)),
        "experiment": experiment(embedded, labels),
    }


def run(options: argparse.Namespace) -> None:
    store = Store("discovery")
    tables: dict[str, list[dict]] = {"novelty": [], "clusters": []}
    for data in options.data:
        X, y, views = load(data, options.samples, options.cache)
        size = "" if data == "real" else f"-{options.samples}"
        rate = options.learning_rate or "auto"
        if options.learning_rate:
            size += f"-rate-{rate:g}"
        classes = [name for name in options.classes or np.unique(y).tolist() if name in y]
        runs = []
        for new, draw in product(classes, range(options.draws if options.each else 1)):
            few = f", {options.each} a class, draw {draw}" if options.each else ""
            key = f"{data}{size}{few} | {new}"
            if key not in store:
                cached = options.cache / f"{data}{size}-{new}.npz"
                embedded = embed(X, y, new, views, rate, cached)
                store.add(key, hold_out(X, y, embedded, options.each, draw))
            runs.append(store.runs[key])
            print(
                key, {n: round(r["AUROC"], 3) for n, r in runs[-1]["novelty"].items()}, flush=True
            )
        for kind, rows in tables.items():
            rows += means(runs, kind, data) if runs else []
    for kind, rows in tables.items():
        print(f"\n{kind}\n{table(rows)}" if rows else f"\n{kind}: none of these classes")


def cost(n: int) -> None:
    """Seconds and peak memory for many embeddings of 1,280 numbers, of 22 blobs."""
    rng = np.random.default_rng(0)
    y = rng.integers(22, size=n)
    centers = rng.standard_normal((22, 1280), dtype=np.float32)
    X = centers[y] + rng.standard_normal((n, 1280), dtype=np.float32)
    few = np.where(np.arange(n) < n // 10, y, -1)
    steps = {
        **{name: (clone(DETECTORS[name]), y) for name in ("combined", "knn, k=5", "mahalanobis")},
        "clusters, no labels": (
            make_pipeline(Normalizer(), PCA(10, random_state=0), HDBSCAN(79, min_samples=3)),
            None,
        ),
        "clusters, a tenth labeled": (NewClassFinder(n_resamples=0, random_state=0), few),
        "index": (SimilarityIndex("exact"), None),
    }
    store = Store("discovery_cost")
    for name, (estimator, labels) in steps.items():
        key = f"{name} | {n}"
        if key in store:
            continue
        start = time.perf_counter()
        estimator.fit(X) if labels is None else estimator.fit(X, labels)
        seconds = time.perf_counter() - start
        result = {"seconds": seconds, "peak memory in MB": peak_memory_mb()}
        store.add(key, result | {"threads": os.environ.get("OMP_NUM_THREADS", "all")})
    rows = [
        {
            "fit, embeddings": name,
            "seconds": f"{run['seconds']:.0f}",
            # Of the process so far, the embeddings included.
            "peak memory in MB": f"{run['peak memory in MB']:.0f}",
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
    parser.add_argument("--classes", nargs="+", default=None, help="held out; default: each")
    parser.add_argument("--samples", type=int, default=200, help="simulated glitches a class")
    parser.add_argument("--learning-rate", type=float, help="of the nets; default: auto")
    parser.add_argument("--each", type=int, help="known glitches a class that have a label")
    parser.add_argument("--draws", type=int, default=5, help="of glitches with a label")
    parser.add_argument("--cache", type=Path, default=get_data_home() / "benchmarks")
    parser.add_argument("--cost", action="store_true", help="time and memory instead")
    parser.add_argument("--rows", type=int, default=100_000, help="embeddings of --cost")
    options = parser.parse_args()
    if options.cost:
        cost(options.rows)
    else:
        run(options)


if __name__ == "__main__":
    main()
