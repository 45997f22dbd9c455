"""What augmentation may change and what it must not."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skglitch.estimators import SpectrogramAugment

NOTHING = {"time_shift": 0.0, "gain": 0.0, "time_mask": 0.0, "frequency_mask": 0.0}


def test_nothing_asked_nothing_changed():
    images = torch.rand(4, 2, 9, 11)
    assert torch.equal(SpectrogramAugment(**NOTHING)(images), images)


def test_shift_moves_all_views_of_a_glitch_by_the_same_columns():
    images = torch.arange(20.0).div(20).expand(64, 3, 5, 20).contiguous()
    shifted = SpectrogramAugment(**{**NOTHING, "time_shift": 0.2})(images)
    offsets = ((shifted[:, 0, 0, 0] * 20).round().long() + 10) % 20 - 10
    assert set(offsets.tolist()) == set(range(-4, 5))
    for sample, offset in zip(shifted, offsets.tolist(), strict=True):
        assert torch.equal(sample, images[0].roll(-offset, dims=-1))


def test_gain_scales_each_glitch_and_stays_in_range():
    images = torch.full((200, 1, 2, 2), 0.9)
    scaled = SpectrogramAugment(**{**NOTHING, "gain": 0.5})(images)
    assert torch.equal(scaled, scaled[:, :, :1, :1].expand_as(scaled))
    assert scaled.max() == 1
    assert 0.45 <= scaled.min() < 0.55


def test_masks_are_one_stripe_of_bounded_width():
    images = torch.ones(300, 1, 40, 50)
    for name, dim, size in (("time_mask", 3, 50), ("frequency_mask", 2, 40)):
        masked = SpectrogramAugment(**{**NOTHING, name: 0.2})(images)
        across = masked.amax(dim=5 - dim).flatten(1)
        assert torch.equal(masked.amin(dim=5 - dim).flatten(1), across)
        widths = (across == 0).sum(1)
        assert widths.max() == 0.2 * size - 1
        assert widths.min() == 0
        edges = (across[:, 1:] != across[:, :-1]).sum(1)
        assert edges.max() <= 2


@settings(max_examples=25)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    n_views=st.integers(1, 4),
    n=st.integers(1, 5),
)
def test_any_size_keeps_shape_and_range(height, width, n_views, n):
    images = torch.rand(n, n_views, height, width)
    changed = SpectrogramAugment(0.5, 0.9, 0.9, 0.9)(images)
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
