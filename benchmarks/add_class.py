"""Does a classifier forget old classes when a new one is added?

Each class of the real glitches (two of the first observing run, three of the third, 4 s view) is
left out of training in turn and then added by ``add_classes`` from 1, 5 and 10 glitches. The table
shows the accuracy on the old classes before and after, and the recall and precision of the new
class. A classifier trained on all classes gives the upper bound.

    python benchmarks/add_class.py [--seeds 1]
"""

from __future__ import annotations

import argparse
import copy
import time

import numpy as np
from _common import Store, percent, real_glitches, table
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import train_test_split

from skglitch import CNNClassifier

COUNTS = (1, 5, 10)
ALL = "all, trained together"


def scores(model: CNNClassifier, X: np.ndarray, y: np.ndarray, new: str) -> dict:
    """Accuracy on the old classes, and recall and precision of the new class."""
    predicted = model.predict(X)
    old = y != new
    return {
        "old": float(np.mean(predicted[old] == y[old])),
        "recall": float(recall_score(y == new, predicted == new)),
        "precision": float(precision_score(y == new, predicted == new, zero_division=0.0)),
    }


def run(X: np.ndarray, y: np.ndarray, new: str, seed: int) -> dict:
    """Leave one class out, then add it."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=0.7, stratify=y, random_state=seed
    )
    old = y_train != new
    base = CNNClassifier(random_state=seed).fit(X_train[old], y_train[old])
    kept = y_test != new
    result = {"before": {"old": float(base.score(X_test[kept], y_test[kept]))}}
    rows = np.random.RandomState(seed).permutation(np.flatnonzero(~old))
    for n in COUNTS:
        start = time.perf_counter()
        extended = copy.deepcopy(base).add_classes(X_train[rows[:n]], y_train[rows[:n]])
        seconds = time.perf_counter() - start
        result[str(n)] = scores(extended, X_test, y_test, new) | {"seconds": seconds}
    together = CNNClassifier(random_state=seed).fit(X_train, y_train)
    result[ALL] = scores(together, X_test, y_test, new)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    X, y = real_glitches()
    store = Store("add_class")
    runs = []
    for seed in range(options.seeds):
        for new in np.unique(y):
            key = f"{new} | seed {seed}"
            runs.append(store.get(key, run, X, y, new, seed))
            print(key, {n: runs[-1][n] for n in map(str, COUNTS)}, flush=True)
    rows = []
    for count in ("before", *map(str, COUNTS), ALL):
        row = {"glitches of the new class": count}
        for name in ("old", "recall", "precision"):
            values = [r[count][name] for r in runs if name in r[count]]
            row[f"{name} [%]"] = percent(values) if values else ""
        seconds = [r[count]["seconds"] for r in runs if "seconds" in r[count]]
        row["time [s]"] = f"{np.mean(seconds):.1f}" if seconds else ""
        rows.append(row)
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
