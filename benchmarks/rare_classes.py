"""What helps classes with few labels?

Simulated glitches of 22 classes, as unequal as those of the Gravity Spy training set (the rarest
ones with three), are trained on with each remedy in turn, everything else as it is by default,
and tested on a balanced set. Told are the mean recall of all classes and that of the six rarest,
over seeds.

    python benchmarks/rare_classes.py [--samples 500] [--seeds 3] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from _common import RESULTS, Store, mean_interval, table
from few_shot import NAMES
from sklearn.metrics import recall_score

from skglitch import CNNClassifier
from skglitch.datasets import make_glitches

REMEDIES = {
    "none": {},
    "class_weight=balanced": {"class_weight": "balanced"},
}
N_RARE, LEAST = 6, 3
N_TEST = 440


def simulate(n_samples: int, seed: int) -> dict[str, np.ndarray]:
    """An unequal set to train on and a balanced one to test on, the view of 4 s."""
    file = RESULTS / f".rare_classes_{n_samples}_{seed}.npz"
    if not file.exists():
        options = {"classes": NAMES[:22], "n_jobs": -1}
        unequal = make_glitches(n_samples, random_state=seed, **options)
        few = make_glitches(22 * LEAST, weights="balanced", random_state=seed + 1000, **options)
        test = make_glitches(N_TEST, weights="balanced", random_state=seed + 2000, **options)
        # The rarest classes may have been drawn less often, or never.
        labels, extra = np.asarray(unequal.target).astype(str), []
        for name in NAMES[:22]:
            missing = max(0, LEAST - int(np.sum(labels == name)))
            extra += np.flatnonzero(np.asarray(few.target) == name)[:missing].tolist()
        np.savez(
            file,
            X=np.concatenate([unequal.data[:, 3:], few.data[extra, 3:]]),
            y=np.concatenate([labels, np.asarray(few.target)[extra].astype(str)]),
            X_test=test.data[:, 3:],
            y_test=np.asarray(test.target).astype(str),
        )
    return dict(np.load(file))


def run(data: dict[str, np.ndarray], remedy: dict, seed: int) -> dict:
    """Recall of each class after training with one remedy."""
    start = time.perf_counter()
    model = CNNClassifier(random_state=seed, **remedy).fit(data["X"], data["y"])
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
    parser.add_argument("--only", nargs="+", choices=REMEDIES, default=list(REMEDIES))
    options = parser.parse_args()
    store = Store("rare_classes")
    found: dict[str, list[dict]] = {name: [] for name in options.only}
    for seed in range(options.seeds):
        data = simulate(options.samples, seed)
        for name in options.only:
            key = f"{name} | {options.samples} | seed {seed}"
            if key not in store:
                store.add(key, run(data, REMEDIES[name], seed))
            found[name].append(store.runs[key])
            print(key, f"{100 * np.mean(list(store.runs[key]['recall'].values())):.1f}", flush=True)
    rows = []
    for name, runs in found.items():
        everything, rare = [], []
        for r in runs:
            order = sorted(r["labels"], key=r["labels"].get)
            everything.append(100 * np.mean(list(r["recall"].values())))
            rare.append(100 * np.mean([r["recall"][label] for label in order[:N_RARE]]))
        rows.append(
            {
                "remedy": name,
                "mean recall in %": "{:.1f} ± {:.1f}".format(*mean_interval(everything)),
                f"of the {N_RARE} rarest": "{:.1f} ± {:.1f}".format(*mean_interval(rare)),
                "seconds": f"{np.mean([r['seconds'] for r in runs]):.0f}",
            }
        )
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
