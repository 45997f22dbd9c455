"""What each transfer policy does to every parameter and buffer of a tiny net."""

from __future__ import annotations

import copy

import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from skglitch import CNNClassifier
from skglitch._backbones import Readout, make_backbone
from skglitch._training import GlitchNet, ViewEncoder, frozen_parts, measure_batch_norm
from skglitch._training._fine_tune import parameter_groups, stages_read
from skglitch.spectrograms import ViewLayout

from ..estimators.conftest import TinyNet, make_stripes

TRUNK = "encoder.trunk."


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
        "layer": "penultimate",
        "pooling": "mean",
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
    prefixes = tuple(f"{TRUNK}net.{part}" for part in parts)
    return {name for name in names if any(name == p or name.startswith(f"{p}.") for p in prefixes)}


def test_all_layers_learn_and_all_statistics_move():
    _, states = _fit(fine_tune="all", batch_norm="train")
    assert _changed(states[0], states[-1]) == set(states[0])


def test_head_only():
    _, states = _fit(fine_tune="head", batch_norm="train")
    assert _changed(states[0], states[-1]) == {"head.weight", "head.bias"}


def test_from_a_depth_up():
    _, states = _fit(fine_tune="blocks.2", batch_norm="train")
    before = ("conv_stem", "bn1", "blocks.0", "blocks.1")
    still = _in_parts(states[0], before)
    assert still
    assert _changed(states[0], states[-1]) == set(states[0]) - still


def test_gradual_unfreezes_stage_by_stage_from_the_end():
    n_epochs = 6
    classifier, states = _fit(fine_tune="gradual", batch_norm="train", max_epochs=n_epochs)
    stages = classifier.net_.module_.encoder.trunk.stages()
    assert len(stages) > 3
    n_trained = [int(len(stages) * min(1, 2 * epoch / n_epochs)) for epoch in range(n_epochs)]
    assert n_trained[0] == 0
    assert 0 < n_trained[1] < len(stages)
    assert n_trained[3:] == [len(stages)] * 3
    for epoch, n in enumerate(n_trained):
        frozen = [part for stage in stages[: len(stages) - n] for part in stage]
        still = _in_parts(states[0], frozen)
        # Buffers too: statistics of frozen batch norms must not follow the batches.
        assert _changed(states[epoch], states[epoch + 1]) == set(states[0]) - still
    assert classifier.net_.module_.frozen == ()


def test_gradual_begins_at_the_last_layer_that_is_read():
    trunk = make_backbone("test_efficientnet", weights=None)
    readout = Readout(("blocks.0", "blocks.2"))
    stages = trunk.stages()
    read = stages_read(trunk, readout)
    assert 0 < len(read) < len(stages)
    assert read == stages[: len(read)]
    assert any(part.startswith("blocks.2") for part in read[-1])
    assert not any(part.startswith("blocks.2") for stage in stages[len(read) :] for part in stage)
    # After a first share of the way one stage is trained: the last of these, not of the net.
    frozen = frozen_parts(trunk, "gradual", 0.5 / len(read) + 1e-9, readout)
    assert frozen == tuple(name for stage in read[:-1] for name in stage)


def test_head_epochs_leave_the_trunk_as_it_was_bit_by_bit():
    _, states = _fit(head_epochs=2, batch_norm="train", max_epochs=3)
    for epoch in (0, 1):
        assert _changed(states[epoch], states[epoch + 1]) == {"head.weight", "head.bias"}
    assert _changed(states[2], states[3]) == set(states[0])


@pytest.mark.parametrize("layer_decay", [1.0, 0.1])
def test_rate_of_each_parameter_by_hand(layer_decay):
    trunk = make_backbone("test_resnet", weights=None)
    net = GlitchNet(ViewEncoder(trunk, ViewLayout("mosaic", (0,))), n_classes=3)
    groups = parameter_groups(
        net,
        net.named_parameters(),
        learning_rate=0.2,
        trunk_factor=0.5,
        layer_decay=layer_decay,
        weight_decay=0.01,
    )
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert len(rates) == len(list(net.parameters()))
    stages = trunk.stages()
    assert len(stages) > 3
    seen = set()
    for index, stage in enumerate(stages):
        distance = (len(stages) - 1 - index) / (len(stages) - 1)
        for name in _in_parts([name for name, _ in net.named_parameters()], stage):
            seen.add(name)
            rate = rates[id(net.get_parameter(name))]
            assert rate == pytest.approx(0.2 * 0.5 * layer_decay**distance)
    assert seen == {name for name, _ in net.named_parameters()} - {"head.weight", "head.bias"}
    assert rates[id(net.head.weight)] == rates[id(net.head.bias)] == 0.2


