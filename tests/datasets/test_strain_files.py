"""Many files of strain as one: what is read, where they end, and what is wrong with them."""

import h5py
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skglitch.datasets import Strain, StrainFiles, load_triggers

from .gwosc_files import write_gwosc
from .test_triggers import Ends

T0, RATE = 1126259446, 16


@pytest.fixture
def write(tmp_path):
    """Write a stretch of samples that tell their place, and give its path."""

    def write_file(start, duration, ifo="H1", rate=RATE, offset=0):
        path = tmp_path / f"{ifo}-{start}-{rate}.hdf5"
        first = start * rate + 1 + offset
        data = np.arange(first, first + duration * rate, dtype=float)
        write_gwosc(path, ifo, T0 + start, duration, rate, data)
        return path

    return write_file


def whole(stop=64, offset=0):
    return Strain(np.arange(1.0, stop * RATE + 1) + offset, RATE, T0, "H1")


def test_files_that_follow_each_other_are_one(write):
    paths = [write(20, 24), write(0, 20), write(44, 20)]
    strain = StrainFiles(paths)
    assert (strain.sample_rate, strain.ifos) == (RATE, ["H1"])
    for gps in (T0 + 20.0, T0 + 19.97, T0 + 44.51, T0 + 30.0):
        np.testing.assert_array_equal(strain.around(gps, 8.0, "H1"), whole().around(gps, 8.0))
    # From end to end, over all three.
    np.testing.assert_array_equal(strain.around(T0 + 32.0, 64.0, "H1"), whole().data)


@settings(max_examples=40)
@given(gps=st.floats(0, 64), duration=st.floats(0.1, 30), overlap=st.integers(0, 6))
@example(gps=16.9375, duration=7.9375, overlap=0)  # up to a tenth of a sample of a file
def test_as_if_it_were_one_file(tmp_path_factory, gps, duration, overlap):
    folder = tmp_path_factory.mktemp("files")
    paths = []
    for start, stop in ((0, 21 + overlap), (21, 44), (44 - overlap, 64)):
        data = np.arange(start * RATE + 1, stop * RATE + 1, dtype=float)
        paths.append(folder / f"{start}.hdf5")
        write_gwosc(paths[-1], "H1", T0 + start, stop - start, RATE, data)
    strain = StrainFiles(paths)
    try:
        expected = whole().around(T0 + gps, duration)
    except ValueError:
        with pytest.raises(ValueError, match=r"too close to an end|has this time|no sample"):
            strain.around(T0 + gps, duration, "H1")
        return
    np.testing.assert_array_equal(strain.around(T0 + gps, duration, "H1"), expected)


def test_a_gap_between_files_is_an_end(write):
    strain = StrainFiles([write(0, 20), write(22, 20)])
    assert strain.around(T0 + 16.0, 8.0, "H1")[0] == 12 * RATE + 1
    # Up to where there is nothing, and beyond, from one file into the other.
    for gps in (T0 + 17.0, T0 + 19.0, T0 + 23.0):
        with pytest.raises(ValueError, match="too close"):
            strain.around(gps, 8.0, "H1")
    with pytest.raises(ValueError, match=f" {T0} to {T0 + 20}, "):
        strain.around(T0 + 21.0, 1.0, "H1")


def test_a_gap_of_two_samples_is_an_end_too(write, tmp_path):
    # Short enough for what is read beyond the window to make up for it in duration.
    path = tmp_path / "later.hdf5"
    with h5py.File(path, "w") as file:
        file["strain"] = np.arange(20 * RATE, dtype=float)
        file["strain"].attrs.update(sample_rate=float(RATE), t0=T0 + 20.125, ifo="H1")
    strain = StrainFiles([write(0, 20), path])
    with pytest.raises(ValueError, match="too close"):
        strain.around(T0 + 18.0, 8.0, "H1")


def test_detectors_are_kept_apart(write, tmp_path):
    strain = StrainFiles([write(0, 20), write(0, 20, ifo="L1", offset=5000)])
    assert strain.ifos == ["H1", "L1"]
    assert strain.around(T0 + 10.0, 2.0, "L1")[0] == strain.around(T0 + 10.0, 2.0, "H1")[0] + 5000
    with pytest.raises(ValueError, match=r"V1.* H1, L1"):
        strain.around(T0 + 10.0, 2.0, "V1")


