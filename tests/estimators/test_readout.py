"""Which layers are read, how they are pooled, and in what colors pictures come."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from torch import nn

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch._backbones import Readout, make_backbone
from skglitch._training import ViewEncoder, ViewLayout
from skglitch.estimators import Encoder

from .conftest import TinyNet, make_stripes

POOLS = {
    "mean": lambda band: band.mean(),
    "max": lambda band: band.max(),
    "std": lambda band: np.sqrt(band.var() + 1e-8),
}


@pytest.mark.parametrize("pooling", POOLS)
@pytest.mark.parametrize(("height", "n_bands"), [(6, 1), (6, 3), (7, 3), (2, 5), (1, 4)])
def test_bands_by_hand(pooling, height, n_bands):
    maps = torch.rand(2, 3, height, 5)
    features = Readout(("any",), pooling, n_bands).pool(maps)
    assert features.shape == (2, 3 * n_bands)
    for band in range(n_bands):
        start, stop = int(np.floor(band * height / n_bands)), -(-(band + 1) * height // n_bands)
        assert stop > start
        for sample in range(2):
            for channel in range(3):
                expected = POOLS[pooling](maps[sample, channel, start:stop].numpy())
                assert features[sample, band * 3 + channel] == pytest.approx(expected, rel=1e-4)


def test_tokens_are_pooled_and_vectors_stay():
    tokens, vectors = torch.rand(2, 7, 3), torch.rand(2, 3)
    readout = Readout(("any",), "max", 5)
    torch.testing.assert_close(readout.pool(tokens), tokens.amax(dim=1))
    torch.testing.assert_close(readout.pool(vectors), vectors)


def test_a_constant_map_has_a_gradient():
    maps = torch.ones(1, 1, 2, 2, requires_grad=True)
    Readout(("any",), "std").pool(maps).sum().backward()
    assert torch.isfinite(maps.grad).all()


@pytest.mark.parametrize("views", ["mosaic", "separate", 1.0])
def test_several_layers_stand_side_by_side(stripes, views):
    X, _ = stripes
    encoder = Encoder(pooling="std", n_bands=2)
    params = {"encoder": encoder, "views": views, "normalize": False}
    layers = ("3", "0", "penultimate")
    torch.manual_seed(0)
    net = TinyNet()
    together = TruncatedCNNTransformer(net, layer=layers, **params).fit_transform(X)
    apart = [TruncatedCNNTransformer(net, layer=one, **params).fit_transform(X) for one in layers]
    np.testing.assert_allclose(together, np.concatenate(apart, axis=1), atol=1e-6)
    n_passes = 4 if views == "separate" else 1
    assert [part.shape[1] for part in apart] == [
        2 * 16 * n_passes,
        2 * 8 * n_passes,
        256 * n_passes,
    ]


def test_classifier_learns_from_several_layers(tiny, stripes):
    X, y = stripes
    classifier = tiny(encoder=Encoder(layer=("0", "3"), pooling="max", n_bands=3)).fit(X, y)
    assert classifier.net_.module_.head.in_features == 3 * (8 + 16)
    assert classifier.score(*make_stripes(seed=1)) == 1.0
    # What nobody reads is neither computed nor changed.
    assert classifier.net_.module_.encoder.backbone.net[4].num_batches_tracked == 0


def test_auto_is_the_readout_of_the_classifier_that_is_cut(tiny, stripes):
    X, y = stripes
    encoder = Encoder(layer="3", pooling="mean", n_bands=4)
    classifier = tiny(encoder=encoder, max_epochs=1).fit(X, y)
    transformer = TruncatedCNNTransformer(classifier, encoder=Encoder(pooling="std")).fit(X)
    assert transformer.encoder_.readout == Readout(("3",), "std", 4)
    other = TruncatedCNNTransformer(classifier, layer="0").fit(X)
    assert other.encoder_.readout == Readout(("0",), "mean", 1)
    assert other.encoder_.backbone is classifier.net_.module_.encoder.backbone


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("blocks.9", r"layer='blocks.9' is not a layer of this backbone\. Did you mean 'blocks"),
        (("blocks.1", "conv_stam"), r"layer='conv_stam' is not .* Did you mean 'conv_stem'"),
        ((), r"layer=\(\) names no layer"),
        ((3,), "layer=3 is not a layer"),
    ],
)
@pytest.mark.parametrize("kind", [CNNClassifier, TruncatedCNNTransformer])
def test_wrong_layers_are_named(stripes, layer, message, kind):
    with pytest.raises(ValueError, match=message):
        kind("test_efficientnet", weights=None, encoder=Encoder(layer=layer)).fit(*stripes)


class TestColors:
    @pytest.fixture
    def backbone(self):
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )
        return make_backbone(net, None)

    def _encoder(self, backbone, views="mosaic", colormap="viridis", n_views=1):
        durations = (0.5, 1.0, 2.0, 4.0)[:n_views]
        layout = ViewLayout.from_parameter(views, durations, n_views=n_views)
        return ViewEncoder(backbone, layout, colormap=colormap)

    def test_bytes_become_the_colors_of_viridis(self, backbone):
        levels = np.array([0, 1, 127, 128, 254, 255], dtype=np.uint8)
        images = torch.from_numpy(levels.reshape(1, 1, 2, 3))
        expected = colormaps["viridis"](levels)[:, :3].reshape(2, 3, 3).transpose(2, 0, 1)
        for same in (images, images.float() / 255):
            pictures = self._encoder(backbone).pictures(same)
            np.testing.assert_allclose(pictures[0].numpy(), expected, atol=1e-6)

    def test_gray_is_the_same_in_each_color(self, backbone):
        images = torch.rand(1, 1, 2, 3)
        pictures = self._encoder(backbone, colormap="gray").pictures(images)
        torch.testing.assert_close(pictures, images)
        prepared = backbone.prepare(pictures)
        torch.testing.assert_close(prepared[:, 0], prepared[:, 2])

    def test_views_in_the_colors_stay_what_they_are(self, backbone):
        images = torch.rand(1, 3, 2, 3)
        painted = self._encoder(backbone, "channels", n_views=3).pictures(images)
        torch.testing.assert_close(painted, images)

    def test_every_late_view_is_painted(self, backbone):
        images = torch.rand(2, 4, 2, 3)
        painted = self._encoder(backbone, "separate", n_views=4).pictures(images)
        assert painted.shape == (8, 3, 2, 3)

    def test_one_channel_nets_get_the_numbers_themselves(self, stripes):
        X, y = stripes
        params = {"max_epochs": 1, "random_state": 0}
        viridis, gray = (
            CNNClassifier(TinyNet, encoder=Encoder(colormap=colormap), **params)
            .fit(X, y)
            .predict_proba(X)
            for colormap in ("viridis", "gray")
        )
        np.testing.assert_array_equal(viridis, gray)

    def test_colors_matter_to_others(self, stripes):
        X, _ = stripes
        viridis, gray = (
            TruncatedCNNTransformer(
                "test_resnet",
                weights=None,
                encoder=Encoder(colormap=colormap),
                normalize=False,
                random_state=0,
            ).fit_transform(X)
            for colormap in ("viridis", "gray")
        )
        assert np.abs(viridis - gray).max() > 1e-4


def test_threads_share_a_net(stripes, tiny):
    X, y = stripes
    classifier = tiny(encoder=Encoder(layer=("0", "3")), max_epochs=1, engine="torch").fit(X, y)
    parts = [X[row : row + 3] for row in range(0, 18, 3)] * 10
    expected = [classifier.predict_proba(part) for part in parts]
    with ThreadPoolExecutor(3) as pool:
        results = pool.map(classifier.predict_proba, parts)
        copies = [pickle.loads(pickle.dumps(classifier)) for _ in range(10)]
        np.testing.assert_array_equal(list(results), expected)
    np.testing.assert_array_equal(copies[-1].predict_proba(X[:3]), expected[0])
