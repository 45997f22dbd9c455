"""Cross-validated accuracy on real glitches, over several seeds.

On ``gravity_spy_o3`` (three classes, 4 s view): fine-tuned from ImageNet weights, trained from
random weights, and LogisticRegression on pretrained features. On ``gravity_spy_o1`` (two classes,
four views): each value of ``views``.

    python benchmarks/cross_validate.py [--data o3 o1] [--seeds 3] [--only NAME ...]

Every fold is stored when it finishes, so an interrupted run can be resumed.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from _common import DATA, Store, interval, table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import load_gravity_spy


def _frozen(**params):
    return make_pipeline(TruncatedCNNTransformer(**params), LogisticRegression(max_iter=2000))


DATA_SETS = {
    "o3": ("gravity_spy_o3", (4.0,)),
    "o1": ("gravity_spy_o1", (0.5, 1.0, 2.0, 4.0)),
}
MODELS = {
    "o3": {
        "fine-tuned": CNNClassifier(),
        "random weights": CNNClassifier(weights=None),
        "frozen features": _frozen(),
    },
    "o1": {
        "mosaic": CNNClassifier(views="mosaic"),
        "channels": CNNClassifier(views="channels"),
        "separate": CNNClassifier(views="separate"),
        "0.5 s": CNNClassifier(views=0.5),
        "1 s": CNNClassifier(views=1.0),
        "2 s": CNNClassifier(views=2.0),
        "4 s": CNNClassifier(views=4.0),
        "mosaic, frozen features": _frozen(views="mosaic"),
    },
}


def _seeded(model, seed: int):
    names = [name for name in model.get_params() if name.split("__")[-1] == "random_state"]
    return model.set_params(**dict.fromkeys(names, seed))


def run(model, X: np.ndarray, y: np.ndarray, seed: int, fold: int) -> dict:
    """Errors, log loss and training time of one fold."""
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    train, test = list(folds.split(X, y))[fold]
    start = time.perf_counter()
    model = _seeded(model, seed).fit(X[train], y[train])
    seconds = time.perf_counter() - start
    probabilities = model.predict_proba(X[test]).astype(float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    wrong = test[model.classes_[probabilities.argmax(1)] != y[test]]
    return {
        "n_test": len(test),
        "wrong": wrong.tolist(),
        "log_loss": float(log_loss(y[test], probabilities, labels=model.classes_)),
        "seconds": seconds,
    }


def summary(runs: dict[int, list[dict]], data: str, name: str) -> dict:
    """Means with intervals over seeds, where each seed is one full cross-validation."""
    accuracy = [
        100 * (1 - sum(len(r["wrong"]) for r in folds) / sum(r["n_test"] for r in folds))
        for folds in runs.values()
    ]
    losses = [np.mean([r["log_loss"] for r in folds]) for folds in runs.values()]
    seconds = np.mean([r["seconds"] for folds in runs.values() for r in folds])
    return {
        "data": data,
        "model": name,
        "accuracy [%]": interval(accuracy, 2),
        "log loss": interval(losses, 3),
        "time per fit [s]": f"{seconds:.0f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=DATA_SETS, default=list(DATA_SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=None, help="names of models")
    options = parser.parse_args()
    rows = []
    for data in options.data:
        folder, durations = DATA_SETS[data]
        X, y = load_gravity_spy(DATA / folder, durations=durations, return_X_y=True)
        store = Store(f"cross_validate_{data}")
        for name, model in MODELS[data].items():
            if options.only and name not in options.only:
                continue
            runs: dict[int, list[dict]] = {}
            for seed in range(options.seeds):
                for fold in range(5):
                    key = f"{name} | seed {seed} | fold {fold}"
                    result = store.get(key, run, model, X, y, seed, fold)
                    runs.setdefault(seed, []).append(result)
            rows.append(summary(runs, data, name))
            print(table(rows[-1:]), flush=True)
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
