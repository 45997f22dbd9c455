"""How well a classifier tells simulated from real pictures of the same class.

The closer its area under the curve is to 0.5, the more honest is the simulation. The classifier is
a logistic regression on the features of the default network, which has seen no glitches. Each
picture is scored by a classifier that was trained without its glitch.

    python benchmarks/real_or_simulated.py [--per-class 40] [--seeds 2] [--name now]
"""

from __future__ import annotations

import argparse

import numpy as np
from _common import DATA, Store, strain_glitches, table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from skglitch import TruncatedCNNTransformer
from skglitch.datasets import load_gravity_spy, make_glitches
from skglitch.spectrograms import QTransformer


def real_views() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all real pictures, one view each, with their class and the number of the glitch."""
    views, labels, groups = [], [], []
    for folder in ("gravity_spy_22", "gravity_spy_o1", "gravity_spy_o3"):
        options = {"durations": None, "missing": "fill", "progress": False}
        bunch = load_gravity_spy(DATA / folder, **options)
        rows, columns = np.nonzero(~bunch.missing_views)
        views.append(bunch.data[rows, columns])
        labels.append(bunch.target[rows])
        groups.append(rows + sum(len(set(g)) for g in groups))
    strain, classes = strain_glitches()
    data = QTransformer(4096).transform(strain)
    views.append(data.reshape(-1, *data.shape[2:]))
    labels.append(np.repeat(classes, data.shape[1]))
    groups.append(np.repeat(np.arange(len(data)), data.shape[1]) + 10_000)
    return np.concatenate(views), np.concatenate(labels).astype(str), np.concatenate(groups)


def run(n_per_class: int, seed: int) -> dict[str, dict[str, float]]:
    """Return the area under the curve and the number of real glitches of each class."""
    views, labels, groups = real_views()
    classes = sorted(set(labels))
    simulated = make_glitches(
        n_per_class * len(classes),
        classes=classes,
        weights="balanced",
        random_state=seed,
        n_jobs=-1,
        progress=True,
    )
    n_views = simulated.data.shape[1]
    X = np.concatenate([views, simulated.data.reshape(-1, *views.shape[1:])])
    y = np.concatenate([labels, np.repeat(simulated.target, n_views)])
    groups = np.concatenate([groups, 20_000 + np.repeat(np.arange(len(simulated.data)), n_views)])
    is_real = np.arange(len(X)) < len(views)
    embeddings = TruncatedCNNTransformer().fit_transform(X[:, None])
    result = {}
    for label in classes:
        rows = y == label
        n_real = len(set(groups[rows & is_real]))
        scores = cross_val_predict(
            LogisticRegression(class_weight="balanced", max_iter=2000),
            embeddings[rows],
            is_real[rows],
            groups=groups[rows],
            cv=StratifiedGroupKFold(min(5, n_real), shuffle=True, random_state=seed),
            method="decision_function",
        )
        area = float(roc_auc_score(is_real[rows], scores))
        result[label] = {"real glitches": n_real, "area under the curve": round(area, 3)}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--per-class", type=int, default=40, help="simulated glitches per class")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--name", default="now", help="name of this version of the simulation")
    options = parser.parse_args()
    store = Store("real_or_simulated")
    for seed in range(options.seeds):
        key = f"{options.name} | {options.per_class} per class | seed {seed}"
        found = store.get(key, run, options.per_class, seed)
        rows = [{"class": label, **values} for label, values in found.items()]
        print(key + "\n" + table(rows))


if __name__ == "__main__":
    main()
