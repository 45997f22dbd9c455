"""Options of several commands and the types of their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ._config import read_config

F = TypeVar("F", bound=Callable[..., Any])


class Durations(click.ParamType):
    """Comma-separated durations in s; ``all`` is None."""

    name = "durations"
    words: tuple[str, ...] = ()

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Convert ``"0.5,1,2,4"`` to a tuple of floats."""
        if not isinstance(value, str) or value in self.words:
            return value
        if value == "all":
            return None
        try:
            durations = tuple(map(float, value.split(",")))
        except ValueError:
            self.fail(f"{value!r} is not a list of durations in s such as 0.5,1,2,4.", param, ctx)
        if not all(0 < duration < float("inf") for duration in durations):
            self.fail(f"{value!r} has a duration that is not positive.", param, ctx)
        return durations


class Views(Durations):
    """An arrangement of views, or the durations of one to three of them."""

    name = "views"
    words = ("mosaic", "channels", "separate")

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Convert ``"1.0"`` to a float and ``"0.5,1,2"`` to a tuple."""
        views = super().convert(value, param, ctx)
        return views[0] if isinstance(views, tuple) and len(views) == 1 else views


class Size(click.ParamType):
    """Height and width in pixels."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Convert ``"140x170"`` to ``(140, 170)``."""
        if isinstance(value, tuple):
            return value
        sides = str(value).lower().split("x")
        if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
            self.fail(f"{value!r} is not a height and a width such as 140x170.", param, ctx)
        return int(sides[0]), int(sides[1])


class FileOr(click.ParamType):
    """A file that exists, one of some words, or any word."""

    name = "text"

    def __init__(self, *words: str, any_word: bool = False) -> None:
        self.words = words
        self.any_word = any_word

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Check that the file exists."""
        if self.any_word or value in self.words or Path(value).expanduser().is_file():
            return value
        words = ", ".join(map(repr, self.words))
        self.fail(f"{value!r} is neither {words} nor a file.", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete files."""
        return [CompletionItem(incomplete, type="file")]


file_type = click.Path(exists=True, dir_okay=False, path_type=Path)
# Not required, since --triggers and --strain may replace it.
source = click.argument(
    "source", required=False, metavar="[SOURCE]", type=click.Path(exists=True, path_type=Path)
)
model = click.argument("model", type=file_type)
overwrite = click.option("--overwrite", is_flag=True, help="Replace existing files.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
batch_size = click.option(
    "--batch-size", type=click.IntRange(1), metavar="N", help="Number of glitches per batch."
)
weights = click.option(
    "--weights",
    type=FileOr("imagenet", "none"),
    metavar="imagenet|none|FILE",
    help="Initial weights; none for random ones.",
)
backbone = click.option(
    "--backbone", help="Name of the network, see skglitch.backbones.list_backbones()."
)
max_epochs = click.option(
    "--max-epochs", type=click.IntRange(1), metavar="N", help="Number of epochs."
)
random_state = click.option(
    "--random-state",
    "--seed",
    type=click.IntRange(0),
    metavar="N",
    default=0,
    show_default=True,
    help="Seed of all random numbers.",
)
views = click.option(
    "--views",
    type=Views(),
    metavar="mosaic|channels|separate|S[,S[,S]]",
    help="Arrangement of the views.",
)
size = click.option(
    "--size", type=Size(), metavar="HxW", help="Size of a view in pixels, 140x170 by default."
)
durations = click.option(
    "--durations",
    type=Durations(),
    metavar="S,S,...",
    default="all",
    help="Durations of the views to read in s, such as 0.5,1,2,4.",
)
_device = click.option("--device", help="auto, cpu, cuda, cuda:1 or mps.")
_layer = click.option("--layer", help="Layer of the embedding.")


def _combine(*options: Callable[[F], F]) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


common = _combine(
    click.option(
        "--config",
        type=file_type,
        is_eager=True,
        expose_value=False,
        callback=read_config,
        help="TOML file with options, in a section per command.",
    ),
    click.option("--quiet", "-q", is_flag=True, help="Print only warnings and errors."),
    click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=lambda ctx, _, value: ctx.meta.update(debug=value),
        help="Show the traceback of an error.",
    ),
)
computing = _combine(_device, common)
reading = _combine(
    click.option(
        "--triggers", type=file_type, help="Table of triggers, to be used instead of SOURCE."
    ),
    click.option(
        "--strain",
        multiple=True,
        metavar="FILES...",
        help="Strain files, or gwosc to download public strain.",
    ),
    click.option("--channel", help="Channel of frame files, or data set of HDF5 files."),
    click.option(
        "--strain-duration",
        type=click.FloatRange(0, min_open=True),
        metavar="S",
        default=16.0,
        show_default=True,
        help="Duration in s of the strain around each trigger.",
    ),
    click.option(
        "--missing",
        type=click.Choice(["raise", "skip", "fill"]),
        default="raise",
        show_default=True,
        help="Glitches without some view: stop, skip them, or fill in zeros.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["raise", "skip"]),
        default="raise",
        show_default=True,
        help="Unreadable pictures and triggers without strain: stop, or skip them.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16"]),
        help="Number format of the network.",
    ),
    computing,
)
embedding = _combine(_layer, weights, views, durations, size, batch_size)
