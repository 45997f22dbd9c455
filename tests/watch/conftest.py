"""Strain with known signals, cut into files, and a tiny model."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest

from skglitch import CNNClassifier, TruncatedCNNTransformer, save
from skglitch.datasets import Strain
from skglitch.discovery import NoveltyDetector

RATE, START = 512, 1126259462


@pytest.fixture(scope="session")
def strain():
    """330 s of noise with a signal every 11 s, and one at the end of a block."""
    data = np.random.default_rng(0).normal(size=330 * RATE)
    times = np.arange(len(data)) / RATE
    block = 56 * (START // 56 + 2) - START
    for number, gps in enumerate([*np.arange(5.3, 330, 11), block]):
        phase = 2 * np.pi * (40 + 4 * number) * (times - gps)
        signal = np.exp(-((phase / 8) ** 2)) * np.cos(phase)
        data += 15 * signal / np.sqrt(np.sum(signal**2))
    return Strain(1e-21 * data, RATE, START, "H1")


@pytest.fixture(scope="session")
def classifier():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (24, 4, 32, 40), dtype=np.uint8)
    net = CNNClassifier("test_efficientnet", weights=None, max_epochs=1, random_state=0)
    net.set_params(device="cpu").fit(X, np.tile(["Blip", "Chirp", "Koi_Fish"], 8))
    net.novelty_ = NoveltyDetector("knn").fit(TruncatedCNNTransformer(net).fit_transform(X))
    return net


@pytest.fixture(scope="session")
def model(classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.skglitch"
    save(classifier, path)
    return path


@pytest.fixture(scope="session")
def put(strain):
    """Function that writes the strain between two times as a file that was there for an hour."""

    def write(folder, start, stop, name=None, age=3600.0):
        part = strain.crop(START + start, START + stop)
        path = folder / (name or f"H-H1_TEST-{START + start:.0f}-{stop - start:.0f}.hdf5")
        with h5py.File(path, "w") as file:
            file["H1:STRAIN"] = part.data
            file["H1:STRAIN"].attrs.update(sample_rate=RATE, t0=part.t0)
        changed = path.stat().st_mtime - age
        os.utime(path, (changed, changed))
        return path

    return write
