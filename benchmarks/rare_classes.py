"""What helps classes with few labels?

A classifier is trained on simulated glitches of 22 classes, with class sizes as unequal as in the
Gravity Spy training set and at least three glitches per class. It is trained with equal and with
balanced class weights and tested on a balanced set. The table shows the mean recall over all
classes and over the six rarest, with intervals over seeds.

    python benchmarks/rare_classes.py [--samples 500] [--seeds 3]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from _common import Store, cached, percent, table
from sklearn.metrics import recall_score

from skglitch import CNNClassifier
from skglitch.datasets import make_glitches

PARAMETERS = {"none": {}, "class_weight=balanced": {"class_weight": "balanced"}}
N_RARE, MIN_SIZE, N_TEST = 6, 3, 440


def simulate(n_samples: int, seed: int) -> dict[str, np.ndarray]:
    """Return an unbalanced training set and a balanced test set, 4 s view."""
    unequal = make_glitches(n_samples, random_state=seed, n_jobs=-1)
    few, test = (
        make_glitches(n, weights="balanced", random_state=seed + offset, n_jobs=-1)
        for n, offset in ((22 * MIN_SIZE, 1000), (N_TEST, 2000))
    )
    # The rarest classes may have been drawn less than MIN_SIZE times.
    extra: list[int] = []
    for name in few.target_names:
        missing = max(0, MIN_SIZE - int(np.sum(unequal.target == name)))
        extra += np.flatnonzero(few.target == name)[:missing].tolist()
    return {
        "X": np.concatenate([unequal.data[:, 3:], few.data[extra, 3:]]),
        "y": np.concatenate([unequal.target, few.target[extra]]),
        "X_test": test.data[:, 3:],
        "y_test": test.target,
    }


def run(data: dict[str, np.ndarray], parameters: dict, seed: int) -> dict:
    """Recall and number of labels of each class."""
    start = time.perf_counter()
    model = CNNClassifier(random_state=seed, **parameters).fit(data["X"], data["y"])
    seconds = time.perf_counter() - start
    predicted = model.predict(data["X_test"])
    names, counts = np.unique(data["y"], return_counts=True)
    recalls = recall_score(data["y_test"], predicted, labels=names, average=None)
    return {
        "seconds": seconds,
        "recall": dict(zip(names.tolist(), recalls.tolist(), strict=True)),
        "labels": dict(zip(names.tolist(), counts.tolist(), strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    store = Store("rare_classes")
    runs: dict[str, list[dict]] = {name: [] for name in PARAMETERS}
    for seed in range(options.seeds):
        data = cached(f"rare_classes-{options.samples}-{seed}", simulate, options.samples, seed)
        for name, parameters in PARAMETERS.items():
            key = f"{name} | {options.samples} | seed {seed}"
            runs[name].append(store.get(key, run, data, parameters, seed))
            recalls = list(runs[name][-1]["recall"].values())
            print(key, f"{100 * np.mean(recalls):.1f} %", flush=True)
    rows = []
    for name, results in runs.items():
        recalls = [
            [r["recall"][label] for label in sorted(r["labels"], key=r["labels"].get)]
            for r in results
        ]
        rows.append(
            {
                "parameters": name,
                "mean recall [%]": percent(map(np.mean, recalls)),
                f"{N_RARE} rarest [%]": percent(np.mean(r[:N_RARE]) for r in recalls),
                "time [s]": f"{np.mean([r['seconds'] for r in results]):.0f}",
            }
        )
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
