"""Weights of every form, whole and partial."""

from __future__ import annotations

import re
import warnings

import pytest
import safetensors.torch
import torch
import torchvision
from sklearn.base import clone
from torch import nn

from skglitch import CNNClassifier
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
        trunk = make_backbone("resnet18", weights)
        assert trunk.loaded["extent"] == "whole"
        # 20 convolutions and 20 batch norms with 4 tensors each; the last layer does not count.
        assert trunk.loaded["n_loaded"] == trunk.loaded["n_expected"] == 100
        for key, value in trunk.net.state_dict().items():
            assert torch.equal(value, state[key])


def test_training_leaves_what_was_read_alone(state, tmp_path):
    torch.save(state, tmp_path / "net.pth")
    trunk = make_backbone("resnet18", tmp_path / "net.pth")
    with torch.no_grad():
        trunk.net.conv1.weight.zero_()
    assert read_state_dict(tmp_path / "net.pth")["conv1.weight"].abs().sum() > 0


def test_half_precision_becomes_single(state):
    half = {key: v.half() if v.is_floating_point() else v for key, v in state.items()}
    trunk = make_backbone("resnet18", half)
    assert trunk.net.conv1.weight.dtype == torch.float32
    assert torch.equal(trunk.net.conv1.weight, half["conv1.weight"].float())


def test_missing_layers_are_an_error_or_a_warning(state):
    partial = without(state, ("layer4.", "fc."))
    with pytest.raises(ValueError, match=r"25 of 100 tensors.*strict_weights=False. leaves"):
        make_backbone("resnet18", partial)
    with pytest.warns(UserWarning, match="has 75 of the 100 tensors of resnet18") as caught:
        trunk = make_backbone("resnet18", partial, strict=False)
    assert str(caught[0].message).endswith("random, in whole or in part: layer4.")
    assert trunk.loaded["extent"] == "partial"
    assert trunk.loaded["n_loaded"] == 75
    assert all(key.startswith("layer4.") for key in trunk.loaded["missing"])
    assert torch.equal(trunk.net.layer3[0].conv1.weight, state["layer3.0.conv1.weight"])
    # Random, but made as random weights of this net are.
    assert 0.01 < trunk.net.layer4[0].conv1.weight.std() < 0.05
    assert torch.equal(trunk.net.layer4[0].bn1.running_var, torch.ones(512))


