"""Gradients of depthwise convolutions on a CPU, where torch is slow with them in bfloat16."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

_Pair = tuple[int, int]


class DepthwiseGradients(TorchFunctionMode):
    """Context in which depthwise convolutions run in bfloat16, but their gradients in float32.

    Of these torch computes gradients in bfloat16 more slowly than in float32, even where the
    hardware multiplies it: with them a training step of EfficientNet-Lite0 took longer than one in
    float32. Outside of autocast nothing changes.

    Examples
    --------
    >>> import torch
    >>> from skglitch._depthwise import DepthwiseGradients
    >>> layer = torch.nn.Conv2d(8, 8, 3, groups=8)
    >>> with torch.autocast("cpu", torch.bfloat16), DepthwiseGradients():
    ...     y = layer(torch.ones(1, 8, 5, 5))
    >>> y.sum().backward()
    >>> y.dtype, layer.weight.grad.dtype
    (torch.bfloat16, torch.float32)
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Take over calls of ``conv2d`` with as many groups as channels."""
        if func is torch.conv2d and not kwargs and len(args) == 7:
            x, weight, bias, stride, padding, dilation, groups = args
            is_depthwise = groups == x.shape[1] > 1 and torch.is_autocast_enabled(x.device.type)
            # What padding a name stands for is left to torch.
            if is_depthwise and not isinstance(padding, str):
                return _Depthwise.apply(x, weight, bias, stride, padding, dilation, groups)
        return func(*args, **(kwargs or {}))


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        stride: _Pair,
        padding: _Pair,
        dilation: _Pair,
        groups: int,
    ) -> torch.Tensor:
        half = x.to(torch.bfloat16)
        ctx.save_for_backward(half, weight)
        ctx.settings = (stride, padding, dilation, groups)
        ctx.dtype, ctx.bias_sizes = x.dtype, None if bias is None else [len(bias)]
        with torch.autocast(x.device.type, enabled=False):
            return torch.conv2d(
                half,
                weight.to(torch.bfloat16),
                None if bias is None else bias.to(torch.bfloat16),
                *ctx.settings,
            )

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.settings
        of_x, of_weight, of_bias = torch.ops.aten.convolution_backward(
            slope.float(),
            x.float(),
            weight.float(),
            ctx.bias_sizes,
            stride,
            padding,
            dilation,
            False,
            (0, 0),
            groups,
            ctx.needs_input_grad[:3],
        )
        of_x = None if of_x is None else of_x.to(ctx.dtype)
        return of_x, of_weight, of_bias, None, None, None, None
