"""Batches, schedule, freezing, loss: the parts of a training one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skglitch._backbones import make_backbone
from skglitch._training import (
    EvenBatches,
    GlitchLoss,
    GlitchNet,
    ImageDataset,
    ViewEncoder,
    frozen_parts,
    run_in_batches,
    warm_up_and_decay,
)
from skglitch._training._fine_tune import parameter_groups
from skglitch.spectrograms import PixelScale, ViewLayout


@given(n=st.integers(1, 300), batch_size=st.integers(1, 70))
def test_even_batches_hold_every_sample_once(n, batch_size):
    batches = EvenBatches(n, batch_size, seed=0)
    parts = list(batches)
    assert sorted(itertools.chain.from_iterable(parts)) == list(range(n))
    sizes = [len(part) for part in parts]
    assert len(sizes) == len(batches) == -(-n // batch_size)
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= batch_size


def test_batches_differ_between_epochs_and_repeat_with_the_seed():
    first, again = EvenBatches(50, 8, seed=1), EvenBatches(50, 8, seed=1)
    epochs = [list(first), list(first)]
    assert epochs[0] != epochs[1]
    assert epochs == [list(again), list(again)]


@given(total=st.integers(1, 200))
def test_rate_rises_to_the_peak_and_falls(total):
    optimizer = torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": 0.3}])
    schedule = warm_up_and_decay(optimizer, total_steps=total)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(0.3)
    assert np.all(np.diff(rates[: peak + 1]) > 0)
    assert np.all(np.diff(rates[peak:]) <= 0)
    assert min(rates) > 0 or total <= 2
    if total >= 20:
        assert rates[-1] < 0.01


def _net(n_views=1, fine_tune="all"):
    trunk = make_backbone("test_resnet", weights=None)
    layout = ViewLayout.from_parameter("mosaic", (), n_views=n_views)
    net = GlitchNet(ViewEncoder(trunk, layout), n_classes=3)
    net.freeze(frozen_parts(trunk, fine_tune))
    return net


def test_groups_take_each_parameter_once_and_spare_vectors_the_decay():
    net = _net(fine_tune="layer4")
    groups = parameter_groups(
        net,
        net.named_parameters(),
        learning_rate=0.1,
        trunk_factor=0.5,
        layer_decay=1.0,
        weight_decay=0.01,
    )
    grouped = [parameter for group in groups for parameter in group["params"]]
    assert sorted(map(id, grouped)) == sorted(map(id, net.parameters()))
    for group in groups:
        is_head = any(p is q for p in group["params"] for q in net.head.parameters())
        assert group["lr"] == (0.1 if is_head else 0.05)
        assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] > 0}


def test_frozen_batch_norm_stays_in_evaluation_mode():
    net = _net(fine_tune="layer3").train()
    trunk = net.encoder.trunk.net
    before, after = trunk.layer2, trunk.layer3
    assert not any(module.training for module in before.modules())
    assert not any(parameter.requires_grad for parameter in before.parameters())
    assert all(module.training for module in after.modules())
    assert all(parameter.requires_grad for parameter in after.parameters())
    assert not any(module.training for module in net.eval().modules())


def test_freezing_from_a_nested_layer():
    trunk = _net(fine_tune="layer3.0.conv2").encoder.trunk.net
    state = {name: p.requires_grad for name, p in trunk.named_parameters()}
    assert not state["layer2.0.conv1.weight"]
    assert not state["layer3.0.conv1.weight"]
    assert state["layer3.0.conv2.weight"]
    assert state["layer4.0.conv1.weight"]


def test_weighted_loss_by_hand():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    targets = torch.tensor([0, 0])
    losses = [np.log1p(np.exp(-2.0)), np.log1p(np.exp(1.0))]
    loss = GlitchLoss()
    assert loss(logits, targets).item() == pytest.approx(np.mean(losses))
    weights = torch.tensor([0.5, 1.5])
    expected = (0.5 * losses[0] + 1.5 * losses[1]) / 2
    assert loss(logits, targets, weights).item() == pytest.approx(expected)


def test_data_set_reads_only_the_rows_of_a_batch(tmp_path):
    images = np.arange(10 * 6, dtype=np.uint8).reshape(10, 1, 2, 3)
    rows = np.array([9, 2, 4])
    weights = np.arange(10, dtype=np.float32)
    data = ImageDataset(
        images, np.arange(10), PixelScale.fit(images), rows=rows, sample_weight=weights
    )
    batch, targets = data.__getitems__([2, 0])
    np.testing.assert_array_equal(batch["images"].numpy(), images[[4, 9]])
    assert batch["images"].dtype == torch.uint8
    assert targets.tolist() == [4, 9]
    assert batch["sample_weight"].tolist() == [4, 9]
    single, target = data[1]
    np.testing.assert_array_equal(single["images"].numpy(), images[2])
    assert target == 2


def test_inference_fills_one_array_in_evaluation_mode():
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(6)).train()
    images = np.random.default_rng(0).integers(0, 255, (7, 1, 2, 3), dtype=np.uint8)
    output = run_in_batches(
        net,
        lambda batch: net(batch.float()),
        images,
        PixelScale.fit(images),
        batch_size=3,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, images.reshape(7, 6) / np.sqrt(1 + 1e-5), rtol=1e-5)
