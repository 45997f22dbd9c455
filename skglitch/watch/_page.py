"""The page that a person leaves open while a folder is watched."""

from __future__ import annotations

import base64
import re
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._files import written_whole
from .._html import draw, render
from ..display import SpectrogramDisplay

_HOUR, _N_HOURS = 3600.0, 24
_N_PICTURES, _N_MESSAGES, _N_FILES = 8, 30, 200
_BARS = "▁▂▃▄▅▆▇█"
_PICTURE = re.compile(r'base64,([^"]+)" alt="Spectrogram of (\S+)"')


class Page:
    """One file for any browser, which loads itself again: rates, glitches, latency and messages.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    title : str
        Its title.
    durations : tuple of float
        Of the views, in s.
    """

    def __init__(self, path: Path, title: str, durations: tuple[float, ...]) -> None:
        self.path, self.title, self.durations = path, title, durations
        self.rows = pd.DataFrame()
        self.messages: deque[dict[str, str]] = deque(maxlen=_N_MESSAGES)
        self.latencies: deque[float] = deque(maxlen=_N_FILES)
        # The page itself keeps its pictures over a restart.
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        self.pictures = {name: base64.b64decode(data) for data, name in _PICTURE.findall(text)}

    def note(self, message: str) -> None:
        """Add a message."""
        self.messages.appendleft({"time": _utc(), "message": message})

    def add(self, rows: pd.DataFrame, views: Mapping[str, Any]) -> None:
        """Add rows, and the views of some of them by their ids."""
        rows = rows.assign(id=list(map(glitch_id, rows["ifo"], rows["gps"])))
        rows = pd.concat([table for table in (self.rows, rows) if len(table)] or [rows])
        self.rows = rows[rows["gps"] > rows["gps"].max() - _N_HOURS * _HOUR]
        known = self.rows[self.rows["id"].isin({*self.pictures, *views})]
        odd = "novelty_p_value" if known["novelty_p_value"].notna().any() else "probability"
        self.shown = {
            "newest": known.nlargest(_N_PICTURES, "gps"),
            "oddest": known.nsmallest(_N_PICTURES, odd),
        }
        names = {name for table in self.shown.values() for name in table["id"]}
        self.pictures = {
            name: self.pictures.get(name) or _draw_view(views[name], self.durations)
            for name in names
        }

    def write(self, detectors: pd.DataFrame) -> None:
        """Write the page."""
        tables = {
            "detectors": detectors,
            "rates": _count_by_hour(self.rows),
            "messages": pd.DataFrame(self.messages),
            **self.shown,
        }
        html = render(
            "skglitch.watch",
            title=self.title,
            written=_utc(),
            n_hours=_N_HOURS,
            latencies=np.quantile(self.latencies, [0.5, 0.99, 1]) if self.latencies else None,
            n_files=len(self.latencies),
            tables=tables,
            pictures=self.pictures,
        )
        with written_whole(self.path) as file:
            file.write(html.encode())


def draw_views(views: np.ndarray, durations: tuple[float, ...]) -> bytes:
    """Draw all views of a glitch as PNG."""
    return draw((6.2, 5.0), partial(SpectrogramDisplay(views, durations).plot, n_columns=2))


def _draw_view(views: np.ndarray, durations: tuple[float, ...]) -> bytes:
    """Draw the view of a glitch that is nearest to 2 s, in the size of the page."""
    view = int(np.argmin(np.abs(np.array(durations) - 2.0)))
    display = SpectrogramDisplay(views[view], durations[view])
    return draw(
        (2.5, 2.05),
        # More ticks would overlap.
        lambda figure: display.plot(figure, colorbar=False).axes_[0].locator_params("x", nbins=2),
    )


def glitch_id(ifo: str, gps: float) -> str:
    """Return the id that load_triggers gives a glitch."""
    return f"{ifo}_{float(gps)!r}" if ifo else repr(float(gps))


def _utc() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())


def _count_by_hour(rows: pd.DataFrame) -> pd.DataFrame:
    """Count the glitches of each class in the last hours, the most frequent first."""
    hours = ((rows["gps"].max() - rows["gps"]) // _HOUR).astype(int)
    labels = rows["label"].where(rows["label"] != "", "not classified")
    counts = pd.crosstab(labels, hours).reindex(columns=range(_N_HOURS), fill_value=0)
    highest = counts.to_numpy().max(initial=1)
    levels = np.ceil(counts / highest * (len(_BARS) - 1)).astype(int).to_numpy()
    table = pd.DataFrame({"class": counts.index, "last hour": counts[0].to_numpy()})
    table[f"last {_N_HOURS} h"] = counts.sum(axis=1).to_numpy()
    table["by hour, latest first"] = ["".join(_BARS[n] for n in row) for row in levels]
    return table.sort_values(f"last {_N_HOURS} h", ascending=False)
