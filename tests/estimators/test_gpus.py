"""Several GPUs: workers of joblib with one each."""

from __future__ import annotations

import os
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.model_selection import cross_validate
from skorch.callbacks import Callback

from skglitch import CNNClassifier, one_gpu_per_worker
from skglitch.estimators import _gpus

from .._pretend_cuda import PretendCuda

take_gpu = _gpus._take_gpu


def pretend_and_take_gpu(folder, n_gpus):
    """Worker on a machine with pretended GPUs."""
    PretendCuda(n_gpus).__enter__()
    take_gpu(folder, n_gpus)


def meet(folder, n_workers):
    """Wait until so many workers are here, so that no worker does the tasks of two."""
    Path(folder, str(os.getpid())).touch()
    for _ in range(600):
        if len(list(Path(folder).iterdir())) >= n_workers:
            return
        time.sleep(0.1)
    raise TimeoutError


def tell_gpu(folder, n_workers):
    meet(folder, n_workers)
    return os.getpid(), torch.accelerator.current_device_index()


def find_gpus(folder, n_workers, n_jobs=None):
    folder.mkdir()
    tasks = [joblib.delayed(tell_gpu)(folder, n_workers) for _ in range(n_workers)]
    return dict(joblib.Parallel(n_jobs=n_jobs)(tasks))


class Meet(Callback):
    def __init__(self, folder):
        self.folder = folder

    def on_train_begin(self, net, **kwargs):
        meet(self.folder, 2)


@pytest.fixture
def two_gpus(monkeypatch, tmp_path):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(_gpus, "_take_gpu", pretend_and_take_gpu)
    with PretendCuda(2):
        yield
    assert list((tmp_path / "temporary").glob("skglitch-*")) == []


@pytest.mark.usefixtures("two_gpus")
def test_folds_are_trained_on_two_gpus(tmp_path):
    X = np.random.default_rng(0).integers(0, 100, (16, 1, 32, 32), dtype=np.uint8)
    y = np.tile(["Blip", "Tomte"], 8)
    params = {"weights": None, "max_epochs": 1, "random_state": 0, "precision": "float32"}
    (tmp_path / "met").mkdir()
    net = CNNClassifier("test_efficientnet", callbacks=[Meet(tmp_path / "met")], **params)
    with one_gpu_per_worker():
        found = cross_validate(net, X, y, cv=2, return_estimator=True)
    assert {model.net_.device for model in found["estimator"]} == {"cuda:0", "cuda:1"}
    expected = cross_validate(
        net.set_params(device="cpu", callbacks=None), X, y, cv=2, return_estimator=True
    )
    for ours, theirs in zip(found["estimator"], expected["estimator"], strict=True):
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=2e-4)


@pytest.mark.usefixtures("two_gpus")
def test_new_workers_take_the_places_of_dead_ones(tmp_path):
    with one_gpu_per_worker():
        first = find_gpus(tmp_path / "first", 2)
        with pytest.raises(TerminatedWorkerError):
            joblib.Parallel()(joblib.delayed(os._exit)(1) for _ in range(2))
        second = find_gpus(tmp_path / "second", 3, n_jobs=3)
    gpus = [sorted(found.values()) for found in (first, second)]
    assert gpus == [[0, 1], [0, 0, 1]]
    assert not set(first) & set(second)
    for pid in {*first, *second}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_without_a_gpu_only_the_number_of_workers_is_set():
    with one_gpu_per_worker(3):
        assert joblib.Parallel().n_jobs == 3
    with one_gpu_per_worker():
        assert joblib.Parallel().n_jobs == 1
