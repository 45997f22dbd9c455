"""Accuracy by engine and precision on real glitches, without a GPU.

Embeddings of frozen nets are compared with those of torch in float32: cosine, nearest neighbors,
accuracy of a logistic regression over five draws of labels, and detection of each class as novel.
Nets that were fine-tuned on five labels per class and the ready-made model are compared by their
labels. ``int8`` is calibrated on other glitches than the
test has: simulated ones for the ready-made model, the training glitches for fine-tuned nets, one
half of the real ones for frozen nets.

    python benchmarks/precision.py [--backbones NAME ...] [--seeds 5] [--results NAME]
"""

from __future__ import annotations

import argparse

import numpy as np
from _common import DATA, Store, interval, mean_interval, real_glitches, table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.neighbors import NearestNeighbors

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import load_gravity_spy, make_glitches
from skglitch.discovery import NoveltyDetector

WAYS = {
    "torch float32": {"engine": "torch", "precision": "float32"},
    "OpenVINO float32": {"engine": "openvino", "precision": "float32"},
    "torch bfloat16": {"engine": "torch", "precision": "bfloat16"},
    "OpenVINO bfloat16": {"engine": "openvino", "precision": "bfloat16"},
    "OpenVINO int8": {"engine": "openvino", "precision": "int8"},
}
FILES = {"squeezenet1_1": DATA / "weights" / "squeezenet1_1-imagenet.pth"}


def compare(backbone: str, run: str, n_seeds: int) -> list[dict]:
    """Return a row for each way to compute the embeddings of the glitches of a run."""
    X, y = real_glitches(run)
    weights = FILES.get(backbone, "imagenet")
    embeddings = {
        how: TruncatedCNNTransformer(backbone, weights=weights, **way).fit(X[::2]).transform(X)
        for how, way in WAYS.items()
    }
    exact = embeddings["torch float32"]
    return [{"how": how, **describe(z, exact, y, n_seeds)} for how, z in embeddings.items()]


def describe(z: np.ndarray, exact: np.ndarray, y: np.ndarray, n_seeds: int) -> dict:
    """Return what embeddings are worth, and how they differ from the exact ones."""
    cosines = (z * exact).sum(1) / np.linalg.norm(z, axis=1) / np.linalg.norm(exact, axis=1)
    draws = StratifiedShuffleSplit(n_seeds, train_size=5 * len(np.unique(y)), random_state=0).split(
        z, y
    )
    scores = [
        LogisticRegression(max_iter=1000).fit(z[few], y[few]).score(z[rest], y[rest])
        for few, rest in draws
    ]
    aurocs = [auroc_of_novelty(z, y, label) for label in np.unique(y)]
    kept = [len({*a} & {*b}) / 5 for a, b in zip(nearest(z), nearest(exact), strict=True)]
    return {
        "accuracy in %": f"{100 * mean_interval(scores)[0]:.1f}",
        "novelty AUROC": f"{np.mean(aurocs):.3f}",
        "5 nearest kept in %": f"{100 * np.mean(kept):.0f}",
        "lowest cosine": f"{cosines.min():.4f}",
        "mean cosine": f"{cosines.mean():.4f}",
    }


def auroc_of_novelty(z: np.ndarray, y: np.ndarray, new: str) -> float:
    """Return how well a class is told from known ones, half of which the detector has seen."""
    known = np.flatnonzero(y != new)
    detector = NoveltyDetector(random_state=0).fit(z[known[::2]], y[known[::2]])
    test = np.concatenate([known[1::2], np.flatnonzero(y == new)])
    return roc_auc_score(y[test] == new, -detector.score_samples(z[test]))


def nearest(z: np.ndarray) -> np.ndarray:
    return NearestNeighbors(n_neighbors=6).fit(z).kneighbors(return_distance=False)[:, :5]


def ready_made() -> list[dict]:
    """Return a row for each way to classify the pictures of O1 with the ready-made model."""
    X, y = load_gravity_spy(DATA / "gravity_spy_o1", return_X_y=True, progress=False)
    images, _ = make_glitches(3, return_X_y=True, random_state=0)
    rows, expected = [], None
    for how, way in WAYS.items():
        model = skglitch.load_pretrained(device="cpu").set_params(**way)
        model.calibration_images_ = images[:64]
        y_prob = model.predict_proba(X)
        expected = y_prob if expected is None else expected
        top = np.argsort(-y_prob, axis=1)[:, :5]
        rows.append(
            {
                "how": how,
                "top-1 in %": f"{100 * np.mean(model.classes_[top[:, 0]] == y):.1f}",
                "top-5 in %": f"{100 * np.mean((model.classes_[top] == y[:, None]).any(1)):.1f}",
                "same label in %": f"{100 * np.mean(top[:, 0] == expected.argmax(1)):.1f}",
                "largest change": f"{abs(y_prob - expected).max():.1e}",
            }
        )
    return rows


def fine_tuned(run: str, seed: int) -> dict:
    """Return the accuracy and the change of probabilities of a fine-tuned net, for each way."""
    X, y = real_glitches(run)
    draw = StratifiedShuffleSplit(1, train_size=5 * len(np.unique(y)), random_state=seed)
    train, test = next(draw.split(X, y))
    model = CNNClassifier(precision="int8", device="cpu", random_state=seed).fit(X[train], y[train])
    result, expected = {}, None
    for how, way in WAYS.items():
        y_prob = model.set_params(**way).predict_proba(X[test])
        expected = y_prob if expected is None else expected
        right = np.mean(model.classes_[y_prob.argmax(1)] == y[test])
        result[how] = {"accuracy": float(right), "change": float(abs(y_prob - expected).max())}
    return result


def rows_of_seeds(runs: list[dict]) -> list[dict]:
    """Return a row for each way, over the seeds."""
    accuracy = {how: [100 * run[how]["accuracy"] for run in runs] for how in WAYS}
    return [
        {
            "how": how,
            "accuracy in %": interval(accuracy[how]),
            "difference in %": interval(np.subtract(accuracy[how], accuracy["torch float32"])),
            "largest change": f"{max(run[how]['change'] for run in runs):.1e}",
        }
        for how in WAYS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    nets = ["efficientnet_lite0", "efficientnet_lite2", "squeezenet1_1"]
    parser.add_argument("--backbones", nargs="*", default=nets)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--results", default="precision", help="name of the file of results")
    options = parser.parse_args()
    store = Store(options.results)
    for backbone in options.backbones:
        for run in ("o1", "o3"):
            key = f"{backbone}, {run}"
            rows = store.get(key, compare, backbone, run, options.seeds)
            print(f"{key}\n{table(rows)}\n", flush=True)
    for run in ("o1", "o3"):
        seeds = [
            store.get(f"fine-tuned, {run}, seed {seed}", fine_tuned, run, seed)
            for seed in range(options.seeds)
        ]
        print(f"fine-tuned, {run}\n{table(rows_of_seeds(seeds))}\n", flush=True)
    print("ready-made model, O1\n" + table(store.get("ready-made, o1", ready_made)))


if __name__ == "__main__":
    main()
