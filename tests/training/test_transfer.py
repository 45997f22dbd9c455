"""What each way to fine-tune does to every parameter and buffer of a tiny net."""

from __future__ import annotations

import copy

import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from skglitch import CNNClassifier
from skglitch._backbones import Readout, make_backbone
from skglitch._training import GlitchNet, ViewEncoder, ViewLayout
from skglitch._training._module import measure_batch_norm
from skglitch.estimators import Encoder

from ..estimators.conftest import TinyNet, make_stripes

BACKBONE = "encoder.backbone."


class Diary(Callback):
    """Keeps the state of the net before training and after each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.states_ = [_state(net)]

    def on_epoch_end(self, net, **kwargs):
        self.states_.append(_state(net))


def _state(net):
    return {name: value.clone() for name, value in net.module_.state_dict().items()}


def _fit(**params):
    defaults = {
        "backbone": "test_efficientnet",
        "weights": None,
        "encoder": Encoder(layer="penultimate", pooling="mean"),
        "views": 1.0,
        "max_epochs": 4,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "augment": False,
        "callbacks": [("diary", Diary())],
        "random_state": 0,
    }
    classifier = CNNClassifier(**{**defaults, **params}).fit(*make_stripes(n_each=3))
    return classifier, dict(classifier.net_.callbacks_)["diary"].states_


def _changed(before, after):
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def _in_parts(names, parts):
    """Those of ``names`` of the net that are in one of ``parts``."""
    prefixes = tuple(f"{BACKBONE}net.{part}" for part in parts)
    return {name for name in names if any(name == p or name.startswith(f"{p}.") for p in prefixes)}


def test_all_layers_learn_and_all_statistics_move():
    _, states = _fit(fine_tune="all")
    assert _changed(states[0], states[-1]) == set(states[0])


def test_head_only():
    _, states = _fit(fine_tune="head")
    assert _changed(states[0], states[-1]) == {"head.weight", "head.bias"}


def test_from_a_depth_up():
    _, states = _fit(fine_tune="blocks.2")
    before = ("conv_stem", "bn1", "blocks.0", "blocks.1")
    still = _in_parts(states[0], before)
    assert still
    assert _changed(states[0], states[-1]) == set(states[0]) - still


@pytest.fixture(scope="module")
def weights_of_tiny():
    torch.manual_seed(1)
    state = TinyNet().state_dict()
    for name, value in state.items():
        if name.endswith("running_var"):
            value.mul_(3.0)
    return state


def _norms(module):
    return [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize(
    ("extent", "head_init", "keeps"),
    [
        ("whole", "auto", True),
        ("whole", "zeros", True),
        ("none", "auto", False),
        ("own", "auto", False),
        ("own", "regression", True),
        ("none", "regression", True),
    ],
)
def test_statistics_of_batch_norms(extent, head_init, keeps, tmp_path, weights_of_tiny):
    torch.save(weights_of_tiny, tmp_path / "weights.pth")
    weights = tmp_path / "weights.pth" if extent == "whole" else None
    backbone = {"whole": TinyNet, "none": "test_efficientnet", "own": TinyNet()}[extent]
    classifier, states = _fit(backbone=backbone, weights=weights, head_init=head_init, max_epochs=2)
    module = classifier.net_.module_
    assert module.encoder.backbone.loaded["extent"] == extent
    assert module.batch_norm_is_fixed == keeps
    names = {name for name in states[0] if name.endswith(("running_mean", "running_var"))}
    first, during, last = states[0], states[-1], module.state_dict()
    moved = _changed({n: first[n] for n in names}, during)
    assert moved == (set() if keeps else names)
    measured = _changed({n: during[n] for n in names}, last)
    assert measured == (set() if keeps else names)
    if extent == "whole":
        loaded = {f"{BACKBONE}net.{name}": value for name, value in weights_of_tiny.items()}
        assert not _changed({n: first[n] for n in names}, loaded)
    # Scales and shifts are trained either way.
    affine = {f"{BACKBONE}net.{n}" for n, _ in module.encoder.backbone.net.named_parameters()}
    assert affine <= _changed(first, last)


def test_batch_norms_that_are_not_read_keep_their_statistics():
    backbone = make_backbone("test_resnet", weights=None)
    encoder = ViewEncoder(
        backbone, ViewLayout("mosaic", (0,)), Readout(("layer1",)), image_shape=(1, 32, 32)
    )
    net = GlitchNet(encoder, n_classes=2)
    for norm in _norms(backbone):
        nn.init.constant_(norm.running_mean, 7.0)
    measure_batch_norm(net, [torch.rand(4, 1, 32, 32)])
    for name, norm in backbone.net.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            after = name.startswith(("layer2", "layer3", "layer4"))
            assert bool((norm.running_mean == 7.0).all()) == after
            assert norm.num_batches_tracked == (0 if after else 1)
            assert norm.momentum == 0.1


def test_dropout_does_not_disturb_the_statistics():
    backbone = nn.Sequential(
        nn.Dropout(0.9), nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip
    net = GlitchNet(
        ViewEncoder(make_backbone(backbone, None), ViewLayout("mosaic", (0,))), 2
    ).train()
    images = torch.rand(6, 1, 32, 32)
    twin = copy.deepcopy(net)
    torch.manual_seed(0)
    measure_batch_norm(net, [images])
    torch.manual_seed(1)
    measure_batch_norm(twin, [images])
    first, second = _norms(net)[0], _norms(twin)[0]
    assert torch.equal(first.running_var, second.running_var)
    assert net.training
    assert first.training


def test_no_statistics_without_batches():
    net = GlitchNet(ViewEncoder(make_backbone(TinyNet(), None), ViewLayout("mosaic", (0,))), 2)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    measure_batch_norm(net, [])
    assert _changed(before, net.state_dict()) == set()


def test_frozen_layers_do_not_train():
    backbone = make_backbone("googlenet", weights=None)
    net = GlitchNet(ViewEncoder(backbone, ViewLayout("mosaic", (0,))), n_classes=2)
    net.freeze_before("head")
    net.train()
    assert not any(p.requires_grad for p in backbone.parameters())
    assert not any(module.training for module in backbone.modules())
    net.freeze_before("inception3a")
    state = {name: p.requires_grad for name, p in backbone.named_parameters()}
    assert {name.split(".")[1] for name, is_trained in state.items() if not is_trained} == {
        "conv1", "conv2", "conv3",
    }  # fmt: skip
    assert not backbone.net.conv2.training
    assert backbone.net.inception4a.training
