"""Fixed batch norms that are folded into convolutions while a net is trained."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import timm
import torch
from torch import nn

from skglitch import CNNClassifier
from skglitch._backbones import make_backbone
from skglitch._training._folding import folded_norms

NETS = ["test_efficientnet", "resnet18", "bn_inception", "densenet121"]


class Awkward(nn.Module):
    """Norms that cannot be folded: of a shared convolution, of outputs that are read twice."""

    def __init__(self):
        super().__init__()
        self.shared, self.read_twice = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1, bias=False)
        self.folds = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(4))
        self.plain = nn.BatchNorm2d(3, affine=False)
        self.folds_not = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        x = self.norms[0](self.shared(x)) + self.norms[1](self.shared(x + 1))
        y = self.read_twice(x)
        x = self.norms[2](y) + y
        return self.plain(self.folds_not(self.norms[3](self.folds(x)))).mean((2, 3))


class Depends(Awkward):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


def make(net):
    torch.manual_seed(0)
    net = net() if isinstance(net, type) else make_backbone(net, weights=None).net
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.uniform_(module.bias, -1, 1)
    return net.eval().double()


def gradients(net, x):
    net.zero_grad()
    output = net(x)
    output.square().mean().backward()
    return output.detach(), {name: p.grad.clone() for name, p in net.named_parameters()}


@pytest.mark.parametrize("net", [*NETS, Awkward, Depends])
def test_outputs_and_gradients_are_the_same(net):
    net = make(net)
    channels = next(p.shape[1] for p in net.parameters() if p.ndim == 4)
    x = torch.rand(2, channels, 64, 64, dtype=torch.double)
    plain = gradients(net, x)
    with folded_norms(net):
        folded = gradients(net, x)
    after = gradients(net, x)
    torch.testing.assert_close(folded, plain)
    torch.testing.assert_close(after, plain, rtol=0, atol=0)


def count_norms(net, x):
    calls = []
    with torch.profiler.profile() as profile:
        net(x)
    calls = [event.count for event in profile.key_averages() if event.key == "aten::batch_norm"]
    return sum(calls)


def test_norms_take_no_time_of_their_own():
    net = make("test_efficientnet")
    x = torch.rand(1, 3, 32, 32, dtype=torch.double)
    with folded_norms(net):
        assert count_norms(net, x) == 0
    assert count_norms(net, x) == sum(isinstance(m, nn.BatchNorm2d) for m in net.modules())


def test_layers_that_are_read_stay_as_they_are():
    net, x = make("test_efficientnet"), torch.rand(1, 3, 32, 32, dtype=torch.double)
    outputs = []
    net.conv_stem.register_forward_hook(lambda *args: outputs.append(args[-1]))
    net(x)
    with folded_norms(net, kept=["conv_stem"]):
        net(x)
    torch.testing.assert_close(*outputs, rtol=0, atol=0)


def test_nets_are_as_before_after_an_error():
    net = make("test_efficientnet")
    with pytest.raises(KeyError), folded_norms(net):
        raise KeyError
    assert not any("forward" in vars(module) for module in net.modules())


def test_fit_trains_the_scales_of_fixed_norms():
    X = np.random.default_rng(0).integers(0, 255, (16, 1, 32, 32), dtype=np.uint8)
    net = timm.create_model("test_efficientnet", num_classes=0)
    model = CNNClassifier(net, weights=None, head_init="regression", max_epochs=2, random_state=0)
    before = copy.deepcopy(net.state_dict())
    after = model.fit(X, ["Blip", "Tomte"] * 8).net_.module_.encoder.backbone.net.state_dict()
    assert not torch.equal(after["bn1.weight"], before["bn1.weight"])
    assert torch.equal(after["bn1.running_mean"], before["bn1.running_mean"])
