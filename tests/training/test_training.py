"""Batches, schedule, freezing: the parts of a training one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skglitch._backbones import make_backbone
from skglitch._training import (
    GlitchNet,
    ImageDataset,
    PixelScale,
    ViewEncoder,
    ViewLayout,
    run_in_batches,
)
from skglitch._training._data import EvenBatches
from skglitch._training._net import warm_up_and_decay


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


@settings(deadline=None)  # the first step imports more of torch
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
    backbone = make_backbone("test_resnet", weights=None)
    layout = ViewLayout.from_parameter("mosaic", (), n_views=n_views)
    net = GlitchNet(ViewEncoder(backbone, layout), n_classes=3)
    net.freeze_before(fine_tune)
    return net


def test_frozen_batch_norm_stays_in_evaluation_mode():
    net = _net(fine_tune="layer3").train()
    backbone = net.encoder.backbone.net
    before, after = backbone.layer2, backbone.layer3
    assert not any(module.training for module in before.modules())
    assert not any(parameter.requires_grad for parameter in before.parameters())
    assert all(module.training for module in after.modules())
    assert all(parameter.requires_grad for parameter in after.parameters())
    assert not any(module.training for module in net.eval().modules())


def test_freezing_from_a_nested_layer():
    backbone = _net(fine_tune="layer3.0.conv2").encoder.backbone.net
    state = {name: p.requires_grad for name, p in backbone.named_parameters()}
    assert not state["layer2.0.conv1.weight"]
    assert not state["layer3.0.conv1.weight"]
    assert state["layer3.0.conv2.weight"]
    assert state["layer4.0.conv1.weight"]


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
        precision="float32",
    )
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, images.reshape(7, 6) / np.sqrt(1 + 1e-5), rtol=1e-5)
