"""``--config FILE.toml``: options out of a file, a section for each command."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

# Options that are about the run at hand, or would lead in circles.
_NEVER = {"config", "help"}
# Types of which a list is one value.
_OF_LISTS = {"durations", "views"}
_FILE = "skglitch.config"


def read_config(ctx: click.Context, _param: click.Parameter, path: Path | None) -> None:
    """Make what a file says the defaults of options.

    What the file of a command says wins over what the file of the group says, and the command
    line wins over both.

    Parameters
    ----------
    ctx : click.Context
        Of the group or of a command.
    path : pathlib.Path or None
        Nothing happens without one.

    Raises
    ------
    click.UsageError
        If it is no TOML file, or names commands or options that do not exist. All sections are
        checked, so that a mistake is found by the first command that reads the file.
    """
    if path is None:
        return
    root = ctx.find_root().command
    commands = root.commands if isinstance(root, click.Group) else {str(ctx.info_name): root}
    sections = {
        name: _read_section(f"{str(path)!r}", name, section, commands)
        for name, section in _parse(path).items()
    }
    of_group = isinstance(ctx.command, click.Group)
    found = sections if of_group else sections.get(str(ctx.info_name), {})
    ctx.default_map = {**(ctx.default_map or {}), **found}
    ctx.meta[_FILE] = str(path)


def config_file(ctx: click.Context) -> str | None:
    """Name the file that options were read from, for messages about their values."""
    return ctx.meta.get(_FILE)


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{str(path)!r} is no TOML file: {error}.") from error
    except OSError as error:
        raise click.UsageError(f"{str(path)!r} cannot be read ({error.strerror}).") from error


def _read_section(
    file: str, name: str, section: Any, commands: Mapping[str, click.Command]
) -> dict[str, Any]:
    """Check a section, and put the names of parameters in place of those of options."""
    if not isinstance(section, Mapping):
        raise click.UsageError(
            f"{file}: {name!r} is in no section: put it below the name of its command, such as "
            "[fit]."
        )
    if name not in commands:
        raise click.UsageError(f"{file}: [{name}] is no command.{_suggest(name, commands)}")
    options = _options_of(commands[name])
    found: dict[str, Any] = {}
    for key, value in section.items():
        plain = key.replace("_", "-")
        option = options.get(plain)
        if option is None:
            raise click.UsageError(
                f"{file}: {key!r} is no option of 'skglitch {name}'.{_suggest(plain, options)}"
            )
        where = f"{file}: {key!r} in [{name}]"
        if option.name in found:
            raise click.UsageError(f"{where} is there twice.")
        _check_value(where, option, value)
        found[str(option.name)] = value
    return found


def _options_of(command: click.Command) -> dict[str, click.Option]:
    names = {
        text.removeprefix("--"): param
        for param in command.params
        if isinstance(param, click.Option)
        for text in param.opts
        if text.startswith("--")
    }
    return {name: option for name, option in names.items() if name not in _NEVER}


def _check_value(where: str, option: click.Option, value: Any) -> None:
    """Refuse what click would turn into something else without a word."""
    if isinstance(value, Mapping):
        raise click.UsageError(f"{where} is a table, where one value is needed.")
    if option.is_flag != isinstance(value, bool):
        needed = "true or false" if option.is_flag else "a value, not true or false"
        raise click.UsageError(f"{where} needs {needed}.")
    if isinstance(value, float) and isinstance(option.type, click.types.IntParamType):
        raise click.UsageError(f"{where} needs a whole number, not {value}.")
    is_list = isinstance(value, list)
    if option.multiple and not is_list:
        raise click.UsageError(f"{where} needs a list, such as [{value!r}].")
    if is_list and not option.multiple and option.type.name not in _OF_LISTS:
        raise click.UsageError(f"{where} needs one value, not a list.")


def _suggest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(names)}."
