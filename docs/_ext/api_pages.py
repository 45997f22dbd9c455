"""Write an API page per package of the library from its ``__all__``; no name may be missing."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

import skglitch

logger = logging.getLogger(__name__)


def packages() -> list[str]:
    """Return the names of the public packages."""
    return [name for name in skglitch.__all__ if inspect.ismodule(getattr(skglitch, name))]


def public_names() -> dict[str, Any]:
    """Return the public objects by full name."""
    names = {}
    for package in packages():
        module = importlib.import_module(f"skglitch.{package}")
        names |= {f"{module.__name__}.{name}": getattr(module, name) for name in module.__all__}
    return names


def write_pages(app: Sphinx, config: Any) -> None:
    """Write the sources of the pages before Sphinx collects them."""
    folder = Path(app.srcdir, "api")
    folder.mkdir(exist_ok=True)
    pages = {f"{package}.rst": _package_page(package) for package in packages()} | {
        "index.rst": _index_page()
    }
    for name, text in pages.items():
        _write(folder / name, text)
    renamed = set(config.autosummary_filename_map.values())
    # Pages of names that no longer exist.
    for path in [*folder.glob("*.rst"), *folder.glob("generated/*.rst")]:
        if path.name not in pages and path.stem not in public_names().keys() | renamed:
            path.unlink()
    config.autosummary_context = {"sklearn_methods": _inherited_methods()}


def _write(path: Path, text: str) -> None:
    # An unchanged file keeps its date, so that Sphinx does not read it again.
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _index_page() -> str:
    summaries = [
        f"* - :doc:`{package} <{package}>`\n  - {_summary(package)}"
        for package in sorted(packages())
    ]
    return "\n".join(
        [
            _title("API reference", "="),
            "All classes and functions by package. The two estimators, ``all_gpus_per_fit``,",
            "``one_gpu_per_worker``, ``save`` and ``load`` are in ``skglitch``, too.\n",
            ".. list-table::\n   :widths: 20 80\n",
            *(f"   {line}" for row in summaries for line in row.splitlines()),
            "\n.. toctree::\n   :hidden:\n",
            *(f"   {package}" for package in sorted(packages())),
            "",
        ]
    )


def _summary(package: str) -> str:
    return inspect.getdoc(getattr(skglitch, package)).splitlines()[0]


def _package_page(package: str) -> str:
    module = importlib.import_module(f"skglitch.{package}")
    kinds: dict[str, list[str]] = {"Classes": [], "Functions": [], "Constants": []}
    for name in module.__all__:
        value = getattr(module, name)
        kind = "Classes" if inspect.isclass(value) else "Functions" if callable(value) else None
        kinds[kind or "Constants"].append(name)
    parts = [
        _title(f"skglitch.{package}", "="),
        f".. automodule:: skglitch.{package}\n   :no-members:\n",
        f".. currentmodule:: skglitch.{package}\n",
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
    """Warn about public names without a page."""
    described = {name for name, *_ in env.domains.python_domain.get_objects()}
    for name in public_names().keys() - described:
        logger.warning("%s is not in the API reference", name)


def _inherited_methods() -> dict[str, list[str]]:
    """Return the public methods inherited from scikit-learn for each class."""
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
    """Skip members inherited from torch, skorch and scikit-learn."""
    module = getattr(getattr(value, "fget", value), "__module__", None) or ""
    return None if module.startswith("skglitch") else True


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("autodoc-skip-member", skip_members_of_others)
    app.connect("config-inited", write_pages)
    app.connect("env-check-consistency", check_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
