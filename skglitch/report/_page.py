"""The page: templates filled with numbers, tables and pictures."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

# Wider pictures, in pixels, have several views.
_MIN_LARGE = 400


def render(**context: Any) -> str:
    """Render ``page.html``, which needs no other file.

    Parameters
    ----------
    **context
        The variables of the template, among them ``tables``, a dict of data frames, and
        ``pictures``, a dict of PNG files.
    """
    environment = Environment(
        loader=PackageLoader(__package__, "_page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "counted": _counted, "listed": _listed}
    style = environment.loader.get_source(environment, "style.css")[0]  # type: ignore[union-attr]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    tables: Mapping[str, pd.DataFrame] = context["tables"]
    pictures: Mapping[str, bytes] = context["pictures"]

    def image(name: str) -> dict[str, Any]:
        png = pictures[name]
        width, height = struct.unpack(">II", png[16:24])
        data = base64.b64encode(png).decode()
        return {"data": data, "width": width, "height": height, "is_large": width > _MIN_LARGE}

    def columns(name: str, percent: Collection[str]) -> list[tuple[str, bool]]:
        """Headers, and whether the column is numeric."""
        return [
            (
                column.replace("_", " ") + (" [%]" if column in percent else ""),
                values.dtype.kind in "iuf",
            )
            for column, values in tables[name].items()
        ]

    def rows(name: str, percent: Collection[str], n_shown: int | None) -> Iterable[list[str]]:
        shown = tables[name].head(len(tables[name]) if n_shown is None else n_shown)
        texts = [
            [_format(value, column in percent) for value in values.tolist()]
            for column, values in shown.items()
        ]
        return map(list, zip(*texts, strict=True))

    return environment.get_template("page.html").render(
        # Nothing runs and nothing is fetched, whatever the texts hold.
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'",
        style=style,
        image=image,
        columns=columns,
        rows=rows,
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
