"""Tiny fitted estimators to save."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from skglitch import CNNClassifier
from skglitch.estimators import Encoder


class TinyNet(nn.Sequential):
    """A net of the user's own, with no name to find it by."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
            nn.Flatten(), nn.Linear(16, 5),
        )  # fmt: skip


def make_images(n_each: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Three classes by where the picture is bright; the same numbers on any machine."""
    y = np.repeat(["Blip", "Koi_Fish", "Whistle"], n_each)
    X = (np.arange(len(y) * 2 * 32 * 40, dtype=np.int64) * 37 % 61).astype(np.uint8)
    X = X.reshape(len(y), 2, 32, 40)
    for band, label in enumerate(np.unique(y)):
        X[y == label, :, 10 * band : 10 * band + 10] += 150
    return X, y


@pytest.fixture(scope="session")
def images():
    return make_images()


@pytest.fixture
def make(images):
    """Function that fits a classifier on the tiny images."""

    def fit(backbone="test_efficientnet", y=None, **params):
        defaults = {
            "weights": None,
            "max_epochs": 2,
            "encoder": Encoder(durations=(1.0, 4.0)),
            "random_state": 0,
        }
        classifier = CNNClassifier(backbone, **(defaults | params))
        return classifier.fit(images[0], images[1] if y is None else y)

    return fit
