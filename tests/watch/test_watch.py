"""Watching a folder: cuts, gaps, late and damaged files, kills and full disks."""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from threading import Event

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from skglitch.datasets import load_strain
from skglitch.spectrograms import find_triggers
from skglitch.watch import GrowingTable, Page, Watch

from .conftest import RATE, START

FOUND = ["ifo", "gps", "snr", "peak_frequency", "q", "duration", "bandwidth"]
FOUND += ["tstart", "tend", "fstart", "fend"]


def watch_once(folder, classifier, output="triggers.csv", **options):
    """Table and messages of a watch over what is in a folder."""
    said = []
    table = GrowingTable(folder / output, {})
    Watch(folder, classifier, table, say=said.append, **options).run(
        once=True, poll=0.02, stop=Event()
    )
    return table.read(), "\n".join(said)


@pytest.fixture(scope="module")
def whole(strain):
    return find_triggers(strain, progress=False)


def assert_same(table, whole):
    table = table.sort_values("gps", ignore_index=True)
    assert_frame_equal(table[FOUND], whole, rtol=1e-5, check_exact=False)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, 330 * RATE - 1), max_size=6, unique=True))
@example([16 * RATE * n for n in range(1, 20)])
def test_cuts_make_no_difference(put, classifier, whole, cuts):
    edges = [0, *(cut / RATE for cut in sorted(cuts)), 330]
    with tempfile.TemporaryDirectory() as name:
        for n, (start, stop) in enumerate(pairwise(edges)):
            put(Path(name), start, stop, f"{n:02d}.h5")
        table, said = watch_once(Path(name), classifier)
    assert set(said.splitlines()) <= {"Next to gaps, triggers are not classified: 1."}
    assert_same(table, whole)
    inside = table["gps"].between(START + 8, START + 322)
    assert (
        table.loc[inside, ["label", "probability", "top_5", "novelty_p_value"]]
        .notna()
        .all(axis=None)
    )


def test_starts_in_between_make_no_difference(put, classifier, whole, tmp_path):
    for start in range(0, 330, 110):
        put(tmp_path, start, start + 110)
        table, _ = watch_once(tmp_path, classifier)
    assert table["gps"].is_monotonic_increasing
    assert len(table) == len(whole)
    assert abs(table["gps"].to_numpy() - whole["gps"].to_numpy()).max() < 0.01


@pytest.mark.parametrize("output", ["triggers.parquet", "triggers.jsonl"])
def test_formats(put, classifier, whole, tmp_path, output):
    for start in range(0, 330, 110):
        put(tmp_path, start, start + 110)
    expected, _ = watch_once(tmp_path, classifier)
    table, _ = watch_once(tmp_path, classifier, output)
    assert_frame_equal(table, expected, rtol=1e-12, check_exact=False)
    assert_same(table, whole)


def test_replay(put, classifier, whole, tmp_path):
    for start in range(0, 330, 30):
        put(tmp_path, start, start + 30)
    page = Page(tmp_path / "page.html", "", classifier.durations_)
    started = time.monotonic()
    table, _ = watch_once(tmp_path, classifier, page=page, speed=150.0)
    assert time.monotonic() - started > 330 / 150
    assert_same(table, whole)
    assert len(page.latencies) == 11
    put(tmp_path, 0, 30, "other.hdf5")
    with pytest.raises(ValueError, match=r"other\.hdf5"):
        watch_once(tmp_path, classifier, "other.csv", speed=150.0)


def test_pictures(put, classifier, tmp_path, blank_figures):
    put(tmp_path, 0, 128)
    (tmp_path / "pictures").mkdir()
    table, _ = watch_once(tmp_path, classifier, pictures=tmp_path / "pictures")
    rows = table[table["label"] != ""]
    names = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert names == {f"H1_{gps!r}.png" for gps in rows["gps"].tolist()}


