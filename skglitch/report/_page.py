"""The page: templates filled with numbers, tables and pictures, and its folder."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import math
import os
import re
import struct
import tempfile
from collections.abc import Collection, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

PAGE, PARTS = "report.html", "parts"
# Wider pictures, in pixels, have several views.
_MIN_LARGE = 400


def render(**context: Any) -> str:
    """Render ``page.html``, whose variables include data frames and PNG files by name."""
    environment = Environment(
        loader=PackageLoader(__package__, "_page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {"cell": _format, "percent": _percent, "counted": _counted, "listed": _listed}
    environment.filters |= filters
    style = environment.loader.get_source(environment, "style.css")[0]  # type: ignore[union-attr]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    pictures: Mapping[str, bytes] = context["pictures"]

    def image(name: str) -> dict[str, Any]:
        png = pictures[name]
        width, height = struct.unpack(">II", png[16:24])
        data = base64.b64encode(png).decode()
        return {"data": data, "width": width, "height": height, "is_large": width > _MIN_LARGE}

    return environment.get_template("page.html").render(
        # Nothing runs and nothing is fetched, whatever the texts hold.
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'",
        style=style,
        image=image,
        **context,
    )


def _format(value: Any, in_percent: bool) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if in_percent:
        return f"{100 * value:.1f}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}\N{NO-BREAK SPACE}%"


def _counted(n: int, noun: str) -> str:
    """Write a number with its noun: ``1 glitch``, ``1,200 glitches``."""
    plural = "es" if noun.endswith(("tch", "ss")) else "s"
    return f"{n:,}\N{NO-BREAK SPACE}{noun}{plural if n != 1 else ''}"


def _listed(names: Collection[Any], n_shown: int = 30) -> str:
    shown = ", ".join(map(str, list(names)[:n_shown]))
    return shown if len(names) <= n_shown else f"{shown} and {len(names) - n_shown} more"


def write_folder(folder: Path, html: str, parts: Mapping[str, bytes]) -> Path:
    """Write a page and its parts, replace those of an earlier report, and return the page."""
    created = [path for path in (folder / PARTS, *(folder / PARTS).parents) if not path.exists()]
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    options: Any = {"prefix": ".report.", "dir": folder / PARTS, "ignore_cleanup_errors": True}
    try:
        with tempfile.TemporaryDirectory(**options) as aside:
            for name, content in parts.items():
                Path(aside, name).write_bytes(content)
            Path(aside, PAGE).write_text(html, encoding="utf-8")
            stale = parts_of(folder / PAGE) - set(parts)
            for name in parts:
                os.replace(Path(aside, name), folder / PARTS / name)
            for name in stale:
                (folder / PARTS / name).unlink(missing_ok=True)
            # Last, so that a page always has its parts.
            os.replace(Path(aside, PAGE), folder / PAGE)
    except BaseException:
        for path in created:
            with contextlib.suppress(OSError):  # others may have written to it
                path.rmdir()
        raise
    return folder / PAGE


def parts_of(page: Path) -> set[str]:
    """Return the names of the parts of an earlier report, by its page."""
    if not page.is_file():
        return set()
    text = page.read_text(encoding="utf-8", errors="replace")
    found = re.search(r'<meta name="skglitch-parts" content="([^"]*)">', text)
    names = unescape(found[1]).split() if found else []
    # Whoever wrote the page, no file elsewhere is deleted.
    return {name for name in names if re.fullmatch(r"[\w-]+\.(png|csv)", name)}
