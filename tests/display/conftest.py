"""Figures without windows, and no figure of pyplot left open."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

NAMES = [
    "1080Lines",
    "1400Ripples",
    "Air_Compressor",
    "Blip",
    "Chirp",
    "Extremely_Loud",
    "Helix",
    "Koi_Fish",
    "Light_Modulation",
    "Low_Frequency_Burst",
    "Low_Frequency_Lines",
    "No_Glitch",
    "None_of_the_Above",
    "Paired_Doves",
    "Power_Line",
    "Repeating_Blips",
    "Scattered_Light",
    "Scratchy",
    "Tomte",
    "Violin_Mode",
    "Wandering_Line",
    "Whistle",
]


def class_names(n_classes: int) -> np.ndarray:
    """Names of so many classes, the longest among them."""
    names = sorted(NAMES, key=len, reverse=True) + [f"Like_{name}" for name in NAMES]
    return np.sort(names[:n_classes])


def make_predictions(names, n_samples=1500, seed=0):
    """Labels and probabilities of a good classifier, common and rare classes."""
    rng = np.random.default_rng(seed)
    n = len(names)
    share = rng.dirichlet(np.ones(n))
    true = np.concatenate([np.arange(n), rng.choice(n, n_samples, p=share)])
    logits = 2 * rng.normal(size=(len(true), n))
    logits[np.arange(len(true)), true] += 6
    prob = np.exp(logits)
    return np.asarray(names)[true], prob / prob.sum(axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def _pyplot(monkeypatch):
    backend = matplotlib.get_backend()
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    # Other tests import packages that change the settings for all figures.
    with matplotlib.rc_context(matplotlib.rcParamsDefault):
        yield
    for number in set(plt.get_fignums()) - set(before):
        plt.close(number)
    matplotlib.use(backend)


@pytest.fixture
def energies():
    """Three glitches of four views with noise at the bottom of the scale."""
    return np.random.default_rng(0).integers(0, 60, size=(3, 4, 28, 34), dtype=np.uint8)
