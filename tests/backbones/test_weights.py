"""Weights of every form."""

from __future__ import annotations

import re
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from sklearn.base import clone
from torch import nn

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch._backbones import backbone_info, list_backbones, make_backbone
from skglitch._backbones._weights import read_state_dict


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return torchvision.models.resnet18().state_dict()


def without(state, prefix):
    return {key: value for key, value in state.items() if not key.startswith(prefix)}


def test_mapping_and_files_load_the_same(state, tmp_path):
    torch.save(state, tmp_path / "net.pth")
    safetensors.torch.save_file(state, tmp_path / "net.safetensors")
    for weights in (state, tmp_path / "net.pth", str(tmp_path / "net.safetensors")):
        backbone = make_backbone("resnet18", weights)
        assert backbone.loaded["extent"] == "whole"
        for key, value in backbone.net.state_dict().items():
            assert torch.equal(value, state[key])


def test_training_leaves_what_was_read_alone(state, tmp_path):
    torch.save(state, tmp_path / "net.pth")
    backbone = make_backbone("resnet18", tmp_path / "net.pth")
    with torch.no_grad():
        backbone.net.conv1.weight.zero_()
    assert read_state_dict(tmp_path / "net.pth")["conv1.weight"].abs().sum() > 0


def test_half_precision_becomes_single(state):
    half = {key: v.half() if v.is_floating_point() else v for key, v in state.items()}
    backbone = make_backbone("resnet18", half)
    assert backbone.net.conv1.weight.dtype == torch.float32
    assert torch.equal(backbone.net.conv1.weight, half["conv1.weight"].float())


def test_weights_are_complete_or_refused(state):
    with pytest.raises(ValueError, match=r"25 missing.*'layer4"):
        make_backbone("resnet18", without(state, ("layer4.", "fc.")))
    with pytest.raises(ValueError, match="100 missing"):
        make_backbone("resnet18", {f"module.{key}": v for key, v in state.items()})
    with pytest.raises(ValueError, match=r"1 .*shape.*'conv1.weight'"):
        make_backbone("resnet18", dict(state) | {"conv1.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="1 unexpected"):
        make_backbone("resnet18", dict(state) | {"projection.weight": torch.zeros(3)})
    with pytest.raises(ValueError, match="1 missing"):
        make_backbone(torchvision.models.resnet18(), without(state, "bn1.weight"))
    with pytest.raises(ValueError, match=r"1 tensors with NaN or infinity .*'bn1.bias'"):
        make_backbone("resnet18", dict(state) | {"bn1.bias": torch.full((64,), torch.inf)})
    make_backbone("resnet18", without(state, "fc."))  # its last layer is cut off anyway


def test_weights_of_the_ready_made_model_are_of_one_backbone():
    for backbone in ("resnet18", torchvision.models.resnet18()):
        with pytest.raises(ValueError, match=r"weights='glitches' .*backbone=.*[Rr]es[Nn]et"):
            make_backbone(backbone, "glitches")


def test_a_saved_model_has_the_weights_of_its_backbone(tmp_path):
    X = np.repeat([0, 255], 2 * 32 * 32).astype(np.uint8).reshape(4, 1, 32, 32)
    transformer = TruncatedCNNTransformer("test_efficientnet", weights=None, random_state=0).fit(X)
    skglitch.save(transformer, tmp_path / "model.skglitch")
    backbone = make_backbone("test_efficientnet", tmp_path / "model.skglitch")
    for key, value in transformer.encoder_.backbone.net.state_dict().items():
        assert torch.equal(backbone.net.state_dict()[key], value)
    with pytest.raises(ValueError, match=r"model\.skglitch does not hold the weights of ResNet"):
        make_backbone("resnet18", tmp_path / "model.skglitch")


@pytest.mark.parametrize(
    "change",
    [
        {7: torch.zeros(1)},
        {"bn1.weight": torch.ones(64, dtype=torch.complex64)},
        {"bn1.weight": torch.ones(64, device="meta")},
    ],
    ids=["number as name", "complex", "meta"],
)
def test_tensors_that_are_no_weights(state, change):
    with pytest.raises(ValueError, match="weights: the mapping does not hold a state dict"):
        make_backbone("resnet18", dict(state) | change)


def test_weights_beyond_all_floats_are_named(tmp_path):
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    torch.save({key: value * 1e38 for key, value in net.state_dict().items()}, tmp_path / "n.pth")
    X = np.repeat([0, 255], 2 * 32 * 32).astype(np.uint8).reshape(4, 1, 32, 32)
    with pytest.raises(ValueError, match=r"NaN or infinity .*n\.pth"):
        CNNClassifier(net, weights=tmp_path / "n.pth").fit(X, ["a", "a", "b", "b"])


def test_archives_that_fill_the_memory_are_refused(tmp_path):
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", bytes(10_000_000))
    with pytest.raises(ValueError, match="expand to 10000000"):
        read_state_dict(path)


def test_files_from_before_batch_norms_counted(state):
    old = {key: value for key, value in state.items() if "num_batches" not in key}
    backbone = make_backbone("resnet18", old)
    assert backbone.loaded["extent"] == "whole"
    assert backbone.net.bn1.num_batches_tracked == 0


def test_old_names_of_densenet():
    state = torchvision.models.densenet121().state_dict()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))", r"\1.", k): v for k, v in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert make_backbone("densenet121", old).loaded["extent"] == "whole"


