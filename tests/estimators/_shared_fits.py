"""Fits that test_shared_fits.py runs in one process, and in two that share each of them.

    python -m tests.estimators._shared_fits FOLDER

runs all with the variables that torchrun sets, and writes their results to FOLDER/rank.joblib.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import timm
import torch
from skorch.callbacks import Callback, Checkpoint, EpochScoring

from skglitch import CNNClassifier, all_gpus_per_fit

rng = np.random.default_rng(0)
# Batches of 7 or 6 samples, and of 3 and 2 for early stopping: uneven in two processes.
X = rng.integers(0, 100, (26, 1, 32, 32), dtype=np.uint8)
y = np.array(["Blip", "Tomte"])[np.arange(26) % 2]
X[y == "Tomte", :, :16] += 100
SAMPLE_WEIGHT = rng.random(26)


class Fail(Callback):
    """Fails in one process, in the middle of an epoch."""

    def __init__(self, rank):
        self.rank = rank

    def on_batch_end(self, net, **kwargs):
        if self.rank == 1:
            raise RuntimeError("process 1 has failed")


class Unsendable(Callback):
    """Fails in one process with an error that cannot be pickled."""

    def __init__(self, rank):
        self.rank = rank

    def on_epoch_end(self, net, **kwargs):
        if self.rank == 1:
            error = OSError("no space")
            error.where = lambda: None
            raise error


class Interrupt(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


def make(**params):
    params = {"weights": None, "batch_size": 7, "max_epochs": 2, "random_state": 0} | params
    # Fixed batch norms: others would see the samples of one process only.
    params = {"head_init": "regression", "precision": "float32", "device": "cpu"} | params
    return CNNClassifier(**{"backbone": "test_efficientnet"} | params)


def fit_with(sample_weight=None, **params):
    def case(rank, folder):
        model = make(**params).fit(X, y, sample_weight=sample_weight)
        return tell(model)

    return case


def tell(model):
    """Return what has to be the same: weights, probabilities and history."""
    module = model.net_.module_
    weights = torch.cat([v.flatten().double() for v in module.state_dict().values()])
    return {
        "weights": weights.numpy(),
        "probabilities": model.predict_proba(X),
        **{
            key: np.array([row.get(key, 0.0) for row in model.history_])
            for key in ("train_loss", "valid_loss", "valid_acc", "train_acc")
        },
    }


def fit_more(rank, folder):
    return tell(make().fit(X, y).partial_fit(255 - X, y))


def fit_own_weights(rank, folder):
    """Give each process other initial weights."""
    torch.manual_seed(rank)
    net = timm.create_model("test_efficientnet", num_classes=0)
    return tell(make(backbone=net).fit(X, y))


def fit_bad_data(rank, folder):
    images = X.astype(np.float32)
    images[3, 0, 0, 0] = np.nan if rank == 1 else 0
    make().fit(images, y)


def fit_own_data(rank, folder):
    make().fit(X[rank:], y[rank:])


def fit_failing(kind):
    return lambda rank, folder: make(callbacks=[kind(rank)]).fit(X, y)


def write_files(rank, folder):
    checkpoint = Checkpoint(dirname=folder / f"checkpoints of {rank}", monitor=None)
    own = folder / f"checkpoints of {rank}, each epoch"
    return tell(make(callbacks=[checkpoint], checkpoint=own, verbose=1).fit(X, y))


SAME: dict[str, Callable[..., Any]] = {
    "augmented": fit_with(),
    "head": fit_with(fine_tune="head"),
    "balanced": fit_with(class_weight="balanced"),
    "sample weights": fit_with(sample_weight=SAMPLE_WEIGHT),
    "criterion of the batch": fit_with(net_params={"criterion": torch.nn.CrossEntropyLoss}),
    "early stopping": fit_with(early_stopping=True, validation_fraction=0.2, max_epochs=3),
    "batches of one": fit_with(batch_size=1, max_epochs=1),
    "scores": fit_with(callbacks=[EpochScoring("accuracy", name="train_acc", on_train=True)]),
    "more data": fit_more,
    "files": write_files,
}
EQUAL_IN_BOTH = {
    "batch norms in training": fit_with(head_init="zeros"),
    "no seed": fit_with(random_state=None),
    "own weights": fit_own_weights,
}
ERRORS = {
    "diverged": fit_with(learning_rate=1e30),
    "bad data": fit_bad_data,
    "other data": fit_own_data,
    "callback": fit_failing(Fail),
    "unsendable": fit_failing(Unsendable),
    "interrupt": lambda rank, folder: make(callbacks=[Interrupt()]).fit(X, y),
}


def run(case, rank, folder):
    try:
        return case(rank, folder)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with all_gpus_per_fit() as rank:
        # Errors first: the fits after them show that the processes are still in step.
        cases = ERRORS | SAME | EQUAL_IN_BOTH
        results = {name: run(case, rank, folder) for name, case in cases.items()}
    joblib.dump(results, folder / f"{os.environ['RANK']}.joblib")
