"""Choice of device and precision, as plain functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skglitch import CNNClassifier, TruncatedCNNTransformer, _device
from skglitch._device import (
    autocast,
    choose_device,
    choose_precision,
    computing,
    seeded,
)
from skglitch._training import PixelScale, run_in_batches


@pytest.fixture
def accelerator(monkeypatch):
    """Pretend that there are GPUs of a type, the second of which is the current one."""

    def pretend(kind, n_devices=2):
        found = torch.device(kind)
        for name, value in {
            "is_available": lambda: n_devices > 0,
            "current_accelerator": lambda: found,
            "device_count": lambda: n_devices,
            "current_device_index": lambda: n_devices - 1,
        }.items():
            monkeypatch.setattr(torch.accelerator, name, value)

    return pretend


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mps"])
def test_auto_takes_the_accelerator_of_torch(accelerator, kind):
    accelerator(kind, 1)
    assert choose_device("auto") == choose_device(kind) == torch.device(kind, 0)
    assert choose_device("cpu") == torch.device("cpu")


def test_auto_is_the_cpu_without_one(accelerator):
    accelerator("cuda", 0)
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"device='cuda' .* offers cpu\."):
        choose_device("cuda")


def test_a_device_has_the_index_that_is_current_now(accelerator):
    accelerator("cuda", 2)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda:1")
    assert choose_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ValueError, match=r"device='cuda:2' .* cpu, cuda:0, cuda:1\."):
        choose_device("cuda:2")
    with pytest.raises(ValueError, match=r"device='xpu'"):
        choose_device("xpu")


def test_strain_needs_a_device_with_float64(accelerator):
    accelerator("mps", 1)
    assert _device.choose_exact_device("auto") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"device='mps' .*float64"):
        _device.choose_exact_device("mps")


@pytest.mark.parametrize(
    ("precision", "fast", "expected"),
    [
        ("auto", True, "bfloat16"),
        ("auto", False, "float32"),
        ("float32", True, "float32"),
        ("tf32", True, "tf32"),
        ("bfloat16", False, "bfloat16"),
        ("float16", False, "float16"),
    ],
)
def test_precision(precision, fast, expected, monkeypatch):
    monkeypatch.setattr(_device, "has_fast_bfloat16", lambda device: fast)
    assert choose_precision(precision, torch.device("cpu")) == expected


def test_embeddings_have_the_precision_of_the_classifier(monkeypatch):
    monkeypatch.setattr(_device, "has_fast_bfloat16", lambda device: False)
    X = np.random.default_rng(0).integers(0, 255, (8, 1, 32, 32), dtype=np.uint8)
    net = CNNClassifier("test_efficientnet", weights=None, precision="bfloat16", max_epochs=1)
    net.set_params(random_state=0).fit(X, ["Blip", "Tomte"] * 4)
    auto, bfloat16, float32 = (
        TruncatedCNNTransformer(net, precision=precision).fit_transform(X)
        for precision in ("auto", "bfloat16", "float32")
    )
    np.testing.assert_array_equal(auto, bfloat16)
    assert not np.array_equal(auto, float32)


@pytest.mark.parametrize(("precision", "expected"), [("float32", "ieee"), ("tf32", "tf32")])
def test_float32_is_not_tf32_on_a_gpu(precision, expected):
    backends = torch.backends
    owners = backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn

    def state():
        return [owner.fp32_precision for owner in owners], backends.cudnn.benchmark

    before = state()
    with computing(torch.device("cuda:0"), precision, training=True):
        assert state() == ([expected] * 3, True)
    assert state() == before
    # torch's older name for it raises if the settings do not fit together.
    assert backends.cudnn.allow_tf32 in (True, False)


def test_float16_trains_as_float32_does():
    X = np.zeros((24, 1, 32, 32), dtype=np.uint8)
    X[::2, :, :8] = 200
    params = {"weights": None, "max_epochs": 3, "random_state": 0, "augment": False}
    losses, predictions = [], []
    for precision in ("float32", "float16"):
        classifier = CNNClassifier("test_efficientnet", precision=precision, **params)
        classifier.fit(X, np.tile(["Blip", "Tomte"], 12))
        losses.append(classifier.history_[:, "train_loss"])
        predictions.append(classifier.predict_proba(X))
        assert classifier.net_.scaler_ is None
        layer = next(classifier.net_.module_.parameters())
        assert layer.dtype == torch.float32
    np.testing.assert_allclose(*losses, rtol=0.02)
    np.testing.assert_allclose(*predictions, atol=0.02)
    assert not np.array_equal(*predictions)


def test_a_step_whose_gradients_overflow_is_left_out():
    X, y = np.zeros((8, 1, 32, 32), dtype=np.uint8), ["Blip", "Tomte"] * 4
    X[::2] += 200
    for callbacks, learned in (([], True), ([Spoil()], False)):
        net = CNNClassifier("test_efficientnet", weights=None, precision="float16", max_epochs=1)
        net.set_params(callbacks=callbacks, random_state=0).fit(X, y)
        assert net.net_.module_.head.weight.any() == learned


class Spoil(Callback):
    def on_grad_computed(self, net, named_parameters, **kwargs):
        # Only the scaler knows of it: as if float16 had overflowed.
        for state in net.scaler_._per_optimizer_states.values():
            for found in state["found_inf_per_device"].values():
                found.fill_(1.0)


def test_nets_without_memory_get_half_as_much_at_a_time():
    sizes = []

    def embed(batch):
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return batch.float().flatten(1)

    images = np.random.default_rng(0).integers(0, 255, (7, 1, 2, 2), dtype=np.uint8)
    cpu, settings = torch.device("cpu"), {"batch_size": 12, "precision": "float32"}
    with pytest.warns(UserWarning, match=r"at batch_size=12\. .* batches of 6") as warned:
        result = run_in_batches(
            torch.nn.Identity(), embed, images, PixelScale.fit(images), device=cpu, **settings
        )
    assert sizes == [7, 6, 3, 3, 1]
    assert len(warned) == 2
    np.testing.assert_array_equal(result, images.reshape(7, 4))


def test_a_fit_without_memory_names_the_batch_size():
    class Full(torch.nn.Module):
        def forward(self, images):
            raise torch.OutOfMemoryError("CUDA out of memory.")

    net = CNNClassifier("test_efficientnet", weights=None, augment=Full(), batch_size=4)
    with pytest.raises(
        torch.OutOfMemoryError, match=r"cpu ran out .* batch_size=4\. Use a smaller"
    ):
        net.fit(np.zeros((8, 1, 32, 32), dtype=np.uint8), ["Blip", "Tomte"] * 4)


def test_nets_train_and_predict_in_one_format(monkeypatch):
    monkeypatch.setattr(_device, "has_fast_bfloat16", lambda device: True)
    seen = set()

    def note(module, args):
        enabled = torch.is_autocast_enabled("cpu")
        seen.add((module.training, torch.get_autocast_dtype("cpu") if enabled else torch.float32))

    X = np.zeros((8, 1, 32, 32), dtype=np.uint8)
    y = ["Blip", "Tomte"] * 4
    net = CNNClassifier("test_efficientnet", weights=None, max_epochs=1, random_state=0).fit(X, y)
    net.net_.module_.encoder.backbone.net.register_forward_pre_hook(note)
    net.partial_fit(X, y)
    assert (True, torch.bfloat16) in seen
    assert (True, torch.float32) not in seen
    seen.clear()
    net.predict(X)
    assert seen == {(False, torch.bfloat16)}


def test_unknown_precision_is_named():
    with pytest.raises(ValueError, match=r"precision='half' .*auto, float32, tf32, bfloat16"):
        choose_precision("half", torch.device("cpu"))


def test_autocast_computes_in_16_bits_only_when_asked():
    layer, x, cpu = torch.nn.Linear(4, 4), torch.ones(1, 4), torch.device("cpu")
    for precision in ("float32", "tf32"):
        with autocast(cpu, precision):
            assert layer(x).dtype == torch.float32
    for precision, dtype in (("bfloat16", torch.bfloat16), ("float16", torch.float16)):
        with autocast(cpu, precision):
            assert layer(x).dtype == dtype


def test_seeded_block_repeats_and_leaves_no_trace():
    before = torch.random.get_rng_state()
    draws = []
    for _ in range(2):
        with seeded(3, torch.device("cpu")):
            draws.append(torch.rand(4))
    assert torch.equal(*draws)
    assert torch.equal(before, torch.random.get_rng_state())
