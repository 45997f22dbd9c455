"""Layout of the views of a glitch as one or several input images."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch

from .._pictures import DURATIONS


@dataclass(frozen=True)
class ViewLayout:
    """Arrangement of ``(n, n_views, height, width)`` as input of a net.

    "mosaic" tiles the views into one gray image, "channels" has one view per color channel,
    "separate" has one image per view. `chosen` are the views of X that are used, in this order.
    """

    kind: str
    chosen: tuple[int, ...]

    @classmethod
    def from_parameter(
        cls, views: Any, durations: tuple[float, ...] | None, *, n_views: int
    ) -> ViewLayout:
        """Make the layout for the ``views`` parameter of an estimator."""
        if views in ("mosaic", "separate"):
            return cls(views, tuple(range(n_views)))
        if isinstance(views, str) and views == "channels":
            few = tuple(range(n_views))
            return cls("channels", few if n_views <= 3 else (0, n_views // 2, n_views - 1))
        if isinstance(views, Real) and not isinstance(views, bool):
            return cls("mosaic", (_find_view(float(views), durations, views),))
        if isinstance(views, tuple | list) and 1 <= len(views) <= 3:
            return cls("channels", tuple(_find_view(view, durations, views) for view in views))
        raise ValueError(
            f"views={views!r} is not one of 'mosaic', 'channels', 'separate', a duration such as "
            "1.0, or a tuple of up to three durations."
        )

    @property
    def n_passes(self) -> int:
        """Number of images per glitch."""
        return len(self.chosen) if self.kind == "separate" else 1

    def arrange(self, images: torch.Tensor) -> torch.Tensor:
        """Arrange ``(n, n_views, h, w)`` as ``(n * n_passes, 1 or 3, H, W)``."""
        if self.chosen != tuple(range(images.shape[1])):
            images = _select(images, self.chosen)
        if images.shape[1] == 1:
            return images
        if self.kind == "separate":
            return images.flatten(0, 1).unsqueeze(1)
        if self.kind == "mosaic":
            return _mosaic(images)
        # With two views, the second one also fills the third channel.
        return images if images.shape[1] == 3 else _select(images, (0, 1, 1))

    def image_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the arranged image for views of ``height`` x ``width``."""
        if self.kind != "mosaic":
            return height, width
        rows, columns = _grid(len(self.chosen))
        return rows * height, columns * width


def _select(images: torch.Tensor, views: Iterable[int]) -> torch.Tensor:
    # Not by a list as index, which is copied to the GPU synchronously.
    return torch.stack([images[:, view] for view in views], dim=1)


def _grid(n_views: int) -> tuple[int, int]:
    rows = math.ceil(math.sqrt(n_views))
    return rows, math.ceil(n_views / rows)


def _mosaic(images: torch.Tensor) -> torch.Tensor:
    """Fill a grid column by column, [[0.5, 2.0], [1.0, 4.0]] as in the Gravity Spy papers."""
    n, n_views, height, width = images.shape
    rows, columns = _grid(n_views)
    if rows * columns > n_views:
        empty = images.new_zeros(n, rows * columns - n_views, height, width)
        images = torch.cat([images, empty], dim=1)
    grid = images.view(n, columns, rows, height, width).permute(0, 2, 3, 1, 4)
    return grid.reshape(n, 1, rows * height, columns * width)


def find_durations(durations: Any, views: Any, *, n_views: int) -> tuple[float, ...] | None:
    """Find the durations of the views of X from parameters, None if unknown."""
    if durations is not None:
        if len(durations) != n_views:
            raise ValueError(
                f"durations={durations!r} has {len(durations)} durations, but X has {n_views} "
                "views: set the duration of each."
            )
        return tuple(float(duration) for duration in durations)
    if n_views == 1 and isinstance(views, Real) and not isinstance(views, bool):
        return (float(views),)
    return DURATIONS if n_views == len(DURATIONS) else None


def _find_view(duration: Any, durations: tuple[float, ...] | None, views: Any) -> int:
    """Find the position of the view with this duration in X."""
    if durations is None:
        raise ValueError(
            f"views={views!r} names durations, but those of X are unknown: set durations, such as "
            "encoder=Encoder(durations=(1.0, 4.0))."
        )
    if duration not in durations:
        raise ValueError(
            f"views={views!r} asks for a duration of {duration!r} s, but the views of X have "
            f"durations={durations!r}."
        )
    return durations.index(duration)
