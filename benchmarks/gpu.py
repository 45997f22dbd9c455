"""A check of skglitch on a GPU, without network or pretrained weights.

It compares results with results on the CPU, and the speed of ``fit`` and ``transform`` with that of
the training loop of PyTorch tutorials, on the same net, batch and number format. ``fit`` includes
augmentation; the loop has none, and gets images that are normalized already. The peak is that of a
large matrix product. float16 is measured where bfloat16 is not native.

Failed checks are listed at the end, and the exit status is then 1. The results are stored under
the name of the GPU. With ``--quick``, they are stored only if ``--results`` names a folder.

    python benchmarks/gpu.py [--device cuda] [--quick] [--results FOLDER]
"""

from __future__ import annotations

import argparse
import copy
import gc
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from _common import RESULTS, Store, table
from qtransform import simulate
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from throughput import matrix_rate, number_format, seconds_per_call, textbook
from torch.utils.flop_counter import FlopCounterMode

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch._device import choose_device, has_fast_bfloat16
from skglitch.display import compute_saliency_maps
from skglitch.spectrograms import QTransformer

# Largest differences from float32 on the CPU: of probabilities, of embeddings of unit length.
LIMITS = {"float32": 1e-4, "tf32": 2e-2, "bfloat16": 5e-2, "float16": 2e-2}
LOAD = """
import sys, joblib, numpy as np, skglitch
folder = sys.argv[1]
estimators = [skglitch.load(f"{folder}/classifier.skglitch"), *joblib.load(f"{folder}/all.joblib")]
X = np.load(f"{folder}/X.npy")
np.savez(f"{folder}/loaded.npz", *[estimator.predict_proba(X) for estimator in estimators])
"""