def test_gaps_late_files_and_doubles(put, classifier, whole, tmp_path):
    put(tmp_path, 0, 128)
    put(tmp_path, 160, 330)
    table, said = watch_once(tmp_path, classifier)
    assert "No strain from GPS" in said
    assert not table["gps"].between(START + 127, START + 161).any()
    put(tmp_path, 128, 160)
    put(tmp_path, 130, 150, "double.hdf5")
    late, said = watch_once(tmp_path, classifier)
    assert "is late" in said
    assert "double.hdf5 is skipped" in said
    assert_frame_equal(late[: len(table)], table)
    assert len(late) == len(whole)
    expected = whole["gps"][whole["gps"].between(START + 127, START + 161)]
    assert late["gps"][len(table) :].to_numpy() == pytest.approx(expected, abs=0.01)


def test_silence_for_an_hour(put, strain, classifier, tmp_path):
    path = put(tmp_path, 0, 128)
    later = put(tmp_path, 0, 128, "H-H1-1126263190.h5")
    import h5py

    with h5py.File(later, "r+") as file:
        file["H1:STRAIN"].attrs["t0"] = START + 3600 + 128
    table, said = watch_once(tmp_path, classifier)
    assert f"No strain from GPS {START + 128} to {START + 3728}." in said
    first = table[table["gps"] < START + 128]
    alone = find_triggers(strain.crop(START, START + 128), progress=False)
    assert_frame_equal(first[FOUND], alone)
    assert len(table) > len(alone)
    assert path.exists()


class Clock(Event):
    """Run a function at each wait, and stop after some waits."""

    def __init__(self, n_waits, at_wait=lambda n: None):
        super().__init__()
        self.n_waits, self.at_wait, self.n = n_waits, at_wait, 0

    def wait(self, timeout=None):
        self.n += 1
        self.at_wait(self.n)
        if self.n == self.n_waits:
            self.set()
        return super().wait(timeout)


def test_a_silent_detector_is_said_once(put, classifier, tmp_path, monkeypatch):
    monkeypatch.setattr("skglitch.watch._watch._SILENCE", 3600.0)
    clock = time.monotonic
    said, hours = [], [0]
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 3600 * hours[0])

    def pass_time(n):
        hours[0] = n // 10
        if n == 25:
            put(tmp_path, 32, 64)

    put(tmp_path, 0, 32)
    page = Page(tmp_path / "page.html", "", classifier.durations_)
    watcher = Watch(tmp_path, classifier, GrowingTable(None, {}), page=page, say=said.append)
    watcher.run(once=False, poll=0.01, stop=Clock(24, pass_time))
    assert [message for message in said if "silent" in message] == [
        f"H1 is silent: H-H1_TEST-{START}-32.hdf5 was the last file."
    ]
    assert "H1 (silent)" in page.path.read_text()
    watcher.run(once=False, poll=0.01, stop=Clock(45, pass_time))
    assert len([message for message in said if "silent" in message]) == 2


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_clock_that_jumps(put, classifier, tmp_path, monkeypatch, jump):
    clock, jumped = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: clock() + jumped[0])

    def at_wait(n):
        if n == 5:
            jumped[0] = jump
        if n in (2, 6):
            put(tmp_path, 16 * n, 16 * n + 64, age=0)

    table = GrowingTable(tmp_path / "t.csv", {})
    watcher = Watch(tmp_path, classifier, table)
    watcher.run(once=False, poll=0.02, stop=Clock(60, at_wait))
    assert (tmp_path / "t.csv.journal").read_text().count('"file"') == 2


def test_a_file_that_is_deleted_while_it_is_read(put, classifier, tmp_path, monkeypatch):
    gone = put(tmp_path, 0, 128)
    put(tmp_path, 128, 256)

    def load(path, **options):
        if path == gone:
            gone.unlink(missing_ok=True)
        return load_strain(path, **options)

    monkeypatch.setattr("skglitch.watch._watch.load_strain", load)
    table, said = watch_once(tmp_path, classifier)
    assert said == f"{gone.name} was removed before it was read."
    assert table["gps"].between(START + 128, START + 256).all()
    assert len(table) > 5


