"""Self-contained HTML pages from templates, tables and pictures."""

from __future__ import annotations

import base64
import hashlib
import io
import math
import struct
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pandas as pd
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

_DPI = 120
# Pictures wider than this, in pixels, have several views.
_MIN_LARGE = 400


def render(room: str, **context: Any) -> str:
    """Render the ``page.html`` of a package, with tables and PNG files by name."""
    loaders = [PackageLoader(room, "_page"), PackageLoader(__name__, "")]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {"cell": _format, "percent": _percent, "counted": _counted, "listed": _listed}
    environment.filters |= filters
    style = loaders[1].get_source(environment, "style.css")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    pictures: Mapping[str, bytes] = context["pictures"]

    def image(name: str) -> dict[str, Any]:
        png = pictures[name]
        width, height = struct.unpack(">II", png[16:24])
        data = base64.b64encode(png).decode()
        return {"data": data, "width": width, "height": height, "is_large": width > _MIN_LARGE}

    return environment.get_template("page.html").render(
        # No script is run and nothing is loaded, whatever the texts contain.
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


def draw(figsize: tuple[float, float], plot: Callable[[Any], Any]) -> bytes:
    """Draw on a new figure, without a window, and return it as PNG."""
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=figsize, layout="constrained")
    plot(figure)
    file = io.BytesIO()
    # Tight, as legends may be wider than axes.
    figure.savefig(file, format="png", dpi=_DPI, bbox_inches="tight", pad_inches=0.05)
    # A palette of 256 colors halves the size. MAXCOVERAGE keeps colors of few pixels, such as the
    # center of a short glitch, which the default method replaces by others.
    options: Any = {"method": Image.Quantize.MAXCOVERAGE, "dither": Image.Dither.NONE}
    picture = Image.open(file).convert("RGB").quantize(256, **options)
    small = io.BytesIO()
    picture.save(small, format="png", optimize=True)
    return small.getvalue()
