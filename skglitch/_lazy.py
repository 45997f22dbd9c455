"""Modules that are imported when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any


def lazy_names(
    package: str, names: Collection[str], homes: Mapping[str, Collection[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` (PEP 562) for modules, or names in their ``homes``."""
    home_of = {name: home for home, inside in homes.items() for name in inside}

    def getattr_(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{home_of.get(name, name)}")
        value = getattr(module, name) if name in home_of else module
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names})

    return getattr_, dir_


def import_extra(module: str, what: str, extra: str) -> Any:
    """Import a module of an optional dependency, or explain how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        message = f'{what} needs {package}: pip install "skglitch[{extra}]"'
        raise ImportError(message) from error
