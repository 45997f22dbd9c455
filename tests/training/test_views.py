"""View layouts and pixel scales."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skglitch._training import PixelScale, ViewLayout

ALL = (0.5, 1.0, 2.0, 4.0)


def _numbered(n_views):
    return torch.arange(n_views).view(1, n_views, 1, 1).expand(2, n_views, 2, 3).float()


def test_mosaic_is_that_of_the_gravity_spy_papers():
    picture = ViewLayout.from_parameter("mosaic", ALL, n_views=4).arrange(_numbered(4))
    assert picture.shape == (2, 1, 4, 6)
    corners = picture[0, 0, ::2, ::3]
    assert corners.tolist() == [[0, 2], [1, 3]]


def test_mosaic_of_three_leaves_the_last_place_empty():
    layout = ViewLayout.from_parameter("mosaic", ALL, n_views=3)
    picture = layout.arrange(_numbered(3) + 1)
    assert picture[0, 0, ::2, ::3].tolist() == [[1, 3], [2, 0]]


@pytest.mark.parametrize(
    ("views", "n_views", "colors"),
    [
        ("channels", 4, [0, 2, 3]),
        ("channels", 3, [0, 1, 2]),
        ("channels", 2, [0, 1, 1]),
        ((4.0, 0.5), 4, [3, 0, 0]),
        ((4.0, 0.5, 2.0), 4, [3, 0, 2]),
    ],
)
def test_channels(views, n_views, colors):
    picture = ViewLayout.from_parameter(views, ALL, n_views=n_views).arrange(_numbered(n_views))
    assert picture[0, :, 0, 0].tolist() == colors


def test_late_keeps_the_views_of_a_glitch_together():
    layout = ViewLayout.from_parameter("separate", ALL, n_views=4)
    assert layout.arrange(_numbered(4))[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert layout.n_passes == 4


@given(
    views=st.sampled_from(["mosaic", "channels", "separate", 1.0, (0.5, 4.0)]),
    n=st.integers(1, 3),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
)
def test_shape_is_what_image_size_says(views, n, height, width):
    layout = ViewLayout.from_parameter(views, ALL, n_views=4)
    picture = layout.arrange(torch.zeros(n, 4, height, width))
    assert picture.shape[0] == n * layout.n_passes
    assert picture.shape[1] in (1, 3)
    assert tuple(picture.shape[2:]) == layout.image_size(height, width)


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6), seed=st.integers(0, 100))
def test_floats_fill_the_unit_interval(low, span, seed):
    images = low + span * np.random.default_rng(seed).random((3, 1, 4, 4))
    scaled = PixelScale.fit(images).apply(images)
    assert scaled.dtype == np.float32
    assert scaled.min() == 0
    assert scaled.max() == 1


def test_constant_images_are_no_division_by_zero():
    images = np.full((2, 1, 3, 3), 7.0)
    np.testing.assert_array_equal(PixelScale.fit(images).apply(images), 0)


def test_uint8_and_the_same_numbers_as_floats_are_scaled_alike():
    images = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    scale = PixelScale.fit(images)
    np.testing.assert_allclose(
        scale.apply(images), scale.apply(images.astype(float)), rtol=0, atol=1e-7
    )
