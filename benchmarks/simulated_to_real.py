"""Accuracy on real glitches after training on simulated ones, and the latency from strain to label.

The training set has simulated glitches of the 24 classes of Gravity Spy's third observing run. The
test sets are real glitches: images of the 22 classes of the first two runs and of two classes of
the first (four views), images of the third (4 s view), and strain of the third. For each set, a net
is trained on the views that the set has. The strain around GW150914 is classified too. ``--time``
only measures the latency of one glitch.

    python benchmarks/simulated_to_real.py [--samples 2400] [--seeds 1]
    python benchmarks/simulated_to_real.py --time
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np
import torch
from _common import DATA, Store, four_view_sets, median_seconds, percent, real_glitches, table

from skglitch import CNNClassifier
from skglitch.datasets import load_strain, make_glitches
from skglitch.metrics import top_k_accuracy
from skglitch.spectrograms import QTransformer

EVENT = 1126259462.4
# Parameters and views of each net, and the real sets that have these views.
NETS = {
    "4 s": ("mosaic", [3], ["o3 pictures"]),
    "channels": ("channels", [0, 1, 2, 3], ["22 classes", "o1 pictures", "o3 strain"]),
}


def event() -> np.ndarray:
    """Return the spectrograms of GW150914 in both detectors."""
    files = sorted((DATA / "strain_events").glob("*.hdf5"))
    strain = np.stack([load_strain(file).around(EVENT, 16.0) for file in files])
    return QTransformer(4096).transform(strain)


def score(model: CNNClassifier, X: np.ndarray, y: np.ndarray) -> dict:
    """Top-1 and top-5 accuracy, and the counts of confused pairs of classes."""
    probabilities = model.predict_proba(X)
    predicted = model.classes_[probabilities.argmax(axis=1)]
    wrong = Counter(f"{t} as {p}" for t, p in zip(y, predicted, strict=True) if t != p)
    return {
        **{
            f"top-{k}": float(top_k_accuracy(y, probabilities, k=k, labels=model.classes_))
            for k in (1, 5)
        },
        "n": len(y),
        "confusions": dict(wrong.most_common()),
    }


def run(n_samples: int, seed: int, sets: dict) -> dict:
    """Train a net on each choice of views and test it on the sets that have them."""
    names = make_glitches(1, classes="all").target_names
    classes = [name for name in names if name != "Reverse_Chirp"]
    glitches = make_glitches(
        n_samples, classes=classes, weights="balanced", random_state=seed, n_jobs=-1, progress=True
    )
    result = {}
    for net, (views, columns, tested) in NETS.items():
        start = time.perf_counter()
        model = CNNClassifier(views=views, random_state=seed)
        model.fit(glitches.data[:, columns], glitches.target)
        seconds = time.perf_counter() - start
        for name in tested:
            result[name] = score(model, *sets[name]) | {"seconds to train": seconds}
            print(name, {k: v for k, v in result[name].items() if k != "confusions"}, flush=True)
        if net == "channels":
            probabilities = model.predict_proba(event())
            chirp = list(model.classes_).index("Chirp")
            result["GW150914"] = {
                "classes": model.classes_[probabilities.argmax(axis=1)].tolist(),
                "probability of Chirp": probabilities[:, chirp].tolist(),
            }
            print(result["GW150914"], flush=True)
    return result


def latency(repeats: int = 20) -> dict:
    """Return the milliseconds from 16 s of strain to the label, in total and in parts."""
    glitches = make_glitches(44, weights="balanced", random_state=0, n_jobs=-1)
    model = CNNClassifier(views="channels", max_epochs=1, random_state=0)
    model.fit(glitches.data, glitches.target)
    file = next((DATA / "strain_events").glob("H-*.hdf5"))
    strain = load_strain(file).around(EVENT, 16.0)[None]
    transformer = QTransformer(4096)
    no_whitening = QTransformer(4096, whiten=False)
    X = transformer.transform(strain)
    steps = {
        "Q-transform": lambda: no_whitening.transform(strain),
        "whitening": lambda: transformer.transform(strain),
        "net": lambda: model.predict(X),
        "total": lambda: model.predict(transformer.transform(strain)),
    }
    result = {}
    for name, step in steps.items():
        step()  # warm up
        result[name] = 1e3 * median_seconds(step, repeats)
    result["whitening"] -= result["Q-transform"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2400, help="simulated glitches")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--time", action="store_true", help="measure only the latency")
    options = parser.parse_args()
    store = Store("simulated_to_real")
    if options.time:
        result = latency()
        store.add(f"latency | {torch.get_num_threads()} threads", result)
        print(table([{part: f"{ms:.0f} ms" for part, ms in result.items()}]))
        return
    sets = four_view_sets() | {"o3 pictures": real_glitches("o3")}
    runs = []
    for seed in range(options.seeds):
        key = f"{options.samples} | seed {seed}"
        runs.append(store.get(key, run, options.samples, seed, sets))
    rows = [
        {
            "set": name,
            "n": runs[0][name]["n"],
            **{f"top-{k} [%]": percent(r[name][f"top-{k}"] for r in runs) for k in (1, 5)},
            "most confused": ", ".join(
                f"{n} {what}" for what, n in list(runs[0][name]["confusions"].items())[:3]
            ),
        }
        for name in sets
        if name in runs[0]
    ]
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
