"""Which training recipe is the best default?

Each recipe changes one thing in the defaults of CNNClassifier. It is trained on k glitches a
class and tested on all others, over seeds; the splits are the same for all recipes. Real glitches
are of five classes, in the view of 4 s, and with more than a few labels nearly all recipes are
right about them; the simulated ones are of 22 classes, with a view in each color.

    python benchmarks/recipe.py [--data real simulated] [--labels 5 15] [--seeds 4]
        [--only NAME ...]
"""

from __future__ import annotations

import argparse
import time
from functools import lru_cache

import numpy as np
from _common import Store, mean_interval, real_glitches, table
from sklearn.metrics import log_loss

from skglitch import CNNClassifier
from skglitch.datasets import make_glitches

RECIPES = {
    "default": {},
    "learning_rate=3e-4": {"learning_rate": 3e-4},
    "learning_rate=1e-3": {"learning_rate": 1e-3},
    "learning_rate=3e-3": {"learning_rate": 3e-3},
    "learning_rate=6e-3": {"learning_rate": 6e-3},
    "label_smoothing=0.1": {"net_params": {"criterion__label_smoothing": 0.1}},
    "augment=False": {"augment": False},
    "fine_tune=head": {"fine_tune": "head", "learning_rate": 1e-2},
    "fine_tune=blocks.4": {"fine_tune": "blocks.4"},
    "weight_decay=0": {"net_params": {"optimizer__weight_decay": 0.0}},
}
# Simulated glitches of each class that are tested on.
_TESTED = 40


@lru_cache(maxsize=1)
def load(data: str, n_each: int) -> tuple[np.ndarray, np.ndarray, dict]:
    """X, y and how the net sees views; of simulated ones, ``n_each`` a class to train on."""
    if data == "simulated":
        n = 22 * (n_each + _TESTED)
        X, y = make_glitches(n, weights="balanced", random_state=0, n_jobs=-1, return_X_y=True)
        return X, y, {"views": "channels"}
    return *real_glitches(), {}


def few_labels(y: np.ndarray, n_each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, ``n_each`` a class, and all others."""
    rng = np.random.RandomState(seed)
    train = np.concatenate(
        [rng.permutation(np.flatnonzero(y == label))[:n_each] for label in np.unique(y)]
    )
    return train, np.setdiff1d(np.arange(len(y)), train)


def run(X: np.ndarray, y: np.ndarray, recipe: dict, n_each: int, seed: int) -> dict:
    """Accuracy, log-loss and seconds of one recipe on one split."""
    train, test = few_labels(y, n_each, seed)
    start = time.perf_counter()
    classifier = CNNClassifier(random_state=seed, **recipe).fit(X[train], y[train])
    seconds = time.perf_counter() - start
    probabilities = classifier.predict_proba(X[test])
    return {
        "accuracy": float(np.mean(classifier.classes_[probabilities.argmax(1)] == y[test])),
        "log_loss": float(log_loss(y[test], probabilities, labels=classifier.classes_)),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=("real", "simulated"), default=["real"])
    parser.add_argument("--labels", type=int, nargs="+", default=[5, 15])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=list(RECIPES))
    options = parser.parse_args()
    store = Store("recipe")
    rows = []
    for data in options.data:
        for n_each in options.labels:
            for name in options.only:
                runs = []
                for seed in range(options.seeds):
                    key = f"{data} | {name} | {n_each} a class | seed {seed}"
                    if key not in store:  # Nothing is loaded, or simulated, for what is there.
                        X, y, views = load(data, n_each)
                        store.add(key, run(X, y, views | RECIPES[name], n_each, seed))
                    runs.append(store.runs[key])
                rows.append(summary(runs, data, name, n_each))
                print(table(rows[-1:]), flush=True)
    print("\n" + table(rows))


def summary(runs: list[dict], data: str, name: str, n_each: int) -> dict:
    """Means over seeds, with intervals."""
    row = {"data": data, "labels a class": n_each, "recipe": name}
    for what, factor, digits in (("accuracy", 100, 1), ("log_loss", 1, 3)):
        mean, half = mean_interval([factor * r[what] for r in runs])
        row[what] = f"{mean:.{digits}f} ± {half:.{digits}f}"
    return row | {"seconds": f"{np.mean([r['seconds'] for r in runs]):.0f}"}


if __name__ == "__main__":
    main()