def test_triggers_take_a_list_of_paths(write):
    paths = [write(0, 20), write(20, 44)]
    triggers = [{"gps": T0 + 20.0, "ifo": "H1"}, {"gps": T0 + 33.5, "ifo": "H1"}]
    bunch, one = (
        load_triggers(triggers, strain, Ends(), duration=8.0, progress=False)
        for strain in (paths, {"H1": whole()})
    )
    np.testing.assert_array_equal(bunch.data, one.data)
    without = [{"gps": row["gps"]} for row in triggers]
    same = load_triggers(without, StrainFiles(paths), Ends(), duration=8.0, progress=False)
    assert same.ids.tolist() == bunch.ids.tolist()


def test_triggers_name_rows_that_no_file_has(write):
    triggers = [{"gps": T0 + 10.0, "ifo": "H1"}, {"gps": T0 + 10.0, "ifo": "V1"}]
    with pytest.raises(ValueError, match=r"row 1 .*V1.* H1"):
        load_triggers(triggers, [write(0, 20)], Ends(), duration=8.0, progress=False)
    with pytest.raises(ValueError, match=r"32 Hz.* 16"):
        load_triggers(triggers, [write(0, 20, rate=32)], Ends(), progress=False)


def test_files_of_two_detectors_need_a_column(write):
    paths = [write(0, 20), write(0, 20, ifo="L1")]
    with pytest.raises(ValueError, match="detectors"):
        load_triggers([{"gps": T0 + 10.0}], paths, Ends(), progress=False)


def test_files_that_do_not_tell_their_detector(tmp_path):
    path = tmp_path / "mine.hdf5"
    with h5py.File(path, "w") as file:
        file["strain"] = whole(20).data
        file["strain"].attrs.update(sample_rate=float(RATE), t0=float(T0))
    options = {"duration": 8.0, "progress": False}
    for trigger, name in (({}, f"{T0 + 10.0!r}"), ({"ifo": "X1"}, f"X1_{T0 + 10.0!r}")):
        bunch = load_triggers([{"gps": T0 + 10.0, **trigger}], [path], Ends(), **options)
        assert bunch.ids.tolist() == [name]
    assert StrainFiles([path], dataset="strain").ifos == []


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("none.hdf5", FileNotFoundError, "none.hdf5' does not exist"),
        (".", IsADirectoryError, "is a folder"),
        ("empty.hdf5", ValueError, "is empty"),
        ("text.txt", ValueError, "is not a strain file"),
    ],
)
def test_what_is_no_strain(write, tmp_path, name, error, message):
    (tmp_path / "empty.hdf5").touch()
    (tmp_path / "text.txt").write_text("no strain")
    with pytest.raises(error, match=message):
        StrainFiles([write(0, 20), tmp_path / name])


def test_one_path_or_none(write):
    with pytest.raises(ValueError, match=r"paths='a\.hdf5'"):
        StrainFiles("a.hdf5")
    with pytest.raises(ValueError, match="paths"):
        StrainFiles([])
    with pytest.raises(ValueError, match="16 and 32 Hz"):
        StrainFiles([write(0, 20), write(20, 20, rate=32)])


def test_frame_files(tmp_path):
    pytest.importorskip("lalframe")
    timeseries = pytest.importorskip("gwpy.timeseries")
    paths = []
    for start in (0, 20):
        data = whole(40).data[start * RATE : (start + 20) * RATE]
        series = timeseries.TimeSeries(
            data, sample_rate=RATE, t0=T0 + start, name="H1:STRAIN", channel="H1:STRAIN"
        )
        paths.append(tmp_path / f"H-{start}.gwf")
        series.write(str(paths[-1]), format="gwf")
    strain = StrainFiles(paths, dataset="H1:STRAIN")
    np.testing.assert_array_equal(
        strain.around(T0 + 20.0, 8.0, "H1"), whole(40).around(T0 + 20.0, 8.0)
    )
