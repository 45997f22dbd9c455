"""Options that several commands share, and the types of their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ._messages import remember_debug, remember_quiet

F = TypeVar("F", bound=Callable[..., Any])
_NAMED_VIEWS = ("mosaic", "channels", "late")


class Durations(click.ParamType):
    """Comma-separated durations in s, or ``all`` for None."""

    name = "durations"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show how it is written."""
        return "S,S,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Turn ``"0.5,1,2,4"`` into numbers."""
        if not isinstance(value, str):
            return value
        return None if value == "all" else _numbers(self, value, param, ctx)


class Views(click.ParamType):
    """A way to arrange views, one duration, or up to three of them."""

    name = "views"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show how it is written."""
        return "mosaic|channels|late|S[,S[,S]]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Turn ``"1.0"`` into a number and ``"0.5,1,2"`` into a tuple."""
        if not isinstance(value, str) or value in _NAMED_VIEWS:
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
        if not isinstance(value, str):
            return value
        sides = value.lower().split("x")
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
        if value not in ("imagenet", "none") and not Path(value).expanduser().is_file():
            self.fail(f"{value!r} is neither 'imagenet', 'none' nor a file.", param, ctx)
        return value


def _numbers(kind: click.ParamType, text: str, param: Any, ctx: Any) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        kind.fail(f"{text!r} is not a list of durations in s such as 0.5,1,2,4.", param, ctx)
    if not all(0 < number < float("inf") for number in numbers):
        kind.fail(f"{text!r} has a duration that is not positive.", param, ctx)
    return numbers


folder = click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, readable=True, path_type=Path)
)
overwrite = click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
batch_size = click.option("--batch-size", type=click.IntRange(1), help="Glitches at a time.")
weights = click.option(
    "--weights", type=Weights(), help="Weights to start from; none means random ones."
)
backbone = click.option(
    "--backbone", help="The net; skglitch.backbones.list_backbones() names them."
)
max_epochs = click.option(
    "--max-epochs", type=click.IntRange(1), help="Passes over the training set."
)
random_state = click.option(
    "--random-state", "--seed", type=click.IntRange(0), default=0, help="Seed of all that is drawn."
)
views = click.option("--views", type=Views(), help="How the net sees the views of a glitch.")
size = click.option("--size", type=Size(), default="140x170", help="Size of a view in pixels.")
durations = click.option(
    "--durations",
    type=Durations(),
    default="all",
    help="Views to read, by duration in s: 4.0 or 0.5,1,2,4; all takes those that are there.",
)


_device = click.option("--device", help="auto, cpu, cuda, cuda:1 or mps.")
_pictures = (
    click.option(
        "--precision", type=click.Choice(["auto", "float32", "bfloat16"]), help="Of the net."
    ),
    click.option(
        "--missing",
        type=click.Choice(["raise", "skip", "fill"]),
        default="raise",
        help="Glitches that lack a view: stop, leave them out, or fill in zeros.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["raise", "skip"]),
        default="raise",
        help="Broken pictures: stop, or leave their glitches out.",
    ),
)
_telling = (
    click.option(
        "--quiet",
        "-q",
        is_flag=True,
        callback=remember_quiet,
        help="No progress bars and messages, but warnings and errors.",
    ),
    click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=remember_debug,
        help="Show the traceback of an error.",
    ),
)


def running(function: F) -> F:
    """Add the options of commands on pictures: where to run, about flaws, what to tell."""
    return _add(function, (_device, *_pictures, *_telling))


def running_alone(function: F) -> F:
    """Add the options of a command that reads nothing."""
    return _add(function, (_device, *_telling))


def _add(function: F, options: Sequence[Callable[[F], F]]) -> F:
    for option in reversed(options):
        function = option(function)
    return function
