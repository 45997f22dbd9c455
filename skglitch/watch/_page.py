"""The web page on the state of a watched folder."""

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
# Pictures show the view whose duration in s is closest to this.
_DURATION = 2.0
_BARS = "▁▂▃▄▅▆▇█"
_PICTURE = re.compile(r'base64,([^"]+)" alt="Spectrogram of (\S+)"')


class Page:
    """Self-contained page that reloads itself: rates, glitches, latency and messages.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    title : str
        The title.
    durations : tuple of float
        Durations of the views in s.
    """

    def __init__(self, path: Path, title: str, durations: tuple[float, ...]) -> None:
        self.path, self.title, self.durations = path, title, durations
        self.rows = pd.DataFrame()
        self.view = int(np.argmin(np.abs(np.array(durations) - _DURATION)))
        self.messages: deque[dict[str, str]] = deque(maxlen=_N_MESSAGES)
        self.latencies: deque[float] = deque(maxlen=_N_FILES)
        # After a restart, pictures are read from the page.
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        self.pictures = {name: base64.b64decode(data) for data, name in _PICTURE.findall(text)}

    def note(self, message: str) -> None:
        """Add a message."""
        self.messages.appendleft({"time": _utc(), "message": message})

    def add(
        self, rows: pd.DataFrame, views: Mapping[str, Any], waited: float | None = None
    ) -> None:
        """Add rows, the views of some by their ids, and the time since their file arrived."""
        self.latencies += [] if waited is None else [waited]
        # As in load_triggers.
        ids = [f"{ifo}_{gps!r}" for ifo, gps in zip(rows["ifo"], rows["gps"].tolist(), strict=True)]
        rows = rows.assign(id=ids)
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
            name: self.pictures.get(name)
            or draw_glitch(views[name][self.view], self.durations[self.view], (3.0, 2.3))
            for name in names
        }

    def write(self, detectors: list[dict[str, Any]]) -> None:
        """Write the page, with a row for each detector."""
        tables = {
            "detectors": pd.DataFrame(detectors),
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


def draw_glitch(views: np.ndarray, durations: Any, figsize: tuple[float, float]) -> bytes:
    """Draw one or all views of a glitch as PNG."""
    plot = SpectrogramDisplay(views, durations).plot
    return draw(figsize, partial(plot, n_columns=2, colorbar=False))


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
