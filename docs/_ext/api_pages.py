"""A page for each room of the library, from its ``__all__``; no name may be missing."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

import skglitch

logger = logging.getLogger(__name__)


def rooms() -> list[str]:
    """Names of the packages that hold the public names."""
    return [name for name in skglitch.__all__ if inspect.ismodule(getattr(skglitch, name))]


def public_names() -> dict[str, Any]:
    """Find what the rooms make public, by its full name."""
    found = {}
    for room in rooms():
        module = importlib.import_module(f"skglitch.{room}")
        found |= {f"{module.__name__}.{name}": getattr(module, name) for name in module.__all__}
    return found


def write_pages(app: Sphinx, config: Any) -> None:
    """Write the sources of the pages, before Sphinx looks which there are."""
    folder = Path(app.srcdir, "api")
    folder.mkdir(exist_ok=True)
    pages = {f"{room}.rst": _room_page(room) for room in rooms()} | {"index.rst": _index_page()}
    for name, text in pages.items():
        _write(folder / name, text)
    renamed = set(config.autosummary_filename_map.values())
    # What a name that is gone has left behind.
    for path in [*folder.glob("*.rst"), *folder.glob("generated/*.rst")]:
        if path.name not in pages and path.stem not in public_names().keys() | renamed:
            path.unlink()
    config.autosummary_context = {"of_scikit_learn": _methods_of_scikit_learn()}


def _write(path: Path, text: str) -> None:
    # What has not changed keeps its date, so that Sphinx need not read it again.
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _index_page() -> str:
    summaries = [f"* - :doc:`{room} <{room}>`\n  - {_summary(room)}" for room in sorted(rooms())]
    return "\n".join(
        [
            _title("API reference", "="),
            "Every class and function, by the package that it is in. The two estimators,",
            "``save`` and ``load`` are names of ``skglitch`` itself too.\n",
            ".. list-table::\n   :widths: 20 80\n",
            *(f"   {line}" for row in summaries for line in row.splitlines()),
            "\n.. toctree::\n   :hidden:\n",
            *(f"   {room}" for room in sorted(rooms())),
            "",
        ]
    )


def _summary(room: str) -> str:
    return inspect.getdoc(getattr(skglitch, room)).splitlines()[0]


def _room_page(room: str) -> str:
    module = importlib.import_module(f"skglitch.{room}")
    kinds: dict[str, list[str]] = {"Classes": [], "Functions": [], "Constants": []}
    for name in module.__all__:
        value = getattr(module, name)
        kind = "Classes" if inspect.isclass(value) else "Functions" if callable(value) else None
        kinds[kind or "Constants"].append(name)
    parts = [
        _title(f"skglitch.{room}", "="),
        f".. automodule:: skglitch.{room}\n   :no-members:\n",
        f".. currentmodule:: skglitch.{room}\n",
    ]
    for kind, names in kinds.items():
        if names:
            parts.append(_title(kind, "-"))
            parts.append(_constants(module, names) if kind == "Constants" else _summaries(names))
    return "\n".join(parts)


def _summaries(names: list[str]) -> str:
    lines = [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
    return "\n".join([*lines, *(f"   {name}" for name in names), ""])


def _constants(module: Any, names: list[str]) -> str:
    return "\n".join(f".. py:data:: {n}\n   :value: {getattr(module, n)!r}\n" for n in names)


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def check_pages(app: Sphinx, env: Any) -> None:
    """Warn of public names that the reference lacks."""
    described = {name for name, *_ in env.domains.python_domain.get_objects()}
    for name in public_names().keys() - described:
        logger.warning("%s is not in the API reference", name)


def _methods_of_scikit_learn() -> dict[str, list[str]]:
    """Public methods that classes inherit from scikit-learn's bases, by the name of the class."""
    return {
        fullname: [
            name
            for name, method in inspect.getmembers(value, inspect.isfunction)
            if name[0] != "_" and method.__module__.startswith("sklearn.")
        ]
        for fullname, value in public_names().items()
    }


def skip_members_of_others(
    app: Sphinx, what: str, name: str, value: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out what classes inherit from torch, skorch and scikit-learn."""
    module = getattr(getattr(value, "fget", value), "__module__", None) or ""
    return None if module.startswith("skglitch") else True


def setup(app: Sphinx) -> dict[str, bool]:
    """Enter the extension."""
    app.connect("autodoc-skip-member", skip_members_of_others)
    app.connect("config-inited", write_pages)
    app.connect("env-check-consistency", check_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
