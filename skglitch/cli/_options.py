"""Options that several commands share: one name means one thing everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ._config import read_config
from ._messages import remember_debug, remember_quiet
from ._types import Durations, FileOrName, Size, Views, Weights

F = TypeVar("F", bound=Callable[..., Any])

_existing = click.Path(exists=True, path_type=Path)
_file = click.Path(exists=True, dir_okay=False, path_type=Path)
# Not required: triggers and strain may take its place.
source = click.argument("source", required=False, metavar="[SOURCE]", type=_existing)
model = click.argument("model", type=_file)
model_or_backbone = click.argument("model_or_backbone", type=FileOrName())
overwrite = click.option("--overwrite", is_flag=True, help="Replace files that are there.")
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Write the result to stdout as JSON."
)
batch_size = click.option(
    "--batch-size", type=click.IntRange(1), metavar="N", help="Glitches at a time."
)
weights = click.option(
    "--weights", type=Weights(), help="Weights to start from; none means random ones."
)
backbone = click.option(
    "--backbone", help="The net; skglitch.backbones.list_backbones() names them."
)
layer = click.option(
    "--layer",
    help="The layer to read; by default what tells glitches apart best, where that was measured.",
)
max_epochs = click.option(
    "--max-epochs", type=click.IntRange(1), metavar="N", help="Passes over the training set."
)
random_state = click.option(
    "--random-state",
    "--seed",
    type=click.IntRange(0),
    metavar="N",
    default=0,
    show_default=True,
    help="Seed of all that is drawn.",
)
views = click.option("--views", type=Views(), help="How the net sees the views of a glitch.")
size = click.option(
    "--size", type=Size(), help="Size of a view in pixels; 140x170 of pictures and strain."
)
durations = click.option(
    "--durations",
    type=Durations(),
    default="all",
    help="Views to read, by duration in s: 4.0 or 0.5,1,2,4; all takes those that are there.",
)

_device = click.option("--device", help="auto, cpu, cuda, cuda:1 or mps.")
_precision = click.option(
    "--precision", type=click.Choice(["auto", "float32", "bfloat16"]), help="Of the net."
)
_reading = (
    click.option(
        "--triggers",
        type=_file,
        help="Table of triggers (.csv, ...) in place of SOURCE; their strain is transformed.",
    ),
    click.option(
        "--strain",
        multiple=True,
        metavar="FILES...",
        help="Files of strain around the triggers, or gwosc, which downloads it.",
    ),
    click.option(
        "--channel", help="Channel of frame files, or data set of HDF5 files, with the strain."
    ),
    click.option(
        "--length",
        type=click.FloatRange(0, min_open=True),
        metavar="X",
        default=16.0,
        show_default=True,
        help="Strain around each trigger in s.",
    ),
    click.option(
        "--missing",
        type=click.Choice(["raise", "skip", "fill"]),
        default="raise",
        show_default=True,
        help="Glitches that lack a view: stop, leave them out, or fill in zeros.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["raise", "skip"]),
        default="raise",
        show_default=True,
        help="Broken pictures and triggers without strain: stop, or leave them out.",
    ),
)
_telling = (
    click.option(
        "--config",
        type=_file,
        is_eager=True,
        expose_value=False,
        callback=read_config,
        help="TOML file with options, in a section for each command.",
    ),
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


def of_a_net(function: F) -> F:
    """Add the options of commands that embed glitches: which net, and what it sees."""
    return _add(function, (layer, weights, views, durations, size, batch_size))


def running(function: F) -> F:
    """Add the options of commands on glitches: what to read, where to run, what to tell."""
    return _add(function, (*_reading, _precision, _device, *_telling))


def running_alone(function: F) -> F:
    """Add the options of a command that reads no glitches but runs nets."""
    return _add(function, (_device, *_telling))


def telling(function: F) -> F:
    """Add the options that every command has."""
    return _add(function, _telling)


def _add(function: F, options: Sequence[Callable[[F], F]]) -> F:
    for option in reversed(options):
        function = option(function)
    return function
