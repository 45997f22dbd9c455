"""The group of commands, and what all of them do about errors."""

from __future__ import annotations

import warnings
from typing import Any

import click

from .._version import __version__
from ._demo import demo
from ._embed import embed
from ._fit import fit
from ._messages import INTERRUPTED, one_line, say, show_warning, wants_traceback
from ._predict import predict


class SafeGroup(click.Group):
    """A group whose commands end with one line on stderr in place of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a failure is exit code 1, Ctrl-C is 130."""
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except KeyboardInterrupt:
                say("Interrupted: nothing more is written.")
                ctx.exit(INTERRUPTED)
            except Exception as error:
                if wants_traceback(ctx):
                    raise
                raise click.ClickException(one_line(error)) from error


@click.group(cls=SafeGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="skglitch")
def main() -> None:
    """Classify and embed Gravity Spy pictures of glitches.

    A FOLDER holds pictures named <ifo>_<id>_spectrogram_<duration>.png, in a folder for each
    class where they are labelled.

    Exit codes: 0 done, 1 something is wrong with the data or the model (one line on stderr says
    what), 2 something is wrong with the command line, 130 interrupted.
    """


for command in (demo, fit, predict, embed):
    main.add_command(command)