def test_half_written_file(put, classifier, tmp_path, whole):
    path = put(tmp_path, 0, 330)
    content = path.read_bytes()
    path.write_bytes(content[:-1000])
    os.utime(path, (0, 0))
    table, said = watch_once(tmp_path, classifier)
    assert path.name in said
    assert "skipped unless it changes" in said
    assert table.empty
    path.write_bytes(content)
    table, said = watch_once(tmp_path, classifier)
    assert_same(table, whole)


def test_removed_files(put, classifier, tmp_path):
    new = put(tmp_path, 0, 128, age=0)
    said, stop = [], Event()
    watcher = Watch(tmp_path, classifier, GrowingTable(None, {}), say=said.append)

    class Waits(Event):
        def wait(self, timeout=None):
            new.unlink(missing_ok=True)
            return super().wait(timeout)

    stop = Waits()
    watcher.run(once=True, poll=0.01, stop=stop)
    assert said == [f"{new.name} was removed before it was read."]
    put(tmp_path, 0, 128, "a.h5")
    watch_once(tmp_path, classifier)
    (tmp_path / "a.h5").unlink()
    put(tmp_path, 128, 330, "b.h5")
    table, messages = watch_once(tmp_path, classifier)
    assert "treated as a gap" in messages
    assert table["gps"].between(START + 129, START + 330).any()


def test_other_detectors_and_rates(put, classifier, tmp_path):
    put(tmp_path, 0, 128)
    table, said = watch_once(tmp_path, classifier, ifo="L1")
    assert said == ""
    assert table.empty


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_full_disk(tmp_path, name):
    rows = pd.DataFrame({"gps": np.random.default_rng(0).random(1000)})
    table = GrowingTable(tmp_path / name, {})
    table.append(rows[:1], {"file": "1"})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(OSError, match=rf"{name}.*File too large"):
            table.append(rows, {"file": "2"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(table.read()) == 1
    table.append(rows, {"file": "2"})
    del table
    table = GrowingTable(tmp_path / name, {})
    assert [step["file"] for step in table.steps] == ["1", "2"]
    assert len(table.read()) == 1001


def test_parts_without_a_step_are_removed(tmp_path):
    rows = pd.DataFrame({"gps": [1.5, 2.5], "label": ["Blip", ""]})
    table = GrowingTable(tmp_path / "t.parquet", {})
    table.append(rows[:0], {})
    table.append(rows[:0], {})
    table.append(rows, {"file": "1"})
    rows.to_parquet(tmp_path / "t.parquet" / "part-00000002.parquet")
    (tmp_path / "t.parquet" / ".part-00000003.parquet.0.tmp").touch()
    del table
    assert_frame_equal(GrowingTable(tmp_path / "t.parquet", {}).read(), rows)
    assert len(list((tmp_path / "t.parquet").iterdir())) == 2


def test_growing_table(tmp_path):
    path = tmp_path / "t.jsonl"
    rows = pd.DataFrame({"gps": [1.5, 2.5], "label": ["Blip", ""]})
    table = GrowingTable(path, {"model": "a"})
    table.append(rows, {"file": "1"})
    with pytest.raises(BlockingIOError, match=r"t\.jsonl"):
        GrowingTable(path, {"model": "a"})
    del table
    journal = tmp_path / "t.jsonl.journal"
    expected = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"gps": 3')
    with journal.open("ab") as file:
        file.write(b'{"file": "2"')
    table = GrowingTable(path, {"model": "a"})
    assert [step["file"] for step in table.steps] == ["1"]
    assert path.read_bytes() == expected
    assert json.loads(expected.splitlines()[0]) == {"gps": 1.5, "label": "Blip"}
    del table
    with pytest.raises(ValueError, match="'model': 'b'"):
        GrowingTable(path, {"model": "b"})
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"t\.jsonl"):
        GrowingTable(path, {"model": "a"})
    path.write_bytes(expected)
    journal.unlink()
    with pytest.raises(FileExistsError, match=r"t\.jsonl"):
        GrowingTable(path, {})