class Checks:
    """All checks: each method returns what it measured, or raises an error."""

    net, layer, images = "resnet18", "layer3", (64, 80)
    nets = (("efficientnet_lite0", 32), ("efficientnet_lite0", 128), ("resnet50", 32))
    size, seconds, matrix, n_strains = (140, 170), 0.75, 8192, 128

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.module = torch.get_device_module(device)
        self.X, self.y = make_images(96, self.images, n_classes=4)

    @cached_property
    def fitted(self) -> CNNClassifier:
        """The net of most checks."""
        return self.classifier().fit(self.X, self.y)

    def classifier(self, **params: Any) -> CNNClassifier:
        """Return a small classifier that computes in float32."""
        usual = {"backbone": self.net, "max_epochs": 2, "batch_size": 16, "precision": "float32"}
        options = {"weights": None, "device": str(self.device), "random_state": 0}
        return CNNClassifier(**{**usual, **options, **params})

    def named(self) -> dict[str, Callable[[], dict]]:
        """Return the checks in their order."""
        precisions = list_precisions(self.device)
        checks = {f"equal to the CPU, {p}": partial(self.equality, p) for p in precisions}
        checks |= {
            "same seed": self.repeatability,
            "other methods": self.other_methods,
            "load without a GPU": self.load_elsewhere,
            "memory after fit": self.memory_left,
            "QTransformer": self.strain,
            "grid search": self.search,
        }
        for net, batch in self.nets:
            for p in precisions:
                checks[f"{net}, batches of {batch}, {p}"] = partial(self.speed, net, batch, p)
        return checks

    def equality(self, precision: str) -> dict:
        """Compare one fitted net in a precision with float32 on the CPU."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "classifier.skglitch")
            skglitch.save(self.fitted, path)
            on_cpu = skglitch.load(path, device="cpu")
            skglitch.save(copy.copy(self.fitted).set_params(precision=precision), path)
            there = skglitch.load(path, device=str(self.device))
        a = TruncatedCNNTransformer(there, precision=precision).fit_transform(self.X)
        b = TruncatedCNNTransformer(on_cpu, precision="float32").fit_transform(self.X)
        length, limit = np.linalg.norm(b, axis=1).mean(), LIMITS[precision]
        probabilities = [source.predict_proba(self.X) for source in (there, on_cpu)]
        return {
            "probabilities differ by": difference(*probabilities, limit=limit),
            "embeddings": difference(a / length, b / length, limit=limit),
        }

    def repeatability(self) -> dict:
        """Compare two fits with the same seed; convolutions of a GPU may round differently."""
        limit = 0.0 if self.device.type == "cpu" else 0.05
        again = self.classifier().fit(self.X, self.y)
        pair = [source.predict_proba(self.X) for source in (self.fitted, again)]
        return {"probabilities differ by": difference(*pair, limit=limit)}

    def other_methods(self) -> dict:
        """Call what moves data between the devices in another way."""
        X, y = self.X, self.y
        classifier = self.classifier(early_stopping=True, class_weight="balanced").fit(X, y)
        classifier.partial_fit(X, y).add_classes(X[:3], [9] * 3).predict(X)
        compute_saliency_maps(classifier, X[:2])
        transformer = TruncatedCNNTransformer(classifier, layer=self.layer).fit(X)
        return {"features of another layer": transformer.transform(X).shape[1]}

    def load_elsewhere(self) -> dict:
        """Save and dump here, load in a process that sees no GPU."""
        features = TruncatedCNNTransformer(self.fitted, precision="float32")
        pipeline = make_pipeline(features, LogisticRegression()).fit(self.X, self.y)
        estimators = [self.fitted, self.fitted, pipeline]
        with tempfile.TemporaryDirectory() as folder:
            skglitch.save(self.fitted, f"{folder}/classifier.skglitch")
            joblib.dump(estimators[1:], f"{folder}/all.joblib")
            np.save(f"{folder}/X.npy", self.X)
            run_without_gpu("-c", LOAD, folder)
            with np.load(f"{folder}/loaded.npz") as loaded:
                pairs = zip(estimators, loaded.values(), strict=True)
                worst = [difference(e.predict_proba(self.X), p, limit=1e-3) for e, p in pairs]
        return dict(zip(("save", "joblib", "joblib of a pipeline"), worst, strict=True))

    def memory_left(self) -> dict:
        """Compare the memory that a fitted net holds with the size of its weights."""
        allocated = getattr(self.module, "memory_allocated", int)
        gc.collect()
        before = allocated()
        classifier = self.classifier(early_stopping=True).fit(self.X, self.y)
        gc.collect()
        held = (allocated() - before) / 1e6
        module = classifier.net_.module_
        weights = sum(v.nbytes for v in module.state_dict().values()) / 1e6
        gradients = sum(p.grad is not None for p in module.parameters())
        if gradients or held > 1.1 * weights + 2:
            raise ValueError(f"{held:.1f} MB held for {weights:.1f} MB, {gradients} gradients")
        return {"MB held": held, "MB of weights": weights}

    def strain(self) -> dict:
        """Measure the Q transform and compare some of it with the CPU."""
        X = simulate(8.0, 4096.0, self.n_strains)
        transformer = QTransformer(4096.0, device=str(self.device))
        spent = seconds_per_call(lambda: transformer.transform(X), self.device, self.seconds)
        views = transformer.transform(X[:8])
        expected = QTransformer(4096.0, device="cpu").transform(X[:8])
        off = np.abs(views.astype(int) - expected) > 1
        if off.mean() > 1e-3:
            raise ValueError(f"{100 * off.mean():.2g} % of pixels differ by more than 1")
        return {"ms per glitch": 1e3 * spent / len(X), "share of pixels that differ": off.mean()}

    def search(self) -> dict:
        """Search a grid of two candidates in two folds."""
        grid = {"learning_rate": [1e-3, 3e-3]}
        search = GridSearchCV(self.classifier(), grid, cv=2, refit=False, error_score="raise")
        start = time.perf_counter()
        search.fit(self.X, self.y)
        return {"seconds for 4 fits": time.perf_counter() - start}

    def speed(self, net: str, batch: int, precision: str) -> dict:
        """Measure fit, transform and the textbook loop."""
        size = tuple(2 * side for side in self.size)  # of the mosaic
        steps = textbook(net, batch=batch, size=size, device=self.device)
        with number_format(self.device, precision):
            loop = [batch / seconds_per_call(step, self.device, self.seconds) for step in steps]
        with FlopCounterMode(display=False) as counter:
            steps[0]()
        del steps
        peak_rate = matrix_rate(self.device, precision, self.matrix, self.seconds)
        n = int(np.clip(2 * self.seconds * loop[0] // batch, 4, 4096 // batch))
        fit, transform, peak = self.our_speed(net, batch, precision, n * batch)
        return {
            "fit [images/s]": fit,
            "times the loop": fit / loop[0],
            "% of peak": 100 * fit * counter.get_total_flops() / batch / peak_rate,
            "transform [images/s]": transform,
            "times the loop ": transform / loop[1],
            "peak memory [GB]": peak,
        }

    def our_speed(self, net: str, batch: int, precision: str, n: int) -> tuple[float, float, float]:
        """Return the images per second of fit and transform, and the peak memory of fit in GB."""
        X, y = make_images(n, self.size, n_classes=min(22, n))
        getattr(self.module, "reset_peak_memory_stats", bool)()
        params = {"backbone": net, "batch_size": batch, "precision": precision, "max_epochs": 4}
        classifier = self.classifier(**params).fit(X, y)
        peak = getattr(self.module, "max_memory_allocated", int)() / 1e9
        embed = TruncatedCNNTransformer(classifier, batch_size=batch, precision=precision).fit(X)
        seconds = seconds_per_call(lambda: embed.transform(X), self.device, self.seconds)
        return n / float(np.median(classifier.history_[1:, "dur"])), n / seconds, peak


class QuickChecks(Checks):
    """The same with a tiny net, for a CPU."""

    net, layer, images = "test_efficientnet", "blocks.1", (32, 32)
    nets = (("test_efficientnet", 32),)
    size, seconds, matrix, n_strains = (32, 32), 0.15, 512, 8


def make_images(n: int, size: tuple[int, int], n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noise with a line at the height of each class, in four views."""
    X = np.random.default_rng(0).integers(0, 60, (n, 4, *size), dtype=np.uint8)
    y = np.arange(n) % n_classes
    for label in range(n_classes):
        X[y == label, :, label * size[0] // n_classes] = 220
    return X, y


def difference(a: np.ndarray, b: np.ndarray, *, limit: float) -> float:
    """Return the largest difference, which must not exceed a limit or be NaN."""
    worst = float(np.abs(a - b).max())
    if not worst <= limit:
        raise ValueError(f"results differ by {worst:.2g}, more than {limit:g}")
    return worst


def list_precisions(device: torch.device) -> list[str]:
    """Return the number formats that a device has in hardware."""
    has_tf32 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    half = "bfloat16" if device.type == "cpu" or has_fast_bfloat16(device) else "float16"
    return ["float32", *["tf32"] * has_tf32, half]


def run_without_gpu(*command: str) -> None:
    """Run Python in a process that sees no GPU."""
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = (sys.executable, *command)
    done = subprocess.run(command, env=hidden, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])


