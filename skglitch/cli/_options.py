"""Options of several commands, their types, and defaults from a file."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def parse_durations(value: str) -> tuple[float, ...] | None:
    """Convert ``"0.5,1,2,4"`` to a tuple of floats, and ``"all"`` to None."""
    if value == "all":
        return None
    try:
        durations = tuple(map(float, value.split(",")))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no list of durations such as 0.5,1,2,4.") from error
    if not all(0 < duration < float("inf") for duration in durations):
        raise click.BadParameter(f"{value!r} has a duration that is not positive.")
    return durations


def parse_views(value: str) -> str | float | tuple[float, ...] | None:
    """Keep the name of a layout, and convert ``"1.0"`` to a float and ``"0.5,1,2"`` to a tuple."""
    if value in ("mosaic", "channels", "separate"):
        return value
    durations = parse_durations(value)
    return durations[0] if durations is not None and len(durations) == 1 else durations


def parse_size(value: str) -> tuple[int, int]:
    """Convert ``"140x170"`` to ``(140, 170)``."""
    sides = value.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise click.BadParameter(f"{value!r} is not a height and a width such as 140x170.")
    return int(sides[0]), int(sides[1])


class FileOr(click.Path):
    """An existing file, or one of some words."""

    def __init__(self, *words: str) -> None:
        super().__init__(dir_okay=False)
        self.words = words

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Check that the file exists."""
        if value in self.words or Path(value).expanduser().is_file():
            return value
        words = ", ".join(map(repr, self.words))
        self.fail(f"{value!r} is neither {words} nor a file.", param, ctx)


class ModelPath(click.Path):
    """A path, or the name of the ready-made model, which precedes a file of that name."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the path of the model."""
        if value == "pretrained":
            from .. import _files

            if Path(value).exists():
                message = "pretrained is the ready-made model; ./pretrained is the file here."
                warnings.warn(message, UserWarning, stacklevel=2)
            value = str(_files.PRETRAINED)
        return super().convert(value, param, ctx)


def read_config(ctx: click.Context, _param: click.Parameter, path: Path | None) -> None:
    """Use the values in a file as defaults of options, which the command line overrides."""
    if path is None:
        return
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise click.UsageError(f"{str(path)!r} is not a TOML file: {error}.", ctx) from error
    root = ctx.find_root().command
    commands = root.commands if isinstance(root, click.Group) else {str(ctx.info_name): root}
    for name, section in sections.items():
        if name not in commands or not isinstance(section, dict):
            allowed = ", ".join(f"[{command}]" for command in commands)
            raise click.UsageError(f"{str(path)!r}: {name!r} is not one of {allowed}.", ctx)
        sections[name] = dict(
            _read_option(ctx, f"{str(path)!r}, [{name}]", commands[name], key, value)
            for key, value in section.items()
        )
    is_group = isinstance(ctx.command, click.Group)
    found = sections if is_group else sections.get(str(ctx.info_name), {})
    ctx.default_map = {**(ctx.default_map or {}), **found}


def _read_option(
    ctx: click.Context, where: str, command: click.Command, key: str, value: Any
) -> tuple[str, Any]:
    """Return the parameter of an option, and its value as typed on the command line."""
    options = {
        text: param
        for param in command.params
        for text in param.opts
        if isinstance(param, click.Option) and param.name != "config"
    }
    option = options.get(f"--{key.replace('_', '-')}")
    if option is None:
        raise click.UsageError(f"{where}: {key!r} is not one of {', '.join(sorted(options))}.", ctx)
    texts = [str(item) for item in value] if isinstance(value, list) else [str(value)]
    typed = texts if getattr(option, "multiple", False) else ",".join(texts)
    # Files need not exist yet, as another command may write them.
    if not isinstance(option.type, click.Path):
        try:
            option.type_cast_value(ctx, typed)
        except click.BadParameter as error:
            raise click.UsageError(f"{where}: {key}={value!r}: {error.message}", ctx) from error
    return str(option.name), typed


