"""Gradients of depthwise convolutions under autocast."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from skglitch._depthwise import DepthwiseGradients
from skglitch.training import autocast

CPU = torch.device("cpu")
LAYERS = {
    "bias": nn.Conv2d(6, 6, 3, groups=6, padding=1),
    "no bias, stride": nn.Conv2d(6, 6, 5, groups=6, stride=2, padding=2, bias=False),
    "dilation": nn.Conv2d(6, 6, 3, groups=6, dilation=(2, 1)),
    "two filters a channel": nn.Conv2d(6, 12, 3, groups=6),
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
    half, found = gradients(LAYERS[name], x, autocast(CPU, torch.bfloat16))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), y, rtol=0.02, atol=0.05)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        assert torch.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.999


def test_gradients_are_computed_in_float32():
    """In bfloat16 they would be off by some 0.4 %, and slow."""
    layer = LAYERS["no bias, stride"]
    x = torch.randn(2, 6, 9, 11, generator=torch.Generator().manual_seed(0)).requires_grad_()
    layer.zero_grad()
    with autocast(CPU, torch.bfloat16):
        y = layer(x)
    slope = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).bfloat16()
    y.backward(slope)
    options = {"stride": 2, "padding": 2, "groups": 6}
    rounded = x.detach().bfloat16().float()
    of_weight = nn.grad.conv2d_weight(rounded, layer.weight.shape, slope.float(), **options)
    of_x = nn.grad.conv2d_input(x.shape, layer.weight, slope.float(), **options)
    torch.testing.assert_close(layer.weight.grad, of_weight, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(x.grad, of_x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "is_taken"), [("bias", True), ("two groups", False)])
def test_only_depthwise_ones_are_taken_over(name, is_taken):
    with autocast(CPU, torch.bfloat16):
        y = LAYERS[name](torch.ones(1, 6, 5, 5))
    assert ("Depthwise" in type(y.grad_fn).__name__) == is_taken


def test_nothing_changes_without_autocast():
    with DepthwiseGradients():
        y = LAYERS["bias"](torch.ones(1, 6, 5, 5))
    assert y.dtype == torch.float32
    assert "Depthwise" not in type(y.grad_fn).__name__


def test_frozen_layers_get_no_gradient():
    layer = nn.Conv2d(6, 6, 3, groups=6).requires_grad_(False)
    x = torch.ones(1, 6, 5, 5, requires_grad=True)
    with autocast(CPU, torch.bfloat16):
        y = layer(x)
    y.sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None


def test_prediction_is_left_alone():
    with torch.inference_mode():
        context = autocast(CPU, torch.bfloat16)
    assert isinstance(context, torch.autocast)