def test_rates_count_from_the_last_layer_that_is_read():
    trunk = make_backbone("test_resnet", weights=None)
    encoder = ViewEncoder(
        trunk, ViewLayout("mosaic", (0,)), Readout(("layer2",)), image_shape=(1, 64, 64)
    )
    net = GlitchNet(encoder, n_classes=3)
    groups = parameter_groups(
        net,
        net.named_parameters(),
        learning_rate=1.0,
        trunk_factor=1.0,
        layer_decay=0.1,
        weight_decay=0.0,
    )
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert rates[id(trunk.net.layer2[-1].conv1.weight)] == 1.0
    assert rates[id(trunk.net.layer4[-1].conv1.weight)] == 1.0
    assert rates[id(next(trunk.net.parameters()))] == pytest.approx(0.1)
    assert max(rates.values()) == 1.0


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
    ("extent", "batch_norm", "policy"),
    [
        ("whole", "auto", "keep"),
        ("none", "auto", "train"),
        ("own", "auto", "train"),
        ("whole", "keep", "keep"),
        ("whole", "adapt", "adapt"),
        ("whole", "train", "train"),
        ("own", "keep", "keep"),
        ("none", "adapt", "adapt"),
    ],
)
def test_statistics_of_batch_norms(extent, batch_norm, policy, tmp_path, weights_of_tiny):
    torch.save(weights_of_tiny, tmp_path / "weights.pth")
    weights = tmp_path / "weights.pth" if extent == "whole" else None
    backbone = TinyNet
    if extent == "none":
        backbone, weights = "test_efficientnet", None
    elif extent == "own":
        backbone = TinyNet()
    classifier, states = _fit(
        backbone=backbone,
        weights=weights,
        batch_norm=batch_norm,
        max_epochs=2,
    )
    module = classifier.net_.module_
    assert module.encoder.trunk.loaded["extent"] == extent
    assert module.batch_norm_is_fixed == (policy != "train")
    names = {name for name in states[0] if name.endswith(("running_mean", "running_var"))}
    first, during, last = states[0], states[-1], module.state_dict()
    moved = _changed({n: first[n] for n in names}, during)
    assert moved == (names if policy == "train" else set())
    remeasured = _changed({n: during[n] for n in names}, last)
    assert remeasured == (names if policy == "train" else set())
    if extent == "whole":
        loaded = {f"{TRUNK}net.{name}": value for name, value in weights_of_tiny.items()}
        kept = names - _changed({n: first[n] for n in names}, loaded)
        assert kept == (set() if policy == "adapt" else names)
    # Scales and shifts learn under each policy.
    affine = {f"{TRUNK}net.{n}" for n, _ in module.encoder.trunk.net.named_parameters()}
    assert affine <= _changed(first, last)


def test_batch_norms_that_are_not_read_keep_their_statistics():
    trunk = make_backbone("test_resnet", weights=None)
    encoder = ViewEncoder(
        trunk, ViewLayout("mosaic", (0,)), Readout(("layer1",)), image_shape=(1, 32, 32)
    )
    net = GlitchNet(encoder, n_classes=2)
    for norm in _norms(trunk):
        nn.init.constant_(norm.running_mean, 7.0)
    measure_batch_norm(net, [torch.rand(4, 1, 32, 32)])
    for name, norm in trunk.net.named_modules():
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


def test_frozen_stages_do_not_train():
    trunk = make_backbone("googlenet", weights=None)
    net = GlitchNet(ViewEncoder(trunk, ViewLayout("mosaic", (0,))), n_classes=2)
    net.freeze(("",))
    net.train()
    assert not any(p.requires_grad for p in trunk.parameters())
    assert not any(module.training for module in trunk.modules())
    net.freeze(("conv1", "conv2", "conv3"))
    state = {name: p.requires_grad for name, p in trunk.named_parameters()}
    assert {name.split(".")[1] for name, learns in state.items() if not learns} == {
        "conv1", "conv2", "conv3",
    }  # fmt: skip
    assert not trunk.net.conv2.training
    assert trunk.net.inception4a.training
