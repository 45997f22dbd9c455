"""``skglitch completion``: what shells need to complete commands, options and files."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import get_completion_class

from . import _options


@click.command(short_help="Teach a shell to complete commands and options.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@_options.telling
@click.pass_context
def completion(ctx: click.Context, shell: str, **_: Any) -> None:
    """Print the script that teaches a shell to complete skglitch's commands and options.

    \b
    bash: put  eval "$(skglitch completion bash)"  into ~/.bashrc
    zsh:  put  eval "$(skglitch completion zsh)"   into ~/.zshrc, below compinit
    fish: skglitch completion fish > ~/.config/fish/completions/skglitch.fish
    """  # noqa: D301 (click wants the character that \\b stands for)
    kind = get_completion_class(shell)
    assert kind is not None  # for the type checker: the choices are those that click has
    click.echo(kind(ctx.find_root().command, {}, "skglitch", "_SKGLITCH_COMPLETE").source())
