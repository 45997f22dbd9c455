"""Watching a folder: cuts, gaps, late and damaged files, kills and full disks."""

from __future__ import annotations

import json
import os
import tempfile
from itertools import pairwise
from pathlib import Path
from threading import Event

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from skglitch.spectrograms import find_triggers
from skglitch.watch import GrowingTable, Watch

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
    del table
    return pd.read_csv(folder / output), "\n".join(said)


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
