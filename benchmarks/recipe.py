"""Which training recipe is the best default?

Each recipe changes one parameter of CNNClassifier. It is trained on k glitches per class and tested
on all others, over several seeds. All recipes share the same splits. The real glitches have five
classes and the 4 s view; with more than a few labels, nearly all recipes classify them correctly.
The simulated glitches have 22 classes and three views as color channels.

    python benchmarks/recipe.py [--data real simulated] [--labels 5 15] [--seeds 4]
        [--only NAME ...]
"""

from __future__ import annotations

import argparse
import time
from functools import lru_cache

import numpy as np
from _common import Store, interval, percent, real_glitches, table
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
# Simulated test glitches per class.
N_TEST = 40


@lru_cache(maxsize=1)
def load(data: str, n_each: int) -> tuple[np.ndarray, np.ndarray, dict]:
    """Return X, y and parameters of the classifier, with enough data for ``n_each`` per class."""
    if data == "simulated":
        n = 22 * (n_each + N_TEST)
        X, y = make_glitches(n, weights="balanced", random_state=0, n_jobs=-1, return_X_y=True)
        return X, y, {"views": "channels"}
    return *real_glitches(), {}


def few_labels(y: np.ndarray, n_each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of ``n_each`` training samples per class, and all other rows."""
    rng = np.random.RandomState(seed)
    train = np.concatenate(
        [rng.permutation(np.flatnonzero(y == label))[:n_each] for label in np.unique(y)]
    )
    return train, np.setdiff1d(np.arange(len(y)), train)


def run(data: str, recipe: dict, n_each: int, seed: int) -> dict:
    """Accuracy, log loss and training time of one recipe on one split."""
    X, y, views = load(data, n_each)
    train, test = few_labels(y, n_each, seed)
    start = time.perf_counter()
    classifier = CNNClassifier(random_state=seed, **views, **recipe).fit(X[train], y[train])
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
                runs = [
                    store.get(
                        f"{data} | {name} | {n_each} per class | seed {seed}",
                        run, data, RECIPES[name], n_each, seed,
                    )
                    for seed in range(options.seeds)
                ]  # fmt: skip
                rows.append(summary(runs, data, name, n_each))
                print(table(rows[-1:]), flush=True)
    print("\n" + table(rows))


def summary(runs: list[dict], data: str, name: str, n_each: int) -> dict:
    """Means with intervals over seeds."""
    return {
        "data": data,
        "labels per class": n_each,
        "recipe": name,
        "accuracy [%]": percent(r["accuracy"] for r in runs),
        "log loss": interval([r["log_loss"] for r in runs], 3),
        "time [s]": f"{np.mean([r['seconds'] for r in runs]):.0f}",
    }


if __name__ == "__main__":
    main()
