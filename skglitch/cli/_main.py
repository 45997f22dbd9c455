"""The group of commands, and what all of them do about errors."""

from __future__ import annotations

import errno
import warnings
from pathlib import Path
from typing import Any

import click

from .._version import __version__
from ._completion import completion
from ._config import read_config
from ._demo import demo
from ._discover import discover
from ._embed import embed
from ._explore import explore
from ._fit import fit
from ._messages import (
    INTERRUPTED,
    one_line,
    one_line_of_usage,
    say,
    show_warning,
    wants_traceback,
)
from ._predict import predict
from ._report import report

# Options that take all that follows up to the next one, as a shell's *.hdf5 needs.
_GREEDY = {"--strain"}


class SafeGroup(click.Group):
    """A group whose commands end with one line on stderr in place of a traceback."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the options of the group itself."""
        try:
            return super().make_context(*args, **extra)
        except click.UsageError as error:
            # Without any arguments there is help, which click counts among these errors.
            if type(error).__name__ == "NoArgsIsHelpError":
                raise
            raise one_line_of_usage(error) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and give each value of a greedy option its own option."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, _spread(rest)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a failure is exit code 1, Ctrl-C is 130."""
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            try:
                return super().invoke(ctx)
            except click.UsageError as error:
                raise one_line_of_usage(error) from error
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except KeyboardInterrupt:
                say("Interrupted: nothing more is written.")
                ctx.exit(INTERRUPTED)
            except Exception as error:
                # Whoever read stdout has seen enough: click knows what to do.
                is_closed_pipe = isinstance(error, OSError) and error.errno == errno.EPIPE
                if is_closed_pipe or wants_traceback(ctx):
                    raise
                raise click.ClickException(one_line(error)) from error


def _spread(args: list[str]) -> list[str]:
    """Turn ``--strain a b`` into ``--strain a --strain b``."""
    spread: list[str] = []
    option: str | None = None
    for number, arg in enumerate(args):
        if arg == "--":
            return spread + args[number:]
        if arg.startswith("-"):
            option = arg if arg in _GREEDY else None
        elif option is not None and spread[-1] != option:
            spread.append(option)
        spread.append(arg)
    return spread


@click.group(cls=SafeGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="skglitch")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=read_config,
    help="TOML file with options, in a section for each command.",
)
def main() -> None:
    """Classify and embed glitches, and find kinds of them that are new.

    SOURCE is a folder of pictures named <ifo>_<id>_spectrogram_<duration>.png, in a folder for
    each class where they are labeled, or an HDF5 file of spectrograms. With --triggers and
    --strain there is none: spectrograms are made of the strain around triggers.

    Results go to stdout, all else to stderr. Exit codes: 0 done, 1 something is wrong with the
    data or the model (one line says what), 2 something is wrong with the command line or the
    configuration, 130 interrupted.
    """


for command in (demo, fit, predict, embed, discover, explore, report, completion):
    main.add_command(command)
