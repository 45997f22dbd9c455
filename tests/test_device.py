"""Choice of device and precision, as plain functions."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch

from skglitch import CNNClassifier, _device
from skglitch._device import (
    autocast,
    choose_device,
    choose_precision,
    seeded,
)


@pytest.mark.parametrize(
    ("has_cuda", "has_mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_best_device(monkeypatch, has_cuda, has_mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(has_cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: has_mps)
    assert choose_device("auto").type == expected


def test_auto_is_a_device_that_is_there():
    assert choose_device("auto").type in ("cpu", "cuda", "mps")


def test_cuda_is_chosen_where_it_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match=r"device='cuda:2' .*: 2"):
        choose_device("cuda:2")


def test_strain_needs_a_device_with_float64(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type in ("mps", "cuda")
    assert _device.choose_exact_device("auto").type in ("cpu", "cuda")
    with pytest.raises(ValueError, match=r"device='mps' .*float64"):
        _device.choose_exact_device("mps")


@pytest.mark.parametrize(
    ("precision", "fast", "expected"),
    [
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
        ("float32", True, torch.float32),
        ("bfloat16", False, torch.bfloat16),
    ],
)
def test_precision(precision, fast, expected, monkeypatch):
    monkeypatch.setattr(_device, "has_fast_bfloat16", lambda device: fast)
    assert choose_precision(precision, torch.device("cpu")) == expected


def test_nets_train_and_predict_in_one_format(monkeypatch):
    monkeypatch.setattr(_device, "has_fast_bfloat16", lambda device: True)
    seen = set()

    def note(module, args):
        enabled = torch.is_autocast_enabled("cpu")
        seen.add((module.training, torch.get_autocast_dtype("cpu") if enabled else torch.float32))

    X = np.zeros((8, 1, 32, 32), dtype=np.uint8)
    y = ["Blip", "Tomte"] * 4
    net = CNNClassifier("test_efficientnet", weights=None, max_epochs=1, random_state=0).fit(X, y)
    net.net_.module_.register_forward_pre_hook(note)
    net.partial_fit(X, y)
    net.predict(X)
    assert seen == {(True, torch.bfloat16), (False, torch.bfloat16)}


def test_unknown_precision_is_named():
    with pytest.raises(ValueError, match=r"precision='half' .*auto, float32, bfloat16"):
        choose_precision("half", torch.device("cpu"))


def test_autocast_computes_in_bfloat16_only_when_asked():
    layer, x = torch.nn.Linear(4, 4), torch.ones(1, 4)
    with autocast(torch.device("cpu"), torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), torch.float32) as context:
        assert layer(x).dtype == torch.float32
    assert isinstance(autocast(torch.device("cpu"), torch.float32), contextlib.nullcontext)
    assert context is None


def test_seeded_block_repeats_and_leaves_no_trace():
    before = torch.random.get_rng_state()
    draws = []
    for _ in range(2):
        with seeded(3, torch.device("cpu")):
            draws.append(torch.rand(4))
    assert torch.equal(*draws)
    assert torch.equal(before, torch.random.get_rng_state())
