"""What people read: stderr, so that stdout is free for results."""

from __future__ import annotations

import re
from typing import Any

import click

from ._config import config_file

# What a shell reports of a program that Ctrl-C ended: 128 and the number of the signal.
INTERRUPTED = 130
_DEBUG, _QUIET = "skglitch.debug", "skglitch.quiet"
# Errors that users can do something about: their message stands for itself.
_EXPECTED = (ValueError, OSError)
# What the library advises of its parameters, and what that is on the command line.
_ADVICE = {": pass gps=.": ": name one so.", "as dataset=": "as --channel"}
_FROM_FILE = click.core.ParameterSource.DEFAULT_MAP


def say(message: str) -> None:
    """Write a message to stderr, unless ``--quiet`` is given."""
    ctx = click.get_current_context(silent=True)
    if ctx is None or not ctx.meta.get(_QUIET):
        click.echo(message, err=True)


def remember_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Keep ``--debug`` where the group finds it."""
    ctx.meta[_DEBUG] = value


def remember_quiet(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
    """Keep ``--quiet`` where :func:`say` finds it."""
    ctx.meta[_QUIET] = value
    return value


def wants_traceback(ctx: click.Context) -> bool:
    """Tell whether ``--debug`` was given to any command."""
    return bool(ctx.meta.get(_DEBUG))


def one_line(error: Exception) -> str:
    r"""Fold the message of an error into one line.

    Examples
    --------
    >>> from skglitch.cli._messages import one_line
    >>> one_line(ValueError("2 files cannot be used:\n  a.png: broken\n  b.png: empty"))
    '2 files cannot be used: a.png: broken; b.png: empty'
    >>> one_line(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero (--debug tells where)'
    """
    told = in_options(fold(str(error)))
    # An ImportError of ours says what to install; any other is a flaw of the installation.
    is_ours = isinstance(error, ImportError) and "pip install" in told
    if told and (is_ours or isinstance(error, _EXPECTED)):
        return told
    return f"{type(error).__name__}: {told} (--debug tells where)"


def one_line_of_usage(error: click.UsageError) -> click.UsageError:
    """Turn an error in the command line, of which click makes three lines, into one of one."""
    told = fold(error.format_message())
    ctx, param = error.ctx, getattr(error, "param", None)
    if ctx is not None:
        if param is not None and ctx.get_parameter_source(param.name) is _FROM_FILE:
            told = f"{_sentence(told)} So it is in {config_file(ctx)!r}."
        told = f"{_sentence(told)} '{ctx.command_path} --help' tells more."
    # Without a context click has nothing to add.
    return click.UsageError(told)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def in_options(text: str) -> str:
    """Put options in place of the parameters that messages of the library advise.

    Examples
    --------
    >>> from skglitch.cli._messages import in_options
    >>> in_options("on_error='skip' leaves them out. Pass durations=(0.5, 4.0).")
    '--on-error skip leaves them out. Pass --durations 0.5,4.0.'
    """
    for advice, option in _ADVICE.items():
        text = text.replace(advice, option)
    text = re.sub(r"\b(missing|on_error)='(\w+)'", _option, text)
    return re.sub(r"\b(?<=Pass )(durations)=\(([\d., ]+?),?\)", _option, text)


def _option(match: re.Match[str]) -> str:
    return f"--{match[1].replace('_', '-')} {match[2].replace(' ', '')}"


def fold(text: str) -> str:
    """Join the lines of a message, as a list where the first ends with a colon."""
    folded = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        separator = "" if not folded else " " if folded[-1] in ":.,;" else "; "
        folded += separator + line
    return folded


def show_warning(message: Any, category: Any, *_where: Any, **_more: Any) -> None:
    """Show a warning without the line of code it comes from, which is not the user's."""
    if issubclass(category, UserWarning):
        click.echo(f"Warning: {in_options(fold(str(message)))}", err=True)
