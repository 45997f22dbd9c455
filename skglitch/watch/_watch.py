"""Triggers in strain files, independent of where files start and end."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from .._files import written_whole
from .._validation import LOST_AT_GAPS
from ..datasets import Strain, StrainFiles, load_strain, load_triggers
from ..spectrograms import QTransformer, find_triggers
from ._arrivals import Arrivals
from ._page import Page, draw_glitch
from ._table import GrowingTable

if TYPE_CHECKING:
    import pandas as pd

# In s: strain before a trigger that its spectrum and block depend on, strain after it that a search
# needs, and the part of an end without triggers, from find_triggers' fftlength.
_CONTEXT, _WAIT, _LOST = 160.0, 92.0, 2.0 * LOST_AT_GAPS
# Strain on the two sides of longer gaps is searched separately, as gaps take memory.
_LONGEST_GAP = 512.0
# Longest time in s without a file before a detector is silent, or twice the duration of its last.
_SILENCE = 600.0


@dataclass(frozen=True)
class _Part:
    file: str
    t0: float
    t1: float


@dataclass
class _Detector:
    """Files of a detector in order of arrival. Triggers before ``until`` are in the table."""

    parts: list[_Part] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)
    until: float = 0.0
    sample_rate: float = 0.0
    # By time.monotonic; infinite once its silence was reported.
    heard: float = field(default_factory=time.monotonic)

    def add(self, part: _Part) -> None:
        """Add a file."""
        self.parts.append(part)
        self.spans = _merge([*self.spans, (part.t0, part.t1)])


class Watch:
    """Find and classify triggers in the strain files that arrive in a folder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    classifier : CNNClassifier
        The fitted classifier.
    table : GrowingTable
        The table for the rows. Its steps are the files that were already processed.
    ifo, channel : str, default=None
        As ``ifo`` and ``dataset`` of :func:`~skglitch.datasets.load_strain`.
    pictures : pathlib.Path, default=None
        Folder for the spectrograms of classified glitches, as PNG.
    page : Page, default=None
        Page to write after each file.
    speed : float, default=None
        Replay recorded files, faster by this factor.
    say : callable, default=print
        Called with each message.
    """

    def __init__(
        self,
        folder: Path,
        classifier: Any,
        table: GrowingTable,
        *,
        ifo: str | None = None,
        channel: str | None = None,
        pictures: Path | None = None,
        page: Page | None = None,
        speed: float | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        if classifier.durations_ is None:
            raise ValueError("The model was fitted to views of unknown durations.")
        self.folder, self.classifier, self.table = folder, classifier, table
        self.ifo, self.channel, self.pictures, self.page = ifo, channel, pictures, page
        self._views: dict[str, np.ndarray] = {}
        self._detectors: dict[str, _Detector] = {}
        self._strain: dict[str, Strain] = {}
        for step in table.steps[1:]:  # the first one wrote the names of the columns
            detector = self._detectors.setdefault(step["ifo"], _Detector())
            detector.until = step.get("until", detector.until)
            if "t0" in step:
                detector.add(_Part(step["file"], step["t0"], step["t1"]))
                detector.sample_rate = step["sample_rate"]
        done = {step.get("file", "") for step in table.steps}

        def say_and_note(message: str) -> None:
            say(message)
            if page:
                page.note(message)

        self.say = say_and_note
        self._arrivals = Arrivals(folder, done, self.say, speed)

    def run(self, *, once: bool, poll: float, stop: Event) -> None:
        """Process the files in the folder, and then its end (``once``) or new files."""
        if not self.table.steps:
            self.table.append(self._no_rows, {})
        if self.page:
            rows = self.table.read()
            self.page.add(rows if len(rows) else self._no_rows, {})
            self._write_page()
        while not stop.is_set():
            for name in self._arrivals.look():
                if stop.is_set():
                    return
                self._do(name)
            if once and not self._arrivals.are_pending:
                break
            self._tell_silence()
            stop.wait(poll)
        if not stop.is_set():
            for ifo, detector in self._detectors.items():
                self._append(self._search(ifo, detector, at_end=True), {}, ifo, detector)
            self._write_page()

    def _do(self, name: str) -> None:
        """Read a file, and append the triggers that no later strain can change."""
        path = self.folder / name
        try:
            strain = load_strain(path, dataset=self.channel, ifo=self.ifo)
        except (OSError, ValueError) as error:
            if self._is_of_others(path):
                self._arrivals.end(name)
            else:
                self._arrivals.fail(name, error)
            return
        ifo, part = strain.ifo, _Part(name, strain.t0, strain.t1)
        detector = self._detectors.setdefault(ifo, _Detector())
        spans = detector.spans
        detector.heard = time.monotonic()
        detector.sample_rate = detector.sample_rate or strain.sample_rate
        reason = ""
        if any(start <= part.t0 and part.t1 <= stop for start, stop in spans):
            reason = f"its strain, GPS {part.t0:.0f} to {part.t1:.0f}, was read already"
        elif strain.sample_rate != detector.sample_rate:
            reason = f"its sample rate is not {detector.sample_rate:g} Hz"
        if reason:
            self.say(f"{name} is skipped: {reason}.")
            self.table.append(self._no_rows, {"file": name, "ifo": ifo})
        else:
            self._strain[name] = strain
            detector.add(part)
            if spans and part.t0 < spans[-1][1]:
                self.say(f"{name} is late: GPS {part.t0:.0f} to {part.t1:.0f}.")
            elif spans and part.t0 > spans[-1][1] + 1e-3:
                self.say(f"No strain from GPS {spans[-1][1]:.0f} to {part.t0:.0f}.")
            rows = self._search_late(ifo, detector, spans, part) + self._search(ifo, detector)
            step = {**asdict(part), "sample_rate": strain.sample_rate}
            self._append(rows, step, ifo, detector)
        self._arrivals.end(name)
        self._write_page()

    def _is_of_others(self, path: Path) -> bool:
        """Whether a file is only from other detectors than the one to watch."""
        try:
            ifos = StrainFiles([path], dataset=self.channel).ifos if self.ifo else []
        except (OSError, ValueError):
            return False
        return bool(ifos) and self.ifo not in ifos

    def _tell_silence(self) -> None:
        for ifo, detector in self._detectors.items():
            part = detector.parts[-1]
            if time.monotonic() - detector.heard > max(_SILENCE, 2 * (part.t1 - part.t0)):
                detector.heard = math.inf
                self.say(f"{ifo or 'The detector'} is silent: {part.file} was the last file.")
                self._write_page()

    def _append(self, rows: list[Any], step: dict[str, Any], ifo: str, detector: _Detector) -> None:
        import pandas as pd

        rows = [table for table in rows if len(table)]
        table = pd.concat(rows) if rows else self._no_rows
        views, self._views = self._views, {}
        if self.pictures:
            # Before the rows, so that no picture is missing if the process is killed.
            for name in views:
                with written_whole(self.pictures / f"{name}.png") as file:
                    file.write(draw_glitch(views[name], self.classifier.durations_, (6.2, 5.0)))
        self.table.append(table, {**step, "ifo": ifo, "until": detector.until})
        if self.page:
            waited = self._arrivals.waited(step["file"]) if "file" in step else None
            self.page.add(table, views, waited)
        self._strain = {
            name: strain
            for name, strain in self._strain.items()
            if strain.t1 > self._detectors[strain.ifo].until - 2 * _CONTEXT
        }

    def _write_page(self) -> None:
        if self.page is None:
            return
        states = [
            {
                "detector": f"{ifo}{' (silent)' if math.isinf(detector.heard) else ''}",
                "strain until": f"{detector.spans[-1][1]:.0f}",
                "triggers until": f"{detector.until:.0f}",
                "gaps": len(detector.spans) - 1,
            }
            for ifo, detector in self._detectors.items()
        ]
        try:
            self.page.write(states)
        except OSError as error:
            self.say(f"The page cannot be written: {error}")

    def _search(self, ifo: str, detector: _Detector, at_end: bool = False) -> list[pd.DataFrame]:
        """Classify triggers that are not in the table and that later strain cannot change."""
        rows = []
        runs = _merge(detector.spans, _LONGEST_GAP)
        for start, stop in runs:
            is_closed = at_end or stop < runs[-1][1]
            begin = max(start, detector.until)
            if stop - begin <= (_LOST if is_closed else _WAIT):
                continue
            strain = self._join(ifo, detector, max(start, begin - _CONTEXT), stop)
            found = self._find(strain, start=begin, final=not is_closed)
            if found is None and not is_closed:
                continue
            limit = stop - _LOST if is_closed else found.attrs["final_until"]
            if found is not None:
                rows.append(self._classify(found, strain))
            detector.until = max(detector.until, limit)
        return rows

    def _search_late(
        self, ifo: str, detector: _Detector, before: list[tuple[float, float]], part: _Part
    ) -> list[pd.DataFrame]:
        """Classify triggers before ``until`` that were in a gap, or too close to one."""
        if part.t0 - _LOST >= detector.until:
            return []
        after = detector.spans
        start = max(after[0][0], part.t0 - _CONTEXT)
        strain = self._join(ifo, detector, start, min(after[-1][1], part.t1 + _CONTEXT))
        found = self._find(strain)
        if found is None:
            return []
        gps = found["gps"].to_numpy()
        is_new = _is_inside(gps, after) & ~_is_inside(gps, before) & (gps < detector.until)
        return [self._classify(found[is_new], strain)]

    def _join(self, ifo: str, detector: _Detector, start: float, stop: float) -> Strain:
        """Join the strain between two times, with NaN in gaps."""
        near = [p for p in detector.parts if p.t0 < stop and p.t1 > start]
        first = min(near, key=lambda part: part.t0)
        rate = detector.sample_rate
        start = first.t0 + math.floor(max(start - first.t0, 0) * rate) / rate
        data = np.full(round((stop - start) * rate), np.nan)
        for part in reversed(near):  # earlier files overwrite later ones
            strain = self._load(part)
            if strain is not None:
                place = round((part.t0 - start) * rate)
                samples = strain.data[max(-place, 0) :]
                view = data[max(place, 0) :]
                view[: len(samples)] = samples[: len(view)]
        return Strain(data, rate, start, ifo)

    def _load(self, part: _Part) -> Strain | None:
        if part.file not in self._strain:
            try:
                strain = load_strain(self.folder / part.file, dataset=self.channel, ifo=self.ifo)
            except (OSError, ValueError) as error:
                self.say(f"{error} It was there before, and is treated as a gap.")
                return None
            self._strain[part.file] = strain
        return self._strain[part.file]

    def _find(self, strain: Strain, **options: Any) -> Any:
        try:
            return find_triggers(strain, progress=False, **options)
        except ValueError as error:
            self.say(f"GPS {strain.t0:.0f} to {strain.t1:.0f} cannot be searched: {error}")
            return None

    def _classify(self, triggers: pd.DataFrame, strain: Strain) -> pd.DataFrame:
        """Add the columns of the model, if there is enough strain."""
        _, height, width = self.classifier.image_shape_
        transformer = QTransformer(
            strain.sample_rate,
            self.classifier.durations_,
            (10.0, min(2048.0, strain.sample_rate / 2)),
            size=(height, width),
        )
        columns: Any = {"probability": np.nan, "top_5": "", "novelty_p_value": np.nan}
        table = triggers.reset_index(drop=True).assign(label="", **columns)
        if table.empty:
            return table
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                drawn = load_triggers(
                    triggers, strain, transformer, ifo=None, on_error="skip", progress=False
                )
        except ValueError as error:
            self.say(f"{len(table)} triggers are not classified: {error}")
            return table
        if drawn.skipped:
            self.say(f"Next to gaps, triggers are not classified: {len(drawn.skipped)}.")
        y_prob, embeddings = self.classifier.predict_proba_and_embed(drawn.data)
        self._views.update(zip(drawn.ids.tolist(), drawn.data, strict=True))
        order = np.argsort(-y_prob, axis=1, kind="stable")[:, :5]
        classes = self.classifier.classes_
        table.loc[drawn.rows, "label"] = classes[order[:, 0]]
        table.loc[drawn.rows, "probability"] = y_prob.max(axis=1)
        table.loc[drawn.rows, "top_5"] = [
            "; ".join(f"{classes[code]} {prob[code]:.4f}" for code in codes)
            for codes, prob in zip(order, y_prob, strict=True)
        ]
        if hasattr(self.classifier, "novelty_"):
            table.loc[drawn.rows, "novelty_p_value"] = self.classifier.novelty_.p_values(embeddings)
        return table

    @cached_property
    def _no_rows(self) -> pd.DataFrame:
        silence = Strain(np.zeros(4096), 4096.0, 0.0)
        return self._classify(find_triggers(silence, segments=[]), silence)


def _merge(
    spans: list[tuple[float, float]], longest_gap: float = 1e-3
) -> list[tuple[float, float]]:
    """Merge spans that are separated by no gap, or only by a short one."""
    joined: list[tuple[float, float]] = []
    for start, stop in sorted(spans):
        if joined and start <= joined[-1][1] + longest_gap:
            start, last = joined.pop()
            stop = max(stop, last)
        joined.append((start, stop))
    return joined


def _is_inside(gps: np.ndarray, spans: list[tuple[float, float]]) -> np.ndarray:
    """Whether times are in spans, except for the ends, where triggers are lost."""
    starts, stops = np.reshape(spans, (-1, 2)).T
    times = gps[:, None]
    is_inside: np.ndarray = (times >= starts + _LOST) & (times < stops - _LOST)
    return np.asarray(is_inside.any(axis=1))
