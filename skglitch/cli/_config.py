"""``--config FILE.toml``: defaults of options from a file, in a section per command."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click


def read_config(ctx: click.Context, _param: click.Parameter, path: Path | None) -> None:
    """Make the values in a file the defaults of options.

    The command line takes precedence over the file of a command, and this over that of the group.
    """
    if path is None:
        return
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
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
    """Return the parameter of an option, and its value as it is typed in the command line."""
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
    return str(option.name), texts if getattr(option, "multiple", False) else ",".join(texts)