def run(name: str, check: Callable[[], dict]) -> dict:
    """Return the row of a check, with its result or its error."""
    start = time.perf_counter()
    try:
        values, error = check(), ""
    except Exception as caught:  # the other checks go on
        values, error = {}, f"{type(caught).__name__}: {caught}"
    print(f"{name}: {error or 'done'}", flush=True)
    seconds = round(time.perf_counter() - start, 1)
    return {"check": name, "values": values, "error": error, "seconds": seconds}


def describe(row: dict) -> dict:
    """Return a row of the printed table."""
    values = ", ".join(f"{name} {value:.4g}" for name, value in row["values"].items())
    return {"check": row["check"], "result": values or "FAILED", "s": row["seconds"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="tiny nets and images")
    parser.add_argument("--results", type=Path, help="folder of the file of results, gpu.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    device = choose_device(options.device)
    if device.index:
        torch.accelerator.set_device_index(device.index)  # the one that is waited for
    name = getattr(torch.get_device_module(device), "get_device_name", lambda _: "CPU")(device)
    print(f"{name}, torch {torch.__version__}, skglitch {skglitch.__version__}")
    folder = options.results or (None if options.quick else RESULTS)
    store = Store("gpu", folder) if folder else None
    rows: list[dict] = []
    for check, function in (QuickChecks if options.quick else Checks)(device).named().items():
        rows.append(run(check, function))
        if store:
            store.add(name, {"torch": torch.__version__, "checks": rows})
    print("\n" + table(map(describe, rows)))
    failed = [f"{row['check']}: {row['error']}" for row in rows if row["error"]]
    if failed:
        sys.exit("\nFailed:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