def test_layout_version_reaches_nets_that_look_for_it():
    state = torchvision.models.mnasnet0_5().state_dict()
    assert make_backbone("mnasnet0_5", state).loaded["extent"] == "whole"


def test_what_is_remembered_of_other_weights():
    assert make_backbone("squeezenet1_1", None).loaded["extent"] == "none"
    assert make_backbone("efficientnet_lite0", "imagenet").loaded["extent"] == "whole"
    own = make_backbone(torchvision.models.squeezenet1_1(), "imagenet")
    assert own.loaded["extent"] == "own"
    given = make_backbone(torchvision.models.squeezenet1_1(), own.net.state_dict())
    assert given.loaded["extent"] == "whole"


def test_no_mapping_of_tensors():
    with pytest.raises(ValueError, match="weights: the mapping"):
        make_backbone("resnet18", {"conv1.weight": 1.0})


def test_weights_of_no_known_kind():
    with pytest.raises(ValueError, match="weights=3"):
        make_backbone("resnet18", 3)
    with pytest.raises(ValueError, match="weights=ResNet18_Weights"):
        make_backbone(nn.Linear(2, 2), torchvision.models.ResNet18_Weights.DEFAULT)


def test_nets_of_timm_without_their_hub(monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    page = r"https://huggingface.co/timm/test_efficientnet\.r160_in1k"
    with pytest.raises(OSError, match=rf"'test_efficientnet'.* {page}"):
        make_backbone("test_efficientnet", "imagenet")


def test_clones_read_a_file_once(state, tmp_path, monkeypatch):
    torch.save(torchvision.models.squeezenet1_1().state_dict(), tmp_path / "net.pth")
    reads = []
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: reads.append(a) or load(*a, **k))
    classifier = CNNClassifier("squeezenet1_1", weights=tmp_path / "net.pth")
    for twin in (classifier, clone(classifier)):
        make_backbone(twin.backbone, twin.weights)
    assert len(reads) == 1


@pytest.mark.parametrize(
    "name", ["squeezenet1_1", "mobilenet_v3_small", "inception_v3", "test_efficientnet"]
)
def test_keys_are_those_of_the_library(name):
    info = backbone_info(name)
    whole = info.build()
    kept = {
        key for key in whole.state_dict() if not key.startswith(tuple(f"{h}." for h in info.head))
    }
    backbone = make_backbone(name, whole.state_dict())
    assert set(backbone.net.state_dict()) == kept


@pytest.mark.parametrize(("name", "n_channels"), [("inception_v3", 2048), ("googlenet", 1024)])
def test_nets_with_auxiliary_classifiers_return_one_tensor(name, n_channels):
    net = torchvision.models.get_model(name, init_weights=False, aux_logits=True)
    state = net.state_dict()
    pictures = torch.rand(2, 3, 80, 80)
    for backbone in (make_backbone(name, state), make_backbone(net, None, input_size=80)):
        assert backbone.train()(pictures).shape == (2, n_channels)
        assert backbone.eval()(pictures).shape == (2, n_channels)
    assert make_backbone(name, without(state, ("Aux", "aux"))).loaded["extent"] == "whole"
    assert len(net.state_dict()) == len(state)  # the module itself stays as it is


class TestRealFiles:
    """ImageNet weights that are whole, and some that are not."""

    @pytest.fixture
    def folder(self, real_data):
        if not (real_data / "weights").is_dir():
            pytest.skip("no weights among the real data")
        return real_data / "weights"

    def test_whole(self, folder):
        backbone = make_backbone("squeezenet1_1", folder / "squeezenet1_1-imagenet.pth")
        assert backbone.loaded["extent"] == "whole"

    @pytest.mark.parametrize("name", ["resnet18", "inception_v3"])
    def test_partial(self, folder, name):
        with pytest.raises(ValueError, match=r"[1-9]\d* missing"):
            make_backbone(name, folder / f"{name}-imagenet-partial.pth")


def test_names_are_listed_before_those_of_timm():
    assert list_backbones()[3:5] == ["bn_inception", "merged_view_cnn"]
    assert isinstance(make_backbone("merged_view_cnn", None).net, nn.Sequential)
