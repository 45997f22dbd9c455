"""A tiny classifier of three classes that one sees, and glitches of theirs and of others."""

from __future__ import annotations

import numpy as np
import pytest

import skglitch
from skglitch.estimators import Encoder

CLASSES = ["Blip", "Koi_Fish", "Whistle"]


def make_bars(n, seed, classes=CLASSES):
    """Noise with a bright bar, at a height of its own for each class."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 60, (n, 2, 32, 40), dtype=np.uint8)
    y = np.array(classes)[np.arange(n) % len(classes)]
    for views, label in zip(X, y, strict=True):
        top = 8 * sorted(set(classes) | set(CLASSES)).index(label)
        views[:, top : top + 6] += 180
    return X, y


@pytest.fixture(scope="session")
def train():
    return make_bars(30, 0)


@pytest.fixture(scope="session")
def classifier(train):
    """Trained for long enough to be right about some, and wrong about others."""
    net = skglitch.CNNClassifier(
        "test_efficientnet",
        weights=None,
        max_epochs=2,
        encoder=Encoder(durations=(1.0, 4.0)),
        random_state=0,
    )
    return net.fit(*train)


@pytest.fixture(scope="session")
def held_out():
    """Two pairs of labels are swapped."""
    X, y = make_bars(24, 1)
    y[[0, 1, 3, 5]] = y[[1, 0, 5, 3]]
    return X, y