def count(*names: str, least: int = 1, **params: Any) -> Callable[[F], F]:
    """Make an option that takes a whole number."""
    return click.option(*names, type=click.IntRange(least), metavar="N", **params)


def choice(name: str, allowed: Sequence[str], **params: Any) -> Callable[[F], F]:
    """Make an option that takes one of some words."""
    return click.option(name, type=click.Choice(allowed), **params)


file_type = click.Path(exists=True, dir_okay=False, path_type=Path)
# Not required, as --triggers and --strain may replace it.
_existing = click.Path(exists=True, path_type=Path)
source = click.argument("source", required=False, metavar="[SOURCE]", type=_existing)
model = click.argument("model", type=ModelPath(exists=True, dir_okay=False, path_type=Path))
batch_size = count("--batch-size", help="Number of glitches per batch.")
weights = click.option(
    "--weights",
    type=FileOr("imagenet", "glitches", "none"),
    metavar="imagenet|glitches|none|FILE",
    help="Initial weights; glitches for the ready-made model, none for random ones.",
)
backbone = click.option("--backbone", help="Network, see skglitch.backbones.list_backbones().")
max_epochs = count("--max-epochs", help="Number of epochs.")
random_state = count("--random-state", "--seed", least=0, default=0, help="Seed of random numbers.")
views = click.option(
    "--views",
    type=parse_views,
    metavar="mosaic|channels|separate|S[,S[,S]]",
    help="Arrangement of the views.",
)
size = click.option(
    "--size", type=parse_size, metavar="HxW", help="Size of a view in pixels, 140x170 by default."
)
durations = click.option(
    "--durations",
    type=parse_durations,
    metavar="S,S,...",
    default="all",
    help="Durations of the views to read in s, such as 0.5,1,2,4.",
)
_layer = click.option("--layer", help="Layer of the embedding.")
config = click.option(
    "--config",
    type=file_type,
    is_eager=True,
    expose_value=False,
    callback=read_config,
    help="TOML file with options, in a section per command.",
)


def _combine(*options: Callable[[F], F]) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def output(
    text: str, default: str | None = None, *, is_folder: bool = False, required: bool = False
) -> Callable[[F], F]:
    """Make the options ``--output`` and ``--overwrite``."""
    kind = click.Path(file_okay=not is_folder, path_type=Path)
    params: dict[str, Any] = {"required": True} if required else {"default": default}
    return _combine(
        click.option("--output", "-o", type=kind, help=text, **params),
        click.option("--overwrite", is_flag=True, help="Replace existing files."),
    )


common = _combine(
    config,
    click.option("--quiet", "-q", is_flag=True, help="Print only warnings and errors."),
    click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=lambda ctx, _, value: ctx.meta.update(debug=value),
        help="Show the traceback of an error.",
    ),
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
computing = _combine(
    as_json,
    click.option("--device", help="auto, cpu, cuda, cuda:1 or mps."),
    common,
)
reading = _combine(
    click.option(
        "--triggers", type=_existing, help="Table of triggers, to be used instead of SOURCE."
    ),
    click.option(
        "--strain",
        multiple=True,
        metavar="FILES...",
        help="Strain files, or gwosc to download public strain.",
    ),
    click.option(
        "--channel",
        multiple=True,
        metavar="[IFO:]NAME",
        help="Channel of frame files, or data set of HDF5 files. Can be repeated, for each IFO.",
    ),
    click.option(
        "--strain-duration",
        type=click.FloatRange(0, min_open=True),
        metavar="S",
        default=16.0,
        help="Duration in s of the strain around each trigger.",
    ),
    choice(
        "--missing",
        ["raise", "skip", "fill"],
        default="raise",
        help="Glitches without some view: stop, skip them, or fill in zeros.",
    ),
    choice(
        "--on-error",
        ["raise", "skip"],
        default="raise",
        help="Unreadable pictures and triggers without strain: stop, or skip them.",
    ),
    choice(
        "--precision",
        ["auto", "float32", "tf32", "bfloat16", "float16"],
        help="Number format of the network.",
    ),
    computing,
)
embedding = _combine(_layer, weights, views, durations, size, batch_size, random_state, reading)
