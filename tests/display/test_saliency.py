"""Maps are hottest where a class is decided, for every layout, and what the formula says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from skglitch import CNNClassifier
from skglitch._training import ViewLayout
from skglitch.display import SaliencyDisplay, compute_saliency_maps
from skglitch.display._saliency import to_views
from skglitch.estimators import Encoder

DURATIONS = (0.5, 1.0, 2.0, 4.0)


class SmallNet(nn.Sequential):
    """Maps of a quarter of the size, read by their means; works in place, as many nets do."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 5),
        )


class Patches(nn.Module):
    """What a vision transformer does with a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, 8, 8, stride=8)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.norm(self.embed(x).flatten(2).transpose(1, 2)).mean(dim=1))


def make_spots(seed=0):
    """A spot of stripes or of checks in one corner of one view, a place for each class."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 20, size=(24, 4, 32, 40), dtype=np.uint8)
    X[:12, 2, 4:12:2, 26:36] = 250
    X[12:, 2, 4:12, 26:36:2] = 250
    return X, np.repeat(["Across", "Upright"], 12)


def fit(X, y, **params):
    defaults = {
        "backbone": SmallNet,
        "weights": None,
        "max_epochs": 25,
        "batch_size": 8,
        "learning_rate": 2e-2,
        "augment": False,
        "random_state": 0,
    }
    return CNNClassifier(**{**defaults, **params}).fit(X, y)


@pytest.mark.parametrize("method", ["gradient_activation", "grad_cam"])
@pytest.mark.parametrize("views", ["mosaic", "separate", 2.0])
def test_hottest_where_the_class_is_decided(views, method):
    X, y = make_spots()
    classifier = fit(X, y, views=views)
    assert classifier.score(X, y) == 1
    maps = compute_saliency_maps(classifier, X, method=method)
    assert maps.shape == X.shape
    spot = np.zeros(X.shape[1:], dtype=bool)
    spot[2, 2:14, 24:38] = True
    hottest = [np.unravel_index(np.nanargmax(one), one.shape) for one in maps]
    # Either class may be told by the other one's absence, so ask for the most of each.
    inside = np.array([spot[place] for place in hottest])
    assert max(inside[:12].mean(), inside[12:].mean()) == 1
    assert inside.mean() >= 0.5
    if views == 2.0:
        assert np.isnan(maps[:, [0, 1, 3]]).all()


@pytest.mark.parametrize("views", ["mosaic", "separate", "channels", 1.0, (0.5, 4.0)])
@pytest.mark.parametrize("n_views", [3, 4])
def test_layouts_are_undone(views, n_views):
    if n_views == 3 and isinstance(views, tuple):
        views = (0.5, 2.0)
    images = torch.rand(2, n_views, 6, 10)
    layout = ViewLayout.from_parameter(views, DURATIONS[:n_views], n_views=n_views)
    pictures = layout.arrange(images)
    # With several colors a map says the same of all: the first one is asked for.
    back = to_views(pictures[:, :1], layout, tuple(images.shape))
    shown = set(layout.chosen)
    for view in range(n_views):
        if view not in shown:
            assert back[:, view].isnan().all()
        elif layout.kind == "channels":
            assert torch.equal(back[:, view], images[:, layout.chosen[0]])
        else:
            assert torch.equal(back[:, view], images[:, view])


def test_grad_cam_by_hand():
    # Read by the largest value in each band, so that the gradient differs from place to place.
    X, y = make_spots()
    encoder = Encoder(layer="3", pooling="max", n_bands=2)
    classifier = fit(X, y, views=2.0, max_epochs=8, encoder=encoder)
    net = classifier.net_.module_.eval()
    layer = net.encoder.backbone.net.get_submodule("3")
    caught = []
    hook = layer.register_forward_hook(lambda _layer, _args, output: caught.append(output))
    logits = net(torch.from_numpy(classifier.scale_.apply(X)))
    hook.remove()
    own = logits[torch.arange(len(X)), torch.from_numpy(np.searchsorted(classifier.classes_, y))]
    (gradient,) = torch.autograd.grad(own.sum(), caught[0])
    assert gradient.std(dim=(2, 3)).max() > 0
    # Selvaraju et al. (2017), eq. 1 and 2.
    weights = gradient.mean(dim=(2, 3))
    expected = torch.einsum("nc,nchw->nhw", weights, caught[0]).clamp(min=0)[:, None]
    expected = nn.functional.interpolate(expected, size=X.shape[2:], mode="bilinear")[:, 0]
    ours = compute_saliency_maps(classifier, X, labels=y, method="grad_cam", layer="3")[:, 2]
    assert ours.max() > 0
    np.testing.assert_allclose(ours, expected.detach(), atol=1e-5 * ours.max())


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "test_efficientnet"])
def test_other_backbones(name, stripes_of_one_view):
    X, y = stripes_of_one_view
    classifier = fit(
        X, y, backbone=name, encoder=Encoder(durations=(1.0,)), views=1.0, max_epochs=1
    )
    classifier.set_params(batch_size=2)
    maps = compute_saliency_maps(classifier, X[:3])
    assert maps.shape == (3, *X.shape[1:])
    assert np.isfinite(maps).all()
    assert (maps >= 0).all()


@pytest.fixture
def stripes_of_one_view():
    X, y = make_spots()
    return np.repeat(np.repeat(X[::4, 2:3], 2, axis=2), 2, axis=3), y[::4]


def test_frozen_layers_have_maps_too():
    X, y = make_spots()
    classifier = fit(X, y, fine_tune="head", head_init="regression", max_epochs=1)
    assert compute_saliency_maps(classifier, X[:2]).max() > 0


def test_default_readout_needs_gradients_at_each_place():
    X, y = make_spots()
    classifier = fit(X, y, encoder=Encoder(layer="2", pooling="std"), max_epochs=3)
    assert compute_saliency_maps(classifier, X[:2]).max() > 0


def test_net_without_maps():
    X, y = make_spots()
    classifier = fit(X, y, backbone=Patches, max_epochs=1)
    with pytest.raises(ValueError, match="convolutional"):
        compute_saliency_maps(classifier, X)


def test_errors():
    X, y = make_spots()
    classifier = fit(X, y, max_epochs=1)
    with pytest.raises(ValueError, match="layer='5'"):
        compute_saliency_maps(classifier, X, layer="5")
    with pytest.raises(ValueError, match="layer='conv'"):
        compute_saliency_maps(classifier, X, layer="conv")
    with pytest.raises(ValueError, match=r"\['Blip'\]"):
        compute_saliency_maps(classifier, X, labels=np.full(len(X), "Blip"))
    with pytest.raises(ValueError, match="method='cam'"):
        compute_saliency_maps(classifier, X, method="cam")


def test_display_shows_what_the_net_sees():
    X, y = make_spots()
    classifier = fit(
        X,
        y,
        views="channels",
        backbone=nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 2),
        ),
        max_epochs=2,
    )
    display = SaliencyDisplay.from_estimator(classifier, X[0], label="Upright", ax=Figure())
    assert [ax.get_xlim()[1] for ax in display.axes_] == [0.25, 1, 2]
    assert "Upright" in display.title
