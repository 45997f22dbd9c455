"""What people read: stderr, so that stdout is free for results."""

from __future__ import annotations

from typing import Any

import click

# What a shell reports of a program that Ctrl-C ended: 128 and the number of the signal.
INTERRUPTED = 130
_DEBUG, _QUIET = "skglitch.debug", "skglitch.quiet"
# Errors that users can do something about: their message stands for itself.
_EXPECTED = (ValueError, OSError)


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
    told = fold(str(error))
    if isinstance(error, _EXPECTED) and told:
        return told
    return f"{type(error).__name__}: {told} (--debug tells where)"


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
        click.echo(f"Warning: {fold(str(message))}", err=True)
