"""Table 1 of George, Shen and Huerta (2017): each net with and without transfer.

A random split with 80 % of each class for training, all layers fine-tuned. The table has the top-1
to top-5 accuracy on the rest with Wilson intervals, the epochs and seconds until an accuracy of
98 %, the number of classes with perfect precision and recall, and the values of the paper.

    python benchmarks/table1.py [--data FOLDER | --simulated N | --gravity-spy | --real]
        [--nets NAME ...] [--weights FOLDER] [--download] [--seeds N]
    python benchmarks/table1.py --to-real N [--nets NAME ...] [--seeds N] [--epochs N]

With ``--to-real``, the nets are trained on N simulated glitches of the 22 classes, four views each,
and tested on all real glitches with four views. For comparison, the last column has the balanced
accuracy of logistic regression on frozen features with one label per class of ``gravity_spy_o3``.

``--weights`` names a folder with files such as ``resnet50-imagenet.pth``, or ``-trunk.pth`` for
weights of another training on photographs; ``--download`` fetches missing weights. Nets without
ImageNet weights are only trained from scratch. Every run is stored when it finishes, so an
interrupted benchmark can be resumed. The table of all stored runs goes to benchmarks/results as
text, CSV and LaTeX, with a figure.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import DATA, RESULTS, Store, four_view_sets, interval, peak_memory_mb, percent, table
from few_shot import classify, embedder, load, split
from pretrained import accuracy
from sklearn.model_selection import train_test_split
from skorch.callbacks import Callback

from skglitch import CNNClassifier
from skglitch.datasets import fetch_gravity_spy, load_gravity_spy, make_glitches
from skglitch.metrics import classification_table, top_k_table

# Top-1 to top-5 accuracy [%] in the paper, fine-tuned (the last one trained from scratch).
PAPER = {
    "inception_v3": (98.84, 99.71, 99.88, 99.94, 100.0),
    "bn_inception": (98.78, 99.59, 99.71, 99.94, 100.0),
    "resnet50": (98.84, 99.71, 99.83, 99.94, 100.0),
    "vgg16": (98.15, 99.36, 99.71, 99.83, 99.88),
    "vgg19": (98.21, 99.31, 99.60, 99.71, 99.71),
    "merged_view_cnn": (96.70, 98.32, 99.13, 99.31, 99.36),
}
LITE = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
NETS = [*LITE, "squeezenet1_1", "resnet18", *PAPER]
ENOUGH = 0.98
# A layer in the middle, where the last one describes photographs and no readout was measured.
FROZEN = {"inception_v3": {"layer": "Mixed_7a"}, "resnet18": {"layer": "layer3"}}
FROZEN_DRAWS = 20


class Progress(Callback):
    """Accuracy on the test set and training time after each epoch, which select nothing."""

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        self.X, self.y = X, y

    def initialize(self) -> Progress:
        """Delete earlier records."""
        self.accuracy: list[float] = []
        self.seconds: list[float] = []
        return self

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Record the accuracy and the time."""
        module = net.module_.eval()
        classes = np.unique(self.y)
        with torch.inference_mode():
            parts = [
                module(torch.from_numpy(self.X[i : i + 64])).argmax(1)
                for i in range(0, len(self.X), 64)
            ]
        self.accuracy.append(float(np.mean(classes[torch.cat(parts).numpy()] == self.y)))
        self.seconds.append(float(sum(net.history[:, "dur"])))


def transfer_parameters(net: str, folder: Path, download: bool) -> tuple[dict, str] | None:
    """Return the parameters for ImageNet weights and how complete these are, None without any."""
    if net in LITE:
        return {"weights": "imagenet"}, "complete"
    for ending, extent in (("imagenet", "complete"), ("trunk", "trunk")):
        file = folder / f"{net}-{ending}.pth"
        if file.exists():
            return {"weights": file}, extent
    if download and net != "merged_view_cnn":
        return {"weights": "imagenet"}, "complete"
    return None