def test_what_does_not_fit_is_an_error_however_lenient(state):
    wrong = dict(state) | {"conv1.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match="1 of another shape"):
        make_backbone("resnet18", wrong, strict=False)
    with pytest.raises(ValueError, match="100 missing"):
        make_backbone("resnet18", {f"module.{key}": v for key, v in state.items()}, strict=False)


def test_more_than_the_net_has(state):
    more = dict(state) | {"projection.weight": torch.zeros(3)}
    with pytest.raises(ValueError, match="1 unexpected"):
        make_backbone("resnet18", more)
    with pytest.warns(UserWarning, match="not used: 1 unexpected"):
        trunk = make_backbone("resnet18", more, strict=False)
    assert trunk.loaded["extent"] == "whole"


def test_a_whole_file_warns_of_nothing(state):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_backbone("resnet18", state, strict=False)
        make_backbone("resnet18", without(state, "fc."))


def test_files_from_before_batch_norms_counted(state):
    old = {key: value for key, value in state.items() if "num_batches" not in key}
    trunk = make_backbone("resnet18", old)
    assert trunk.loaded["extent"] == "whole"
    assert trunk.net.bn1.num_batches_tracked == 0


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
    given = make_backbone(torchvision.models.squeezenet1_1(), own.net.state_dict(), strict=False)
    assert given.loaded["extent"] == "whole"


def test_no_mapping_of_tensors():
    with pytest.raises(ValueError, match="the mapping does not hold a state dict"):
        make_backbone("resnet18", {"conv1.weight": 1.0})


def test_weights_of_no_known_kind():
    with pytest.raises(ValueError, match=r"weights=3 must be 'imagenet', a path"):
        make_backbone("resnet18", 3)
    with pytest.raises(ValueError, match="for a backbone by name"):
        make_backbone(nn.Linear(2, 2), torchvision.models.ResNet18_Weights.DEFAULT)


def test_nets_of_timm_without_their_hub(monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    page = r"https://huggingface.co/timm/test_efficientnet\.r160_in1k"
    with pytest.raises(OSError, match=rf"'test_efficientnet' could not be had from {page}"):
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
    trunk = make_backbone(name, whole.state_dict())
    assert set(trunk.net.state_dict()) == kept


class TestAuxiliary:
    def test_one_tensor_always(self):
        for auxiliary in (False, True):
            trunk = make_backbone("inception_v3", None, auxiliary=auxiliary)
            for mode in (True, False):
                trunk.train(mode)
                assert trunk(torch.rand(2, 1, 80, 80)).shape == (2, 2048)

    def test_branch_gives_what_torchvision_gives(self):
        theirs = torchvision.models.inception_v3(init_weights=False)
        trunk = make_backbone("inception_v3", theirs.state_dict(), auxiliary=True)
        assert trunk.loaded["extent"] == "whole"
        assert trunk.auxiliary_widths == (768,)
        assert trunk.min_size == 299
        # Batch norms as in evaluation, so that both are the same, but the branch computed.
        theirs.eval()
        trunk.eval()
        theirs.training = True
        theirs.transform_input = True
        pictures = torch.rand(1, 3, 299, 299)
        with torch.no_grad():
            logits, auxiliary_logits = theirs(trunk.prepare(pictures))
            features, (auxiliary,) = trunk.forward_with_auxiliary(pictures)
            assert torch.allclose(theirs.fc(features), logits, atol=1e-4)
            assert torch.allclose(theirs.AuxLogits.fc(auxiliary), auxiliary_logits, atol=1e-4)
            assert torch.equal(trunk(pictures), features)

    def test_plain_forward_leaves_branches_out(self):
        trunk = make_backbone("googlenet", None, auxiliary=True)
        assert trunk.auxiliary_widths == (1024, 1024)
        calls = []
        for branch in trunk.auxiliary.values():
            branch.register_forward_hook(lambda *_: calls.append(1))
        trunk(torch.rand(2, 1, 70, 70))
        assert calls == []
        features, auxiliary = trunk.forward_with_auxiliary(torch.rand(2, 1, 70, 70))
        assert [tuple(f.shape) for f in (features, *auxiliary)] == [(2, 1024)] * 3
        assert len(calls) == 2
        # Hooks are there during the call only.
        assert not any(module._forward_hooks for module in trunk.net.modules())
        sum(f.sum() for f in auxiliary).backward()
        assert trunk.net.conv1.conv.weight.grad is not None

    def test_nets_without_branches(self):
        trunk = make_backbone("squeezenet1_1", None, auxiliary=True).eval()
        assert trunk.auxiliary_widths == ()
        pictures = torch.rand(1, 1, 64, 64)
        features, auxiliary = trunk.forward_with_auxiliary(pictures)
        assert auxiliary == []
        assert torch.equal(features, trunk(pictures))

    def test_a_module_of_torchvision_loses_its_tuple(self):
        net = torchvision.models.googlenet(init_weights=False, aux_logits=True)
        trunk = make_backbone(net, None).train()
        assert trunk(torch.rand(2, 3, 70, 70)).shape == (2, 1024)
        assert net.aux1 is not None

    def test_branch_that_a_file_lacks(self):
        state = without(torchvision.models.inception_v3(init_weights=False).state_dict(), "Aux")
        assert make_backbone("inception_v3", state).loaded["extent"] == "whole"
        with pytest.warns(UserWarning, match="AuxLogits"):
            trunk = make_backbone("inception_v3", state, auxiliary=True, strict=False)
        assert {key.partition(".")[0] for key in trunk.loaded["missing"]} == {"AuxLogits"}


class TestRealFiles:
    """ImageNet weights that are not whole, and some that are."""

    @pytest.fixture
    def folder(self, real_data):
        if not (real_data / "weights").is_dir():
            pytest.skip("no weights among the real data")
        return real_data / "weights"

    def test_whole(self, folder):
        trunk = make_backbone("squeezenet1_1", folder / "squeezenet1_1-imagenet.pth")
        assert trunk.loaded["extent"] == "whole"

    @pytest.mark.parametrize(
        ("name", "blocks"),
        [("resnet18", {"layer4"}), ("inception_v3", {"Mixed_7b", "Mixed_7c"})],
    )
    def test_partial(self, folder, name, blocks):
        path = folder / f"{name}-imagenet-partial.pth"
        with pytest.raises(ValueError, match="strict=False"):
            make_backbone(name, path)
        with pytest.warns(UserWarning, match=", ".join(sorted(blocks))):
            trunk = make_backbone(name, path, strict=False)
        assert trunk.loaded["extent"] == "partial"
        assert {key.partition(".")[0] for key in trunk.loaded["missing"]} == blocks
        state = read_state_dict(path)
        for key, value in trunk.net.state_dict().items():
            if key in state:
                assert torch.equal(value, state[key].to(value.dtype))
        if name == "inception_v3":
            assert trunk.net.transform_input


def test_names_are_listed_before_those_of_timm():
    assert list_backbones()[:3] == ["efficientnet_lite0", "bn_inception", "merged_view_cnn"]
    assert isinstance(make_backbone("merged_view_cnn", None).net, nn.Sequential)
