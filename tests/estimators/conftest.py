"""Tiny nets and tiny pictures for the estimators."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from skglitch import CNNClassifier


class TinyNet(nn.Sequential):
    """A net with batch norm, small enough to train in a test."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(256, 5),
        )


def make_stripes(
    n_each: int = 6, n_views: int = 4, size: tuple[int, int] = (32, 40), seed: int = 0
):
    """Three classes that a net tells apart at once: a bright top, middle or bottom."""
    rng = np.random.default_rng(seed)
    height = size[0]
    y = np.repeat(["Blip", "Koi_Fish", "Whistle"], n_each)
    X = rng.integers(0, 60, size=(len(y), n_views, *size), dtype=np.uint8)
    for band, label in enumerate(["Blip", "Koi_Fish", "Whistle"]):
        start = band * height // 3
        X[y == label, :, start : start + height // 3] += 150
    return X, y


@pytest.fixture
def stripes():
    return make_stripes()


@pytest.fixture
def tiny():
    """Function that makes a classifier around the tiny net."""

    def make(**params):
        defaults = {
            "backbone": TinyNet,
            "weights": None,
            "max_epochs": 12,
            "batch_size": 8,
            "learning_rate": 1e-2,
            "augment": False,
            "random_state": 0,
        }
        return CNNClassifier(**{**defaults, **params})

    return make
