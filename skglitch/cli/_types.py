"""Types of the values of options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

_NAMED_VIEWS = ("mosaic", "channels", "separate")


class Durations(click.ParamType):
    """Comma-separated durations in s, or ``all`` for None."""

    name = "durations"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show how it is written."""
        return "S,S,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Turn ``"0.5,1,2,4"`` into numbers."""
        if value is None or value == "all":
            return None
        return _numbers(self, value, param, ctx)


class Views(click.ParamType):
    """A way to arrange views, one duration, or up to three of them."""

    name = "views"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show how it is written."""
        return "mosaic|channels|late|S[,S[,S]]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Turn ``"1.0"`` into a number and ``"0.5,1,2"`` into a tuple."""
        if value is None or value in _NAMED_VIEWS:
            return value
        numbers = _numbers(self, value, param, ctx)
        return numbers[0] if len(numbers) == 1 else numbers


class Size(click.ParamType):
    """Height and width in pixels."""

    name = "size"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show how it is written."""
        return "HxW"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Turn ``"140x170"`` into ``(140, 170)``."""
        if isinstance(value, tuple):
            return value
        sides = str(value).lower().split("x")
        if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
            self.fail(f"{value!r} is not a height and a width such as 140x170.", param, ctx)
        return int(sides[0]), int(sides[1])


class Weights(click.ParamType):
    """``imagenet``, ``none`` or a file."""

    name = "weights"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show how it is written."""
        return "imagenet|none|FILE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Check that a file is there before anything is loaded."""
        value = str(value)
        if value not in ("imagenet", "none") and not Path(value).expanduser().is_file():
            self.fail(f"{value!r} is neither 'imagenet', 'none' nor a file.", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer files."""
        return [CompletionItem(incomplete, type="file")]


class FileOrName(click.ParamType):
    """A file, or a name of something else, such as a backbone."""

    name = "text"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer files: which backbones there are takes a second to find out."""
        return [CompletionItem(incomplete, type="file")]


def _numbers(kind: click.ParamType, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
    """Read durations out of text, or out of the number or array of a TOML file."""
    parts = value.split(",") if isinstance(value, str) else value
    try:
        numbers = tuple(map(float, parts if isinstance(parts, list | tuple) else [parts]))
    except (TypeError, ValueError):
        kind.fail(f"{value!r} is not a list of durations in s such as 0.5,1,2,4.", param, ctx)
    if not numbers or not all(0 < number < float("inf") for number in numbers):
        kind.fail(f"{value!r} has a duration that is not positive.", param, ctx)
    return numbers
