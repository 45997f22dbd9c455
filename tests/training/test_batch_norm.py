"""Statistics of batch norms: measured once, then kept."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from skglitch._backbones import make_backbone
from skglitch._training import (
    GlitchNet,
    ImageDataset,
    PixelScale,
    ViewEncoder,
    ViewLayout,
)
from skglitch._training._module import measure_batch_norm


def _net():
    backbone = nn.Sequential(
        nn.Conv2d(1, 4, 1),
        nn.BatchNorm2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    return GlitchNet(ViewEncoder(make_backbone(backbone, None), ViewLayout("mosaic", (0,))), 2)


def _images(n=24):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 255, (n, 1, 64, 64), dtype=np.uint8))


def test_statistics_are_those_of_all_images_together():
    net = _net().eval()
    images = _images()
    measure_batch_norm(net, images.split(8))
    convolution, norm = net.encoder.backbone.net[0], net.encoder.backbone.net[1]
    maps = convolution((images.float() / 255 - 0.5) / 0.5)
    torch.testing.assert_close(norm.running_mean, maps.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, maps.var((0, 2, 3)), rtol=0.02, atol=1e-4)
    assert norm.momentum == 0.1
    assert not norm.training


def test_statistics_stay_and_scales_learn_afterwards():
    net = _net()
    measure_batch_norm(net, [_images()])
    net.fix_batch_norm()
    norm = net.encoder.backbone.net[1]
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    net.train()
    assert net.training
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    nn.init.normal_(net.head.weight)
    nn.functional.cross_entropy(net(_images(4)), torch.tensor([0, 1, 0, 1])).backward()
    optimizer.step()
    assert torch.equal(norm.running_mean, before["running_mean"])
    assert torch.equal(norm.running_var, before["running_var"])
    assert not torch.equal(norm.weight, before["weight"])


def test_frozen_norms_keep_what_imagenet_gave_them():
    net = _net()
    net.freeze_before("head")
    norm = net.encoder.backbone.net[1]
    before = norm.running_mean.clone()
    measure_batch_norm(net, [_images()])
    assert torch.equal(norm.running_mean, before)


def test_sample_draws_different_rows_of_the_training_part():
    images = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)
    rows = np.arange(5, 17)
    data = ImageDataset(images, np.zeros(20, int), PixelScale.fit(images), rows=rows)
    for n_images, expected in ((8, 8), (100, 12)):
        batches = list(data.sample(n_images, 5, torch.device("cpu")))
        drawn = torch.cat(batches).flatten().tolist()
        assert len(drawn) == len(set(drawn)) == expected
        assert set(drawn) <= set(rows.tolist())
        assert max(map(len, batches)) <= 5
