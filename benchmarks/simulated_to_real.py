"""Accuracy on real glitches after training on simulated ones, and the latency from strain to label.

The training set has simulated glitches of the 24 classes of Gravity Spy's third observing run. The
test sets are all real glitches at hand: images of the first run (four views) and of the third (4 s
view), and strain of the third. For each set, a net is trained on the views that the set has. The
strain around GW150914 is classified too. ``--time`` only measures the latency of one glitch.

    python benchmarks/simulated_to_real.py [--samples 2400] [--seeds 1]
    python benchmarks/simulated_to_real.py --time
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable

import h5py
import numpy as np
import torch
from _common import DATA, Store, mean_interval, table
from sklearn.utils import Bunch

from skglitch import CNNClassifier
from skglitch.datasets import load_gravity_spy, load_strain, make_glitches
from skglitch.datasets._simulate import CLASS_NAMES
from skglitch.metrics import top_k_accuracy
from skglitch.spectrograms import QTransformer

NAMES = [name for name in CLASS_NAMES if name != "Reverse_Chirp"]
EVENT = 1126259462.4
# Which views a net sees, and the real sets that have them.
NETS = {"4 s": (4.0, ("o3 pictures",)), "channels": ("channels", ("o1 pictures", "o3 strain"))}


def real_sets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """X and y of each set; pictures without a view lack it in X."""
    quiet = {"progress": False, "return_X_y": True}
    with h5py.File(DATA / "strain_o3_glitches.hdf5") as file:
        names = sorted(file)
        strain = np.stack([file[name][:] for name in names])
        labels = np.array([file[name].attrs["label"] for name in names])
    return {
        "o1 pictures": load_gravity_spy(DATA / "gravity_spy_o1", **quiet),
        "o3 pictures": load_gravity_spy(DATA / "gravity_spy_o3", durations=(4.0,), **quiet),
        "o3 strain": (QTransformer(4096).transform(strain), labels),
    }


def event() -> np.ndarray:
    """X of GW150914 in both detectors."""
    files = sorted((DATA / "strain_events").glob("*.hdf5"))
    strain = np.stack([load_strain(file).around(EVENT, 16.0) for file in files])
    return QTransformer(4096).transform(strain)


def score(model: CNNClassifier, X: np.ndarray, y: np.ndarray) -> dict:
    """Top-1 and top-5 over all names, and what was taken for what."""
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


def run(glitches: Bunch, seed: int, sets: dict) -> dict:
    """Train a net for each choice of views, and test it where they are."""
    result = {}
    for net, (views, tested) in NETS.items():
        columns = [3] if net == "4 s" else [0, 1, 2, 3]
        start = time.perf_counter()
        model = CNNClassifier(views="mosaic" if net == "4 s" else views, random_state=seed)
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
    """Milliseconds from 16 s of strain to the label, in parts."""
    glitches = make_glitches(44, weights="balanced", random_state=0, n_jobs=-1)
    model = CNNClassifier(views="channels", max_epochs=1, random_state=0)
    model.fit(glitches.data, glitches.target)
    file = next((DATA / "strain_events").glob("H-*.hdf5"))
    strain = load_strain(file).around(EVENT, 16.0)[None]
    transformer = QTransformer(4096)
    white = QTransformer(4096, whiten=False)
    X = transformer.transform(strain)

    def milliseconds(function: Callable) -> float:
        function()
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        return 1e3 * statistics.median(times)

    q_transform = milliseconds(lambda: white.transform(strain))
    return {
        "whitening": milliseconds(lambda: transformer.transform(strain)) - q_transform,
        "Q-transform": q_transform,
        "net": milliseconds(lambda: model.predict(X)),
        "all": milliseconds(lambda: model.predict(transformer.transform(strain))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2400, help="simulated glitches")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--time", action="store_true", help="of one glitch, instead")
    options = parser.parse_args()
    store = Store("simulated_to_real")
    if options.time:
        result = latency()
        store.add(f"one glitch | {torch.get_num_threads()} threads", result)
        print(table([{part: f"{ms:.0f} ms" for part, ms in result.items()}]))
        return
    sets = real_sets()
    runs = []
    for seed in range(options.seeds):
        key = f"{options.samples} | seed {seed}"
        if key not in store:
            glitches = make_glitches(
                options.samples,
                classes=NAMES,
                weights="balanced",
                random_state=seed,
                n_jobs=-1,
                progress=True,
            )
            store.add(key, run(glitches, seed, sets))
        runs.append(store.runs[key])
    rows = [
        {
            "set": name,
            "n": runs[0][name]["n"],
            **{
                f"top-{k} in %": "{:.1f} ± {:.1f}".format(
                    *mean_interval([100 * r[name][f"top-{k}"] for r in runs])
                )
                for k in (1, 5)
            },
            "most confused": ", ".join(
                f"{n} {what}" for what, n in list(runs[0][name]["confusions"].items())[:3]
            ),
        }
        for name in sets
    ]
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