def run(X: np.ndarray, y: np.ndarray, net: str, weights: dict, seed: int) -> dict:
    """Fit one net on one split."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=0.8, stratify=y, random_state=seed
    )
    progress = Progress(X_test, y_test)
    start = time.perf_counter()
    model = CNNClassifier(net, callbacks=[progress], random_state=seed, **weights)
    model.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    probabilities = model.predict_proba(X_test)
    predicted = model.classes_[probabilities.argmax(axis=1)]
    last = min(5, len(model.classes_) - 1)
    top = top_k_table(y_test, probabilities, ks=range(1, last + 1), labels=model.classes_)
    per_class = classification_table(y_test, predicted)[:-3]  # without averages
    reached = [i for i, value in enumerate(progress.accuracy) if value >= ENOUGH]
    epoch_seconds = model.history_[:, "dur"]
    return {
        "n_test": len(y_test),
        "accuracy": top.accuracy.tolist(),
        "low": top.low.tolist(),
        "high": top.high.tolist(),
        "perfect": list(map(str, per_class.index[per_class.f1 == 1])),
        "n_classes": len(model.classes_),
        "epochs": len(epoch_seconds),
        "accuracy after each epoch": progress.accuracy,
        "epochs to 98 %": reached[0] + 1 if reached else None,
        "seconds to 98 %": progress.seconds[reached[0]] if reached else None,
        "seconds": seconds,
        "images per second": len(y_train) / float(np.median(epoch_seconds)),
        "memory in MB": peak_memory_mb(),
        "threads": torch.get_num_threads(),
    }


def run_to_real(
    n_samples: int,
    real: dict[str, tuple[np.ndarray, np.ndarray]],
    epochs: int | str,
    net: str,
    weights: dict,
    seed: int,
) -> dict:
    """Fit one net on simulated glitches and test it on real ones."""
    X_train, y_train = simulate(n_samples, seed)
    start = time.perf_counter()
    model = CNNClassifier(net, max_epochs=epochs, random_state=seed, **weights)
    model.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    X, y = load("o3")
    embed = embedder(X, {net: {"source": net, **weights, **FROZEN.get(net, {})}})
    draws = [split(y, 1, draw) for draw in range(FROZEN_DRAWS)]
    return {
        "sets": {name: accuracy(model, *glitches) for name, glitches in real.items()},
        "frozen": [classify(embed, net, "LogisticRegression", y, *d)["balanced"] for d in draws],
        "epochs": len(model.history_),
        "seconds": seconds,
        "threads": torch.get_num_threads(),
    }


def row_to_real(net: str, start: str, runs: list[dict]) -> dict[str, str]:
    """Return one row of the table of real glitches: means and intervals over seeds."""
    row = {"backbone": net, "ImageNet weights": start, "seeds": f"{len(runs)}"}
    for name, first in runs[0]["sets"].items():
        for k in (1, 5):
            values = [r["sets"][name][f"top-{k}"] for r in runs]
            row[f"{name} ({first['n']}), top-{k}"] = percent(values)
    row["frozen, one label per class"] = percent(runs[0]["frozen"])
    row["epochs"] = f"{runs[0]['epochs']}"
    row["training [s]"] = f"{np.mean([r['seconds'] for r in runs]):.0f}"
    return row


def by_net(stored: dict[str, dict]) -> dict[tuple[str, str], list[dict]]:
    """Return all stored runs by net and initial weights."""
    found: dict[tuple[str, str], list[dict]] = {}
    for key, result in stored.items():
        net, start, _ = key.split(" | ")
        found.setdefault((net, start), []).append(result)
    order = [*NETS, *(net for net, _ in found)]
    return dict(
        sorted(found.items(), key=lambda one: (order.index(one[0][0]), one[0][1] == "none"))
    )


def row_of(net: str, start: str, runs: list[dict]) -> dict[str, str]:
    """Return one row of the table: means over seeds.

    From three seeds, the interval is over seeds. Below, it is Wilson's interval for one test set,
    with its ends averaged over seeds.
    """
    accuracy = 100 * np.array([r["accuracy"] for r in runs])
    first = runs[0]
    row = {"backbone": net, "ImageNet weights": start, "seeds": f"{len(runs)}"}
    for k, values in enumerate(accuracy.T, start=1):
        row[f"top-{k}"] = f"{values.mean():.1f}"
    if len(runs) > 2:
        row["top-1"] = interval(accuracy[:, 0])
    else:
        low, high = (100 * np.mean([r[end][0] for r in runs]) for end in ("low", "high"))
        row["top-1"] += f" ({low:.1f} to {high:.1f})"
    paper = PAPER.get(net)
    is_comparable = paper and (start != "none" or net == "merged_view_cnn")
    row["paper"] = f"{paper[0]:.2f}" if paper and is_comparable else "below 98" if paper else ""
    row["perfect"] = f"{np.mean([len(r['perfect']) for r in runs]):.0f} of {first['n_classes']}"
    for what in ("epochs to 98 %", "seconds to 98 %"):
        values = [r[what] for r in runs]
        row[what] = "not reached" if None in values else f"{np.mean(values):.0f}"
    row["training [s]"] = f"{np.mean([r['seconds'] for r in runs]):.0f}"
    row["images/s"] = f"{np.mean([r['images per second'] for r in runs]):.1f}"
    return row


def write(name: str, rows: list[dict[str, str]]) -> None:
    """Write the table as text, CSV and LaTeX."""
    path = RESULTS / f"table1_{name}"
    path.with_suffix(".txt").write_text(table(rows) + "\n")
    with path.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    lines = [" & ".join(rows[0]), *(" & ".join(row.values()) for row in rows)]
    body = [rf"{line} \\".replace("_", r"\_").replace("%", r"\%") for line in lines]
    body.insert(1, r"\hline")
    columns = "l" * len(rows[0])
    latex = [rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}", ""]
    path.with_suffix(".tex").write_text("\n".join(latex))


def plot(data: str, found: dict[tuple[str, str], list[dict]]) -> None:
    """Plot accuracy after each epoch, with transfer and from scratch."""
    from matplotlib.figure import Figure

    nets = list(dict.fromkeys(net for net, _ in found))
    columns = min(3, len(nets))
    rows = -(-len(nets) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.5 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for ax, net in zip(axes, nets, strict=False):
        for (name, start), runs in found.items():
            if name == net:
                curve = 100 * np.mean([r["accuracy after each epoch"] for r in runs], axis=0)
                color = "#999999" if start == "none" else "#D55E00"
                label = "from scratch" if start == "none" else f"{start} ImageNet weights"
                ax.plot(np.arange(1, len(curve) + 1), curve, color=color, marker=".", label=label)
        ax.axhline(98, color="black", lw=0.6, ls=":")
        ax.set_title(net, fontsize="medium")
        ax.legend(fontsize="x-small", loc="lower right")
    for ax in axes[len(nets) :]:
        ax.remove()
    figure.supxlabel("epoch", fontsize="medium")
    figure.supylabel("test accuracy [%]", fontsize="medium")
    figure.savefig(RESULTS / f"table1_{data}.png", dpi=150)


@lru_cache(1)
def simulate(n_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the four views and labels of simulated glitches of the 22 classes."""
    options = {"weights": "balanced", "n_jobs": -1, "progress": True, "return_X_y": True}
    return make_glitches(n_samples, random_state=seed, **options)


