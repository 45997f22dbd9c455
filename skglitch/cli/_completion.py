"""``skglitch completion``: shell completion."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import get_completion_class

from . import _options


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@_options.common
@click.pass_context
def completion(ctx: click.Context, shell: str, **_: Any) -> None:
    """Print the script that completes commands and options in a shell.

    \b
    bash: put  eval "$(skglitch completion bash)"  into ~/.bashrc
    zsh:  put  eval "$(skglitch completion zsh)"   into ~/.zshrc, below compinit
    fish: skglitch completion fish > ~/.config/fish/completions/skglitch.fish
    """  # noqa: D301 (\\b is for click)
    completion_class = get_completion_class(shell)
    assert completion_class is not None
    click.echo(
        completion_class(ctx.find_root().command, {}, "skglitch", "_SKGLITCH_COMPLETE").source()
    )
