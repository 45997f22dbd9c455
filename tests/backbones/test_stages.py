"""Stages: each tensor in exactly one, from input to output."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skglitch._backbones import make_backbone
from skglitch._backbones._stages import stages_of

NETS = [
    "efficientnet_lite0",
    "resnet18",
    "resnet50",
    "vgg16",
    "inception_v3",
    "bn_inception",
    "squeezenet1_1",
    "merged_view_cnn",
    "vit_tiny_patch16_224",
    "vit_b_16",
    "convnext_tiny",
    "test_convnext",
    "densenet121",
]


def stages_with(tensor, stages):
    return [
        number
        for number, names in enumerate(stages)
        if any(tensor == name or tensor.startswith(f"{name}.") for name in names)
    ]


def check_partition(net, stages):
    tensors = [name for name, _ in (*net.named_parameters(), *net.named_buffers())]
    places = [stages_with(name, stages) for name in tensors]
    assert [name for name, place in zip(tensors, places, strict=True) if len(place) != 1] == []
    # No stage is there for nothing.
    assert {place[0] for place in places} == set(range(len(stages)))


@pytest.mark.parametrize("name", NETS)
def test_each_tensor_is_in_one_stage(name):
    if name == "bn_inception":
        pytest.importorskip("pytorchcv")
    backbone = make_backbone(name, None)
    check_partition(backbone.net, backbone.stages())
    assert len(backbone.stages()) >= 5


@pytest.mark.parametrize(
    "name", ["efficientnet_lite0", "resnet18", "inception_v3", "squeezenet1_1", "merged_view_cnn"]
)
def test_stages_run_in_their_order(name):
    backbone = make_backbone(name, None).eval()
    ran = []

    def note(number):
        return lambda *_: ran.append(number)

    for number, names in enumerate(backbone.stages()):
        for module in names:
            backbone.net.get_submodule(module).register_forward_hook(note(number))
    with torch.no_grad():
        backbone(torch.rand(1, 1, 75, 75))
    assert ran == sorted(ran)
    assert set(ran) == set(range(len(backbone.stages())))


def test_known_stages():
    assert make_backbone("resnet18", None).stages() == [
        ("conv1", "bn1", "relu", "maxpool"),
        *[(f"layer{i}.{j}",) for i in (1, 2, 3) for j in (0, 1)],
        ("layer4.0",),
        ("layer4.1", "avgpool", "fc"),
    ]
    # The tokens of a vision transformer are the root's own.
    assert {"cls_token", "pos_embed", "patch_embed"} <= set(
        make_backbone("vit_tiny_patch16_224", None).stages()[0]
    )
    assert {"class_token", "conv_proj", "encoder.pos_embedding"} <= set(
        make_backbone("vit_b_16", None).stages()[0]
    )


def test_a_net_within_a_net_is_opened():
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.inner = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3))

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = Wrapper()

    assert stages_of(Outer()) == [
        ("body.scale", "body.inner.0", "body.inner.1"),
        ("body.inner.2",),
    ]


def test_nets_without_stages():
    assert stages_of(nn.Identity()) == []
    assert stages_of(nn.Linear(2, 2)) == [("weight", "bias")]


LEAVES = st.sampled_from(
    [lambda: nn.Conv2d(2, 2, 1), lambda: nn.BatchNorm2d(2), nn.ReLU, lambda: nn.Linear(2, 2)]
).map(lambda build: build())
TREES = st.recursive(
    LEAVES,
    lambda children: st.one_of(
        st.lists(children, min_size=1, max_size=4).map(lambda c: nn.Sequential(*c)),
        st.lists(children, min_size=1, max_size=4).map(nn.ModuleList),
    ),
    max_leaves=20,
)


@given(TREES)
@settings(max_examples=50, deadline=None)
def test_any_net_is_parted(net):
    tensors = [name for name, _ in (*net.named_parameters(), *net.named_buffers())]
    stages = stages_of(net)
    assert [name for name in tensors if len(stages_with(name, stages)) != 1] == []
