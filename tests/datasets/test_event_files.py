"""Trigger files of Omicron and PyCBC, as gwpy and h5py write them."""

from __future__ import annotations

import sys
import warnings

import h5py
import numpy as np
import pytest

from skglitch.datasets import Strain, load_triggers

T0, RATE = 1238166018, 256
OMICRON = np.array(
    [(T0 + 5.25, 100.0, 8.0), (T0 + 9.125, 50.0, 9.0)],
    dtype=[("time", "f8"), ("frequency", "f8"), ("snr", "f8")],
)


class Copy:
    sample_rate = float(RATE)

    def transform(self, X):
        return X


def load(table, ifo="L1", **options):
    strain = Strain(np.random.default_rng(0).normal(size=16 * RATE), RATE, T0, ifo)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return load_triggers(table, strain, Copy(), duration=2.0, **options)


@pytest.fixture
def event_table():
    EventTable = pytest.importorskip("gwpy.table").EventTable
    seconds = np.floor(OMICRON["time"]).astype(int)
    nanoseconds = np.round(OMICRON["time"] % 1 * 1e9).astype(int)
    columns = {
        **{"ifo": ["L1", "L1"], "peak_time": seconds, "peak_time_ns": nanoseconds},
        **{"start_time": seconds - 1, "snr": OMICRON["snr"]},
    }
    return EventTable(columns)


@pytest.mark.parametrize("name", ["L1-OMICRON-1238166018-16.xml.gz", "triggers.xml"])
def test_ligo_lw(event_table, tmp_path, name):
    pytest.importorskip("igwn_ligolw")
    path = tmp_path / name
    event_table.write(str(path), format="ligolw", tablename="sngl_burst")
    # Omicron's files have tables of the process, too.
    process = type(event_table)({"program": ["omicron"], "start_time": [0]})
    process.write(str(path), format="ligolw", tablename="process", append=True)
    bunch = load(path)
    assert bunch.gps.tolist() == OMICRON["time"].tolist()
    assert bunch.ifo.tolist() == ["L1", "L1"]


def test_ligo_lw_of_an_inspiral(tmp_path):
    EventTable = pytest.importorskip("gwpy.table").EventTable
    pytest.importorskip("igwn_ligolw")
    columns = {"ifo": ["L1"], "end_time": [T0 + 8], "end_time_ns": [500_000_000]}
    path = tmp_path / "coinc.xml.gz"
    EventTable(columns).write(str(path), format="ligolw", tablename="sngl_inspiral")
    assert load(path).gps.tolist() == [T0 + 8.5]


def test_ligo_lw_without_triggers(tmp_path):
    EventTable = pytest.importorskip("gwpy.table").EventTable
    pytest.importorskip("igwn_ligolw")
    path = tmp_path / "x.xml"
    EventTable({"program": ["omicron"]}).write(str(path), format="ligolw", tablename="process")
    with pytest.raises(ValueError, match=r"x.xml' cannot be read: .*sngl_burst.*process"):
        load(path)


def test_hdf5_of_omicron(tmp_path):
    pytest.importorskip("gwpy")
    with h5py.File(tmp_path / "L1-OMICRON.h5", "w") as file:
        file["triggers"] = OMICRON
    bunch = load(tmp_path / "L1-OMICRON.h5", ifo="H1")
    assert bunch.gps.tolist() == OMICRON["time"].tolist()
    assert bunch.ifo.tolist() == ["H1", "H1"]


def test_hdf5_of_gwpy(event_table, tmp_path):
    event_table.write(str(tmp_path / "x.hdf5"), path="events", format="hdf5")
    assert load(tmp_path / "x.hdf5").gps.tolist() == OMICRON["time"].tolist()


def test_hdf5_of_pycbc_live(tmp_path):
    pytest.importorskip("gwpy")
    with h5py.File(tmp_path / "H1L1-Live-1238166018-16.hdf", "w") as file:
        for ifo, time in (("H1", T0 + 4.5), ("L1", T0 + 6.0)):
            file[f"{ifo}/end_time"] = [time]
            file[f"{ifo}/snr"] = [9.0]
    with pytest.warns(UserWarning, match="not of H1"):
        bunch = load(tmp_path / "H1L1-Live-1238166018-16.hdf", on_error="skip")
    assert bunch.ids.tolist() == [f"L1_{T0 + 6.0}"]


def test_several_files(tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.csv").write_text(f"gps,label\n{T0 + 5 + number},Blip\n")
    paths = [tmp_path / "0.csv", f"file://{tmp_path}/1.csv"]
    assert load(paths).gps.tolist() == [T0 + 5, T0 + 6]
    assert load(tmp_path.glob("*.csv")).target.tolist() == ["Blip", "Blip"]
    with pytest.raises(FileNotFoundError, match=r"2\.csv"):
        load([*paths, tmp_path / "2.csv"])


@pytest.mark.parametrize(
    ("name", "package"), [("x.root", "uproot"), ("x.xml.gz", "igwn_ligolw"), ("x.xml", "gwpy")]
)
def test_missing_packages(tmp_path, monkeypatch, name, package):
    if package != "gwpy":
        pytest.importorskip("gwpy")
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setitem(sys.modules, package, None)
    if package == "gwpy":
        monkeypatch.setitem(sys.modules, "gwpy.table", None)
    with pytest.raises(
        ImportError, match=rf'{name}.*{package}: pip install "skglitch\[triggers\]"'
    ):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["x.xml.gz", "x.xml", "x.h5"])
def test_files_that_are_damaged(tmp_path, name):
    pytest.importorskip("gwpy")
    pytest.importorskip("igwn_ligolw")
    (tmp_path / name).write_bytes(b"<?xml")
    with pytest.raises(ValueError, match=rf"{name}' (cannot be read|is not)"):
        load(tmp_path / name)
