"""Records against what the libraries say, and the nets of the paper against known figures."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torchvision
from torch import nn

from skglitch._backbones import backbone_info, make_backbone
from skglitch._backbones._published import PublishedWeights

# name, size, width, parameters, last layer, checksum: what is published of the nets of the paper
PAPER = [
    ("inception_v3", 299, 2048, 27_161_264, "fc", "sha256:0cc3c7bd"),
    ("resnet50", 224, 2048, 25_557_032, "fc", "sha256:11ad3fa6"),
    ("vgg16", 224, 4096, 138_357_544, "classifier.6", "sha256:397923af"),
    ("vgg19", 224, 4096, 143_667_240, "classifier.6", "sha256:dcbb9e9d"),
]


@pytest.mark.parametrize(("name", "size", "width", "n_parameters", "head", "checksum"), PAPER)
def test_nets_of_the_paper(name, size, width, n_parameters, head, checksum):
    info = backbone_info(name)
    assert info.library == "torchvision"
    assert info.input_size == (size, size)
    assert (info.width, info.n_parameters, info.head[0]) == (width, n_parameters, head)
    assert info.weights.checksum == checksum
    published = torchvision.models.get_model_weights(name).DEFAULT
    transforms = published.transforms()
    assert (list(info.mean), list(info.std)) == (transforms.mean, transforms.std)
    assert transforms.crop_size == [size]
    assert published.meta["num_params"] == n_parameters
    assert min(published.meta["min_size"]) <= info.min_size
    assert info.weights.url == published.url


def test_inception_v2():
    store = pytest.importorskip("pytorchcv.models.common.model_store")
    n_parameters, error, sha1, tag = store.get_model_metainfo("bninception")
    info = backbone_info("bn_inception")
    assert info.n_parameters == n_parameters == 11_295_240
    assert info.weights.checksum == f"sha1:{sha1}"
    file = f"bninception-{error}-{sha1[:8]}.pth"
    assert info.weights.file_name == file
    assert info.weights.url == f"{store.imgclsmob_repo_url}/releases/download/{tag}/{file}.zip"
    assert (info.width, info.input_size, info.head) == (1024, (224, 224), ("output",))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite2", "test_vit"])
def test_nets_of_timm(name):
    import timm

    net = timm.create_model(f"tf_{name}" if "_lite" in name else name)
    info = backbone_info(name)
    config = net.pretrained_cfg
    assert (info.mean, info.std) == (tuple(config["mean"]), tuple(config["std"]))
    assert info.input_size == config["input_size"][1:]
    assert info.fixed_size == config["fixed_input_size"]
    assert info.width == net.num_features
    assert info.n_parameters == sum(p.numel() for p in net.parameters())
    assert info.weights.license


def test_every_classification_net_of_torchvision_has_a_checksum():
    from skglitch._backbones import _registry

    for name in _registry.torchvision_names():
        for weights in torchvision.models.get_model_weights(name):
            assert _registry._HASH_IN_NAME.search(weights.url), weights


def test_weights_in_another_size_than_the_default_ones():
    weights = torchvision.models.ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1
    from skglitch._backbones._registry import find_backbone

    info = find_backbone("vit_b_16", weights)
    assert info.input_size == (384, 384)
    # 24 x 24 patches of 16 pixels and the class token
    assert info.build().encoder.pos_embedding.shape == (1, 24 * 24 + 1, 768)


def test_weights_of_another_net_are_refused():
    weights = torchvision.models.ResNet50_Weights.IMAGENET1K_V1
    for name in ("resnet18", "efficientnet_lite0"):
        with pytest.raises(ValueError, match=f"weights=ResNet50_Weights.*backbone='{name}'"):
            make_backbone(name, weights)


def test_record_is_read_only_and_printable():
    info = backbone_info("squeezenet1_1")
    with pytest.raises(AttributeError):
        info.name = "other"
    assert "squeezenet1_1-b8a52dc0.pth" in repr(info)
    assert info.head == ("classifier",)


def test_unknown_name():
    with pytest.raises(ValueError, match=r"'bninception'.*'bn_inception'"):
        backbone_info("bninception")


def test_file_name_is_that_inside_an_archive():
    weights = PublishedWeights("https://a.org/b/net-12345678.pth.zip", None, "MIT")
    assert weights.file_name == "net-12345678.pth"


def test_a_net_that_computes_while_it_is_built_is_measured_too():
    def build():
        # The number that is asked for is not there on the meta device.
        size = int(torch.ones(3).sum().item())
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, size))

    info = dataclasses.replace(backbone_info("squeezenet1_1"), build=build)
    assert (info.width, info.n_parameters, info.head) == (3, 12, ("2",))
