"""What users hand to the skorch net: criterion, optimizer and data loaders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from .conftest import make_stripes


def _groups(classifier):
    """Weight decay of each parameter of the module, by name."""
    names = {id(p): name for name, p in classifier.net_.module_.named_parameters()}
    groups = classifier.net_.optimizer_.param_groups
    decays = [(names[id(p)], group["weight_decay"]) for group in groups for p in group["params"]]
    assert len(decays) == len(dict(decays)) == len(names)
    return dict(decays)


@pytest.mark.parametrize(
    ("net_params", "kind", "decay"),
    [
        (None, torch.optim.AdamW, 0.05),
        ({"optimizer__weight_decay": 0.3}, torch.optim.AdamW, 0.3),
        ({"optimizer": torch.optim.SGD}, torch.optim.SGD, 0.0),
        (
            {"optimizer": torch.optim.SGD, "optimizer__weight_decay": 0.2},
            torch.optim.SGD,
            0.2,
        ),
    ],
)
def test_weight_decay_spares_vectors(tiny, stripes, net_params, kind, decay):
    classifier = tiny(net_params=net_params, max_epochs=1).fit(*stripes)
    assert type(classifier.net_.optimizer_) is kind
    parameters = dict(classifier.net_.module_.named_parameters())
    for name, found in _groups(classifier).items():
        assert found == (decay if parameters[name].ndim > 1 else 0.0)


def test_groups_of_the_user_are_split_too(tiny, stripes):
    groups = [("encoder.*", {"lr": 1e-4})]
    params = {"optimizer__param_groups": groups}
    classifier = tiny(net_params=params, max_epochs=1).fit(*stripes)
    rates = {}
    for group in classifier.net_.optimizer_.param_groups:
        rates |= {id(p): group["initial_lr"] for p in group["params"]}
    for name, parameter in classifier.net_.module_.named_parameters():
        assert rates[id(parameter)] == (1e-4 if name.startswith("encoder.") else 1e-2)
    assert len(_groups(classifier)) == len(rates)


def _first_loss(classifier, X, y, **fit_params):
    """Loss of the first step, at which all classes are equally probable."""
    return classifier.fit(X, y, **fit_params).history_[0, "batches", 0, "train_loss"]


def test_weighted_cross_entropy_by_hand(tiny, stripes):
    X, y = stripes
    net = tiny(batch_size=18, max_epochs=1).fit(X, y).net_
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    targets = torch.tensor([0, 0])
    losses = [np.log1p(np.exp(-2.0)), np.log1p(np.exp(1.0))]
    assert net.get_loss(logits, targets, X={}).item() == pytest.approx(np.mean(losses))
    weights = {"sample_weight": torch.tensor([0.5, 1.5])}
    expected = (0.5 * losses[0] + 1.5 * losses[1]) / 2
    assert net.get_loss(logits, targets, X=weights).item() == pytest.approx(expected)


def test_label_smoothing_by_hand(tiny, stripes):
    X, y = stripes
    smoothed = tiny(net_params={"criterion__label_smoothing": 0.3}, max_epochs=1).fit(X, y).net_
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.0, 0.0]])
    targets = torch.tensor([0, 2])
    log_p = logits.log_softmax(dim=1).numpy()
    labels = np.eye(3)[targets] * 0.7 + 0.3 / 3
    expected = -(labels * log_p).sum(axis=1).mean()
    assert smoothed.get_loss(logits, targets, X={}).item() == pytest.approx(expected, rel=1e-5)


class FocalLoss(nn.Module):
    """Samples that are classified correctly count less."""

    def forward(self, logits, targets):
        losses = nn.functional.cross_entropy(logits, targets, reduction="none")
        return losses * (1 - torch.exp(-losses)) ** 2


@pytest.mark.parametrize("criterion", [FocalLoss, FocalLoss()])
def test_criterion_of_the_user_is_weighted(tiny, criterion):
    X, y = make_stripes()
    classifier = tiny(net_params={"criterion": criterion}, batch_size=18)
    first = np.log(3) * (2 / 3) ** 2
    assert _first_loss(classifier, X, y) == pytest.approx(first, rel=1e-5)
    assert classifier.score(X, y) == 1.0
    weights = np.linspace(0.1, 1.9, len(y))
    by_weights = classifier.fit(X, y, sample_weight=weights).predict_proba(X)
    assert np.abs(by_weights - classifier.fit(X, y).predict_proba(X)).max() > 1e-5


def test_scalar_criterion_works_without_weights_only(tiny, stripes):
    X, y = stripes
    mean, default = (
        tiny(net_params=params, max_epochs=2).fit(X, y).predict_proba(X)
        for params in ({"criterion": nn.CrossEntropyLoss}, None)
    )
    np.testing.assert_allclose(mean, default, atol=1e-6)
    classifier = tiny(net_params={"criterion": nn.CrossEntropyLoss}, max_epochs=1)
    message = r"sample_weight and class_weight .*CrossEntropyLoss.*shape \(\)"
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, y, sample_weight=np.ones(len(y)))
    with pytest.raises(ValueError, match=message):
        classifier.set_params(class_weight="balanced").fit(X, y)


def test_data_loaders_take_arguments(tiny, stripes):
    X, y = stripes
    params = {"iterator_train__pin_memory": False, "iterator_valid__batch_size": 3}
    classifier = tiny(net_params=params, early_stopping=True, max_epochs=1).fit(X, y)
    sizes = [row.get("valid_batch_size") for row in classifier.history_[0, "batches"]]
    assert [size for size in sizes if size] == [3]


@pytest.mark.parametrize(
    ("net_params", "message"),
    [
        ({"lr": 0.1}, r"net_params has the key 'lr'.*'optimizer'"),
        ({"module__dropout": 0.1}, r"net_params has the key 'module__dropout'"),
        ({"optimizer_weight_decay": 0.1}, r"net_params has the key 'optimizer_weight_decay'"),
        ({"iterator_train": None}, r"net_params has the key 'iterator_train'"),
        ({3: 1}, r"net_params has the key 3"),
        ([1], r"'net_params' parameter"),
    ],
)
def test_bad_key_is_named(tiny, stripes, net_params, message):
    with pytest.raises(ValueError, match=message):
        tiny(net_params=net_params).fit(*stripes)


def test_bad_argument_of_the_optimizer_is_named(tiny, stripes):
    with pytest.raises(TypeError, match="weigth_decay"):
        tiny(net_params={"optimizer__weigth_decay": 0.1}).fit(*stripes)
