"""Gradients of depthwise convolutions under autocast."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skglitch._depthwise import DepthwiseGradients
from skglitch._device import autocast

CPU = torch.device("cpu")
LAYERS = {
    "bias": nn.Conv2d(6, 6, 3, groups=6, padding=1),
    "no bias, stride": nn.Conv2d(6, 6, 5, groups=6, stride=2, padding=2, bias=False),
    "dilation": nn.Conv2d(6, 6, 3, groups=6, dilation=(2, 1)),
    "two filters a channel": nn.Conv2d(6, 12, 3, groups=6),
    "wide padding": nn.Conv2d(6, 6, 3, groups=6, padding=3),
    "padding by name": nn.Conv2d(6, 6, 3, groups=6, padding="same"),
    "two groups": nn.Conv2d(6, 6, 3, groups=2),
    "not depthwise": nn.Conv2d(6, 4, 3),
}


def gradients(layer, x, context):
    x = x.clone().requires_grad_()
    layer.zero_grad()
    with context:
        y = layer(x)
    y.float().square().sum().backward()
    return y, [x.grad, *(p.grad.clone() for p in layer.parameters())]


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_those_of_float32(name):
    x = torch.randn(2, 6, 9, 11, generator=torch.Generator().manual_seed(0))
    y, expected = gradients(LAYERS[name], x, torch.autocast("cpu", enabled=False))
    half, found = gradients(LAYERS[name], x, autocast(CPU, "bfloat16"))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), y, rtol=0.02, atol=0.05)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        assert torch.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.999


SIDES = st.tuples(st.integers(1, 7), st.integers(1, 7))


@settings(max_examples=60)
@given(
    kernel=SIDES,
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    share=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    size=st.tuples(st.integers(7, 12), st.integers(7, 12)),
    has_bias=st.booleans(),
    layout=st.sampled_from([torch.channels_last, torch.contiguous_format]),
)
def test_gradients_of_any_kernel_are_those_of_float32(
    kernel, stride, share, size, has_bias, layout
):
    """What is rounded is the result: of numbers that bfloat16 holds, it is off by some 0.3 %."""
    padding = tuple(int(part * (k - 1)) for part, k in zip(share, kernel, strict=True))
    layer = nn.Conv2d(5, 5, kernel, stride, padding, groups=5, bias=has_bias)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, *size, generator=generator).bfloat16().float()
    x = x.to(memory_format=layout)
    found, expected = [], []
    with torch.no_grad():
        layer.weight.copy_(layer.weight.bfloat16())
        slope = torch.randn(layer(x).shape, generator=generator).bfloat16()
    for gradients, context in (
        (found, autocast(CPU, "bfloat16")),
        (expected, nullcontext()),
    ):
        layer.zero_grad()
        seen = x.clone().requires_grad_()
        with context:
            y = layer(seen)
        assert ("Depthwise" in type(y.grad_fn).__name__) == (gradients is found)
        y.backward(slope.to(y.dtype))
        gradients += [seen.grad, *(parameter.grad.clone() for parameter in layer.parameters())]
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() <= 0.01 * other.norm()


@pytest.mark.parametrize(("name", "is_taken"), [(name, "bias" in name) for name in LAYERS])
def test_only_depthwise_ones_are_taken_over(name, is_taken):
    with autocast(CPU, "bfloat16"):
        y = LAYERS[name](torch.ones(1, 6, 5, 5, requires_grad=True))
    assert ("Depthwise" in type(y.grad_fn).__name__) == is_taken


def test_nothing_changes_without_autocast():
    with DepthwiseGradients():
        y = LAYERS["bias"](torch.ones(1, 6, 5, 5))
    assert y.dtype == torch.float32
    assert "Depthwise" not in type(y.grad_fn).__name__


def test_frozen_layers_get_no_gradient():
    layer = nn.Conv2d(6, 6, 3, groups=6).requires_grad_(False)
    x = torch.ones(1, 6, 5, 5, requires_grad=True)
    with autocast(CPU, "bfloat16"):
        y = layer(x)
    y.sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None


def test_prediction_is_left_alone():
    with torch.inference_mode():
        context = autocast(CPU, "bfloat16")
    assert isinstance(context, torch.autocast)


def test_environment_can_switch_it_off(monkeypatch):
    monkeypatch.setenv("SKGLITCH_TUNE_CPU", "0")
    with autocast(CPU, "bfloat16"):
        y = LAYERS["bias"](torch.ones(1, 6, 5, 5, requires_grad=True))
    assert "Depthwise" not in type(y.grad_fn).__name__
