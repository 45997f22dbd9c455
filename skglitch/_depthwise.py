"""Fast gradients of depthwise convolutions in bfloat16 on a CPU."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

_Pair = tuple[int, int]

# In torch, gradients of kernels up to this size are fast. Larger kernels are about 25 times slower.
_FAST_SIZE = 3


class DepthwiseGradients(TorchFunctionMode):
    """Context in which autocast depthwise convolutions have fast gradients on a CPU."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Override ``conv2d`` if it has as many groups as channels."""
        if func is torch.conv2d and not kwargs and len(args) == 7:
            x, weight, bias, stride, padding, dilation, groups = args
            if _is_ours(x, weight, padding, dilation, groups):
                return _Depthwise.apply(x, weight, bias, stride, padding, groups)
        return func(*args, **(kwargs or {}))


def _is_ours(
    x: torch.Tensor, weight: torch.Tensor, padding: _Pair | str, dilation: _Pair, groups: int
) -> bool:
    # Named paddings are left to torch.
    if isinstance(padding, str) or not torch.is_autocast_enabled(x.device.type):
        return False
    is_depthwise = groups == x.shape[-3] == len(weight) > 1 and x.ndim == 4
    fits = all(pad < size for pad, size in zip(padding, weight.shape[2:], strict=True))
    return is_depthwise and fits and tuple(dilation) == (1, 1)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        stride: _Pair,
        padding: _Pair,
        groups: int,
    ) -> torch.Tensor:
        half, kernel = x.to(torch.bfloat16), weight.to(torch.bfloat16)
        ctx.save_for_backward(half, kernel)
        ctx.stride, ctx.padding = stride, padding
        ctx.dtypes = x.dtype, weight.dtype, None if bias is None else bias.dtype
        with torch.autocast(x.device.type, enabled=False):
            half_bias = None if bias is None else bias.to(torch.bfloat16)
            return torch.conv2d(half, kernel, half_bias, stride, padding, 1, groups)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, kernel = ctx.saved_tensors
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _of_input(slope, x, kernel, ctx.stride, ctx.padding).to(ctx.dtypes[0])
        if ctx.needs_input_grad[1]:
            of_weight = _of_kernel(slope, x, kernel, ctx.stride, ctx.padding).to(ctx.dtypes[1])
        if ctx.needs_input_grad[2]:
            of_bias = slope.sum((0, 2, 3), dtype=torch.float32).to(ctx.dtypes[2])
        return of_x, of_weight, of_bias, None, None, None


def _of_input(
    slope: torch.Tensor, x: torch.Tensor, kernel: torch.Tensor, stride: _Pair, padding: _Pair
) -> torch.Tensor:
    """Compute the transposed convolution as an ordinary one."""
    size = kernel.shape[2:]
    if tuple(stride) != (1, 1):
        height, width = (
            n + 2 * pad - k + 1 for n, pad, k in zip(x.shape[2:], padding, size, strict=True)
        )
        spread = _zeros(len(x), height, width, x)
        spread[:, :, :: stride[0], :: stride[1]] = slope
        slope = spread
    rest = [k - 1 - pad for k, pad in zip(size, padding, strict=True)]
    return torch.conv2d(slope, kernel.flip(2, 3), None, 1, rest, 1, len(kernel))


def _of_kernel(
    slope: torch.Tensor, x: torch.Tensor, kernel: torch.Tensor, stride: _Pair, padding: _Pair
) -> torch.Tensor:
    if max(kernel.shape[2:]) <= _FAST_SIZE:
        return _of_small_kernel(slope, x, kernel, stride, padding)
    # Each piece of the kernel reads the padded images from another pixel on, which is a view, as
    # images are contiguous. Its last columns are from the row below and its last rows from the next
    # image, where the slope is zero.
    height, width = (n + 2 * pad for n, pad in zip(x.shape[2:], padding, strict=True))
    rows, columns = (_pieces(k) for k in kernel.shape[2:])
    beyond = rows[-1].start * width + columns[-1].start
    pixels = x.new_zeros(len(x) * height * width + beyond, len(kernel))
    padded = _as_images(pixels, len(x), height, width)
    padded[:, :, padding[0] : height - padding[0], padding[1] : width - padding[1]] = x

    piece = kernel[:, :, rows[0], columns[0]].contiguous()
    n_rows = (height - piece.shape[2]) // stride[0] + 1
    n_columns = (width - piece.shape[3]) // stride[1] + 1
    weights = _zeros(len(x), n_rows, n_columns, slope)
    weights[:, :, : slope.shape[2], : slope.shape[3]] = slope

    result = torch.empty_like(kernel)
    for row, column in product(rows, columns):
        first = row.start * width + column.start
        images = _as_images(pixels[first:], len(x), height, width)
        result[:, :, row, column] = _of_small_kernel(weights, images, piece, stride, (0, 0))
    return result


def _of_small_kernel(
    slope: torch.Tensor, x: torch.Tensor, kernel: torch.Tensor, stride: _Pair, padding: _Pair
) -> torch.Tensor:
    options = stride, padding, (1, 1), False, (0, 0), len(kernel), (False, True, False)
    of_kernel: torch.Tensor
    _, of_kernel, _ = torch.ops.aten.convolution_backward(slope, x, kernel, None, *options)
    return of_kernel


def _pieces(size: int) -> list[slice]:
    """Divide a side of a kernel into pieces, of which the last two may overlap."""
    last = max(0, size - _FAST_SIZE)
    starts = [*range(0, last, _FAST_SIZE), last]
    return [slice(start, min(size, start + _FAST_SIZE)) for start in starts]


def _as_images(pixels: torch.Tensor, n: int, height: int, width: int) -> torch.Tensor:
    """View pixels (n_pixels, n_channels) in row-major order as images in channels-last format."""
    return pixels[: n * height * width].view(n, height, width, -1).permute(0, 3, 1, 2)


def _zeros(n: int, height: int, width: int, like: torch.Tensor) -> torch.Tensor:
    return like.new_zeros(n, height, width, like.shape[1]).permute(0, 3, 1, 2)