def read_data(options: argparse.Namespace) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the name of the data set, X and y."""
    if options.gravity_spy:
        return "gravity_spy", *fetch_gravity_spy(return_X_y=True)
    if options.data:
        return Path(options.data).name, *load_gravity_spy(options.data, return_X_y=True)
    if options.simulated:
        X, y = simulate(options.simulated, 1)
        return "simulated", X[:, 3:], y
    return "real", *load("real")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of Gravity Spy images")
    parser.add_argument("--simulated", type=int, metavar="N", help="N simulated glitches, 4 s view")
    parser.add_argument("--gravity-spy", action="store_true", help="the training set from Zenodo")
    parser.add_argument("--real", action="store_true", help="real glitches, 4 s view (default)")
    parser.add_argument("--to-real", type=int, metavar="N", help="N simulated glitches, four views")
    parser.add_argument("--nets", nargs="+", default=NETS)
    parser.add_argument("--weights", type=Path, default=DATA / "weights")
    parser.add_argument("--download", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="with --to-real, default: auto")
    options = parser.parse_args()
    row: Callable[..., dict[str, str]]
    if options.to_real:
        name, row = f"to_real_{options.to_real}", row_to_real
        name += f"_{options.epochs}_epochs" if options.epochs else ""
        fit = partial(run_to_real, options.to_real, four_view_sets(), options.epochs or "auto")
    else:
        name, X, y = read_data(options)
        row, fit = row_of, partial(run, X, y)
    store = Store(f"table1_{name}")
    for seed, net in product(range(options.seeds), options.nets):
        transfer = transfer_parameters(net, options.weights, options.download)
        starts = [transfer] if transfer else []
        for weights, extent in [*starts, ({"weights": None}, "none")]:
            store.get(f"{net} | {extent} | seed {seed}", fit, net, weights, seed)
            print(table([row(net, extent, by_net(store.runs)[net, extent])]), flush=True)
    found = by_net(store.runs)
    rows = [row(net, extent, runs) for (net, extent), runs in found.items()]
    write(name, rows)
    if not options.to_real:
        plot(name, found)
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
