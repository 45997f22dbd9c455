"""Dask arrays as X, and what runs on the workers of a cluster."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from uuid import uuid4

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import load_triggers, make_glitches
from skglitch.discovery import NoveltyDetector
from skglitch.metrics import top_k_table
from skglitch.spectrograms import QTransformer

from .datasets.gwosc_files import write_gwosc

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
bag = pytest.importorskip("dask.bag")
distributed = pytest.importorskip("distributed")

LABELS = np.array(["Blip", "Chirp", "Koi_Fish", "Whistle"])
TINY = {"backbone": "test_efficientnet", "weights": None, "max_epochs": 1, "random_state": 0}


class Noted(CNNClassifier):
    """A classifier that leaves a file wherever it is loaded, and for each block it predicts."""

    folder: Path

    def __setstate__(self, state):
        super().__setstate__(state)
        self.note("loaded")

    def predict_proba(self, X):
        if not isinstance(X, np.ndarray):
            return super().predict_proba(X)
        y_prob = super().predict_proba(X)
        time.sleep(0.1)
        self.note("block")
        return y_prob

    def note(self, what):
        (self.folder / f"{what}-{uuid4()}").touch()


@pytest.fixture(scope="module")
def views():
    X = np.random.default_rng(0).integers(0, 60, (60, 4, 32, 40), dtype=np.uint8)
    for number in range(len(X)):
        X[number, ..., 10 * (number % 4) : 10 * (number % 4) + 8] += 180
    return X, np.tile(LABELS, 15)


@pytest.fixture(scope="module")
def classifier(views):
    return CNNClassifier(**TINY).fit(*views)


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread each. One that dies is started again."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        # Workers are copies of one process that has imported torch, which takes seconds.
        distributed.utils.get_mp_context().set_forkserver_preload([__name__])
        with distributed.LocalCluster(**options) as cluster:
            yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def kill_a_worker(client, folder, n_files):
    """Kill a worker by SIGKILL once there are so many files, and return how many there were."""
    pid = next(iter(client.run(os.getpid).values()))
    while len(list(folder.iterdir())) < n_files:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    return len(list(folder.iterdir()))


@pytest.mark.parametrize("method", ["predict_proba", "predict", "transform"])
def test_blocks_have_the_values_of_the_whole(method, views, classifier):
    X, _ = views
    estimator = TruncatedCNNTransformer(classifier).fit(X) if method == "transform" else classifier
    expected = getattr(estimator, method)(X)
    # Rows and columns of pictures are split, too.
    result = getattr(estimator, method)(da.from_array(X, chunks=(16, 3, 20, 11)))
    assert isinstance(result, da.Array)
    assert result.shape == expected.shape
    assert result.chunks[0] == (16, 16, 16, 12)
    computed = result.compute(scheduler="sync")
    assert computed.dtype == result.dtype == expected.dtype
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(computed, expected, atol=1e-5)
    else:
        np.testing.assert_array_equal(computed, expected)


def test_nothing_is_computed_before_it_is_asked_for(views, classifier):
    def fail(block):
        raise RuntimeError("computed")

    X = da.from_array(views[0], chunks=16).map_blocks(fail, dtype=np.uint8, meta=views[0][:0])
    y_prob = classifier.predict_proba(X)
    with pytest.raises(RuntimeError, match="computed"):
        y_prob.compute(scheduler="sync")


def test_blocks_without_rows_and_of_unknown_length(views, classifier):
    X = views[0]
    rows = np.arange(len(X)) >= 40
    kept = da.from_array(X, chunks=(16, -1, -1, -1))[da.from_array(rows, chunks=16)]
    labels = classifier.predict(kept).compute(scheduler="sync")
    np.testing.assert_array_equal(labels, classifier.predict(X[rows]))


def test_strain_to_labels():
    strain = np.random.default_rng(0).normal(size=(5, 8 * 1024))
    transformer = QTransformer(1024, frange=(10, 500), size=(32, 40))
    views = transformer.transform(strain)
    classifier = CNNClassifier(**TINY).fit(views, ["a", "b", "a", "b", "a"])
    lazy = da.from_array(strain, chunks=(2, 3000))
    computed = transformer.transform(lazy)
    assert computed.dtype == np.uint8
    np.testing.assert_array_equal(computed.compute(scheduler="sync"), views)
    pipeline = make_pipeline(transformer, classifier)
    labels = pipeline.predict(lazy)
    assert isinstance(labels, da.Array)
    np.testing.assert_array_equal(labels.compute(scheduler="sync"), classifier.predict(views))


@pytest.mark.parametrize(
    "call",
    [
        lambda X, y: CNNClassifier(**TINY).fit(X, y),
        lambda X, y: TruncatedCNNTransformer("test_efficientnet", weights=None).fit(X),
        lambda X, y: QTransformer().fit(X[:, 0, 0]),
        lambda X, y: QTransformer().scan(X[:, 0, 0]),
        lambda X, y: NoveltyDetector().fit(X[:, 0, 0]),
        lambda X, y: top_k_table(y, X[:, 0, 0, :4], labels=LABELS),
    ],
    ids=["classifier", "transformer", "strain", "scan", "embeddings", "scores"],
)
def test_others_do_not_load_the_whole_array(call, views):
    X, y = views
    with pytest.raises(TypeError, match="Dask Array"):
        call(da.from_array(X), y)


def test_there_are_no_lazy_data_frames(views, classifier):
    transformer = TruncatedCNNTransformer(classifier).fit(views[0]).set_output(transform="pandas")
    with pytest.raises(ValueError, match="set_output"):
        transformer.transform(da.from_array(views[0]))


def test_a_worker_is_killed_and_nothing_is_missing(views, folder, client):
    X = np.tile(views[0], (8, 1, 1, 1))
    noted = Noted(**TINY)
    noted.folder = folder
    noted.fit(*views)
    expected = noted.predict_proba(X)
    for file in folder.iterdir():
        file.unlink()
    future = client.compute(noted.predict_proba(da.from_array(X, chunks=(20, -1, -1, -1))))
    n_done = kill_a_worker(client, folder, 8)
    np.testing.assert_allclose(future.result(), expected, atol=1e-5)
    # Not those that came after.
    assert 24 <= len(list(folder.glob("block-*"))) <= 24 + n_done
    # In the scheduler, in two workers, and in the one that takes the place of the killed one.
    assert len(list(folder.glob("loaded-*"))) <= 4


def test_a_search_survives_a_killed_worker(views, folder, client):
    X, y = views
    grid = {"learning_rate": [1e-3, 1e-2]}
    expected = GridSearchCV(CNNClassifier(**TINY), grid, cv=3).fit(X, y)
    search = GridSearchCV(CNNClassifier(**TINY, checkpoint=folder), grid, cv=3)
    with ThreadPoolExecutor(1) as thread:
        killed = thread.submit(kill_a_worker, client, folder, 2)
        with joblib.parallel_config("dask"):
            search.fit(X, y)
        killed.result()
    scores = "mean_test_score"
    np.testing.assert_array_equal(search.cv_results_[scores], expected.cv_results_[scores])
    assert len(list(folder.glob("*.checkpoint"))) == 7


@pytest.mark.usefixtures("client")
def test_triggers_and_simulations_are_made_by_workers(tmp_path):
    noise = np.random.default_rng(0).normal(size=32 * 1024)
    write_gwosc(tmp_path / "H1.hdf5", "H1", 1126259447, 32, 1024, noise)
    table = pd.DataFrame({"gps": 1126259455.0 + np.arange(5), "ifo": "H1"})
    transformer = QTransformer(1024, frange=(10, 500), size=(32, 40))
    load = partial(load_triggers, strain=[tmp_path / "H1.hdf5"], transformer=transformer)
    parts = bag.from_sequence([table[:3], table[3:]]).map(load, duration=8.0).compute()
    joined = np.concatenate([part.data for part in parts])
    np.testing.assert_array_equal(joined, load(table, duration=8.0).data)
    make = partial(make_glitches, 4, size=(32, 40), return_X_y=True)
    (X, y), _ = dask.compute(*(dask.delayed(make)(random_state=seed) for seed in (3, 4)))
    expected, labels = make(random_state=3)
    np.testing.assert_array_equal(X, expected)
    np.testing.assert_array_equal(y, labels)
