"""Table 1 of George, Shen and Huerta (2017): each net with and without transfer.

A random split with 80 % of each class to train on, all layers fine-tuned, top-1 to top-5
accuracy on the rest with Wilson intervals, epochs and seconds until 98 % are right, and the
number of classes with perfect precision and recall, beside the figures of the paper.

    python benchmarks/table1.py [--data FOLDER | --simulated N | --gravity-spy | --real]
        [--nets NAME ...] [--weights FOLDER] [--download] [--epochs N] [--seeds N]

``--weights`` names a folder with files such as ``resnet50-imagenet.pth``, or
``resnet50-imagenet-partial.pth`` for those that lack layers; ``--download`` fetches what is not
there. Nets without any ImageNet weights are trained from scratch only. Every run is written down
when it is done, so that an interrupted one goes on where it was; the table of all runs so far
goes to benchmarks/results as text, CSV and LaTeX, with a figure.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import DATA, RESULTS, Store, mean_interval, peak_memory_mb, table
from few_shot import NAMES, load
from sklearn.model_selection import train_test_split
from skorch.callbacks import Callback

from skglitch import CNNClassifier
from skglitch.datasets import fetch_gravity_spy, load_gravity_spy, make_glitches
from skglitch.metrics import classification_table, top_k_table

# Top-1 to top-5 accuracy in % that the paper gives, fine-tuned (from scratch for the last one).
PAPER = {
    "inception_v3": (98.84, 99.71, 99.88, 99.94, 100.0),
    "bn_inception": (98.78, 99.59, 99.71, 99.94, 100.0),
    "resnet50": (98.84, 99.71, 99.83, 99.94, 100.0),
    "vgg16": (98.15, 99.36, 99.71, 99.83, 99.88),
    "vgg19": (98.21, 99.31, 99.60, 99.71, 99.71),
    "merged_view_cnn": (96.70, 98.32, 99.13, 99.31, 99.36),
}
NETS = ["efficientnet_lite0", "squeezenet1_1", "resnet18", *PAPER]
ENOUGH = 0.98


class Progress(Callback):
    """Accuracy on the test set after each epoch, and the seconds of training until then.

    Only a record of how fast a net learns: nothing is chosen by it.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        self.X, self.y = X, y

    def initialize(self) -> Progress:
        """Start the record."""
        self.accuracy: list[float] = []
        self.seconds: list[float] = []
        return self

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Add an epoch to it."""
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
    """Parameters that start a net from ImageNet weights, and how far these reach."""
    if net == "efficientnet_lite0":
        return {"weights": "imagenet"}, "whole"
    whole = folder / f"{net}-imagenet.pth"
    if whole.exists():
        return {"weights": whole}, "whole"
    if download and net != "merged_view_cnn":
        return {"weights": "imagenet"}, "whole"
    return None


def run(net: str, weights: dict, X: np.ndarray, y: np.ndarray, seed: int, epochs: Any) -> dict:
    """Fit one net on one split."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=0.8, stratify=y, random_state=seed
    )
    progress = Progress(X_test, y_test)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what partial weights lack is in the table
        start = time.perf_counter()
        model = CNNClassifier(
            net, max_epochs=epochs, callbacks=[progress], random_state=seed, **weights
        ).fit(X_train, y_train)
        seconds = time.perf_counter() - start
    probabilities = model.predict_proba(X_test)
    predicted = model.classes_[probabilities.argmax(axis=1)]
    last = min(5, len(model.classes_) - 1)
    top = top_k_table(
        y_test,
        probabilities,
        ks=range(1, last + 1),
        labels=model.classes_,
    )
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
        "images a second": len(y_train) / float(np.median(epoch_seconds)),
        "memory in MB": peak_memory_mb(),
        "threads": torch.get_num_threads(),
    }


def by_net(stored: dict[str, dict]) -> dict[tuple[str, str], list[dict]]:
    """All runs that were written down, by net and by what it started from."""
    found: dict[tuple[str, str], list[dict]] = {}
    for key, result in stored.items():
        net, start, _ = key.split(" | ")
        found.setdefault((net, start), []).append(result)
    order = [*NETS, *(net for net, _ in found)]
    return dict(
        sorted(found.items(), key=lambda one: (order.index(one[0][0]), one[0][1] == "none"))
    )


