"""The command group and its error handling."""

from __future__ import annotations

import errno
import warnings
from pathlib import Path
from typing import Any

import click

from .._version import __version__
from . import _options
from ._demo import demo
from ._discover import discover
from ._embed import embed
from ._explore import explore
from ._fit import fit
from ._output import INTERRUPTED
from ._predict import predict
from ._report import report
from ._watch import watch

# Options that take all values up to the next option, such as *.hdf5 in the shell.
_GREEDY = {"--strain"}


class SafeGroup(click.Group):
    """A group of commands that print an error instead of a traceback."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and repeat greedy options before each of their values."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, _repeat_greedy(rest)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except KeyboardInterrupt:
                click.echo("Interrupted.", err=True)
                ctx.exit(INTERRUPTED)
            except Exception as error:
                # A closed pipe is handled by click.
                is_closed_pipe = isinstance(error, OSError) and error.errno == errno.EPIPE
                if is_closed_pipe or ctx.meta.get("debug"):
                    raise
                raise click.ClickException(_describe(error)) from error


def _describe(error: Exception) -> str:
    """Return the message of an error, with its type if the input is not the cause."""
    # ImportErrors of this library name the package to install.
    is_ours = isinstance(error, ImportError) and "pip install" in str(error)
    if not (is_ours or isinstance(error, ValueError | OSError)):
        return f"{type(error).__name__}: {error}\n(--debug shows the traceback.)"
    return str(error)


def _show_warning(message: Any, category: Any, *_args: Any, **_kwargs: Any) -> None:
    """Print warnings for users, without the line of code."""
    if issubclass(category, UserWarning):
        click.echo(f"Warning: {message}", err=True)


def _repeat_greedy(args: list[str]) -> list[str]:
    """Convert ``--strain a b`` to ``--strain a --strain b``."""
    repeated: list[str] = []
    option: str | None = None
    for number, arg in enumerate(args):
        if arg == "--":
            return repeated + args[number:]
        if arg.startswith("-"):
            option = arg if arg in _GREEDY else None
        elif option is not None and repeated[-1] != option:
            repeated.append(option)
        repeated.append(arg)
    return repeated


@click.group(
    cls=SafeGroup, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(__version__, prog_name="skglitch")
@_options.config
def main() -> None:
    """Classify and embed glitches, and find new classes.

    SOURCE is a folder of pictures named <ifo>_<id>_spectrogram_<duration>.png, in a subfolder per
    class if labeled, or an HDF5 file of spectrograms. --triggers with --strain replace it.

    MODEL is a file, or pretrained for the ready-made model. A file with that name is ./pretrained.

    Results go to stdout, messages to stderr. Exit codes: 0 success, 1 error in the data or the
    model, 2 error in the command line or the configuration, 130 interrupted.
    """


@click.command(short_help="Describe a model.")
@_options.model
@_options.as_json
@_options.common
def info(model: Path, as_json: bool, **_: Any) -> None:
    """Print the metadata of a MODEL: scores, versions, training data, classes, parameters."""
    import pandas as pd

    from .._tables import format_table, to_json
    from ..persistence import read_card

    card = read_card(model)
    if as_json:
        click.echo(to_json(card))
        return
    for name, part in card.items():
        if part:
            if name == "classes":  # with blanks for unknown numbers of glitches
                part = {label: "" if count is None else count for label, count in part.items()}
            is_list = isinstance(part, list)
            table = pd.DataFrame(part if is_list else {"": part}).rename_axis(name).map(str)
            if not is_list:
                table[""] = table[""].str.ljust(table[""].str.len().max())
            click.echo(format_table(table) + "\n")


for command in (demo, fit, predict, embed, discover, explore, report, watch, info):
    main.add_command(command)