def row_of(net: str, start: str, runs: list[dict]) -> dict[str, str]:
    """One line of the table: means over seeds.

    The interval is that over seeds where there are three or more, else Wilson's for
    one test set, its ends averaged over seeds.
    """
    accuracy = 100 * np.array([r["accuracy"] for r in runs])
    first = runs[0]
    row = {"net": net, "ImageNet weights": start, "seeds": f"{len(runs)}"}
    for k, values in enumerate(accuracy.T, start=1):
        mean, half = mean_interval(values)
        row[f"top-{k}"] = f"{mean:.1f}"
        if k == 1 and len(runs) > 2:
            row["top-1"] += f" ± {half:.1f}"
        elif k == 1:
            low, high = (100 * np.mean([r[end][0] for r in runs]) for end in ("low", "high"))
            row["top-1"] += f" ({low:.1f} to {high:.1f})"
    paper = PAPER.get(net)
    is_theirs = paper and (start != "none" or net == "merged_view_cnn")
    row["paper"] = f"{paper[0]:.2f}" if paper and is_theirs else "below 98" if paper else ""
    row["perfect"] = f"{np.mean([len(r['perfect']) for r in runs]):.0f} of {first['n_classes']}"
    for what in ("epochs to 98 %", "seconds to 98 %"):
        values = [r[what] for r in runs]
        row[what] = "not" if None in values else f"{np.mean(values):.0f}"
    row["s to train"] = f"{np.mean([r['seconds'] for r in runs]):.0f}"
    row["images a s"] = f"{np.mean([r['images a second'] for r in runs]):.1f}"
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


def plot(name: str, found: dict[tuple[str, str], list[dict]]) -> None:
    """Accuracy after each epoch, with transfer and from scratch."""
    from matplotlib.figure import Figure

    nets = list(dict.fromkeys(net for net, _ in found))
    columns = min(3, len(nets))
    rows = -(-len(nets) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.5 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for ax, net in zip(axes, nets, strict=False):
        for (of, start), runs in found.items():
            if of == net:
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
    figure.supylabel("right on the test set in %", fontsize="medium")
    figure.savefig(RESULTS / f"table1_{name}.png", dpi=150)


def read_data(options: argparse.Namespace) -> tuple[str, np.ndarray, np.ndarray]:
    """Name of the data set, X and y."""
    if options.gravity_spy:
        return "gravity_spy", *fetch_gravity_spy(return_X_y=True)
    if options.data:
        return Path(options.data).name, *load_gravity_spy(options.data, return_X_y=True)
    if options.simulated:
        glitches = make_glitches(
            options.simulated, classes=NAMES[:22], weights="balanced", random_state=1, n_jobs=-1
        )
        return "simulated", glitches.data[:, 3:], np.asarray(glitches.target).astype(str)
    return "real", *load("real")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of Gravity Spy pictures")
    parser.add_argument("--simulated", type=int, metavar="N", help="N simulated glitches, 4 s view")
    parser.add_argument("--gravity-spy", action="store_true", help="the training set from Zenodo")
    parser.add_argument("--real", action="store_true", help="real glitches at hand, 4 s (default)")
    parser.add_argument("--nets", nargs="+", default=NETS)
    parser.add_argument("--weights", type=Path, default=DATA / "weights")
    parser.add_argument("--download", action="store_true")
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    name, X, y = read_data(options)
    store = Store(f"table1_{name}")
    for net in options.nets:
        transfer = transfer_parameters(net, options.weights, options.download)
        starts = [transfer] if transfer else []
        for weights, extent in [*starts, ({"weights": None}, "none")]:
            for seed in range(options.seeds):
                key = f"{net} | {extent} | seed {seed}"
                if key not in store:
                    store.add(key, run(net, weights, X, y, seed, options.epochs or "auto"))
            runs = by_net(store.runs)[net, extent]
            print(table([row_of(net, extent, runs)]), flush=True)
    found = by_net(store.runs)
    rows = [row_of(net, extent, runs) for (net, extent), runs in found.items()]
    write(name, rows)
    plot(name, found)
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
