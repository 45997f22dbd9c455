"""Strain out of files and objects: real files, files made here, and what is wrong with others."""

import sys

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skglitch.datasets import Strain, load_strain

from .gwosc_files import write_gwosc

T0 = 1126259446


@pytest.fixture
def gw150914(real_data):
    return real_data / "strain_events" / "H-H1_LOSC_4_V2-1126259446-32.hdf5"


@pytest.fixture
def file(tmp_path):
    """A file in GWOSC's form of 8 s at 16 Hz, with the samples 1, 2, 3, ..."""
    return write_gwosc(tmp_path / "H-H1_GWOSC_4KHZ_R1-1126259446-8.hdf5", "H1", T0, 8, 16)


def write(path, data=None, name="x", **attributes):
    with h5py.File(path, "a") as stream:
        series = stream.create_dataset(name, data=np.arange(1.0, 33.0) if data is None else data)
        series.attrs.update(attributes)
    return path


class TestRealFiles:
    @pytest.mark.parametrize("ifo", ["H1", "L1"])
    def test_gwosc(self, real_data, ifo):
        path = real_data / "strain_events" / f"{ifo[0]}-{ifo}_LOSC_4_V2-1126259446-32.hdf5"
        strain = load_strain(path)
        assert (strain.ifo, strain.sample_rate, strain.span) == (ifo, 4096, (T0, T0 + 32))
        with h5py.File(path) as stream:
            assert (strain.data == stream["strain/Strain"][()]).all()
        assert strain.gaps == []

    def test_as_gwpy_reads_it(self, gw150914):
        TimeSeries = pytest.importorskip("gwpy.timeseries").TimeSeries
        theirs = TimeSeries.read(gw150914, format="hdf5.gwosc").crop(T0 + 14, T0 + 18)
        ours = load_strain(gw150914, start=T0 + 14, stop=T0 + 18)
        assert (ours.data == theirs.value).all()
        assert ours.span == tuple(theirs.span)

    def test_catalogued_glitch(self, real_data):
        path = real_data / "strain_o3_glitches.hdf5"
        strain = load_strain(path, dataset="004", start=6.0, stop=8.0)
        assert strain.sample_rate == 4096
        assert strain.span == (6, 8)
        with h5py.File(path) as stream:
            assert strain.ifo == stream["004"].attrs["ifo"]
            assert (strain.data == stream["004"][6 * 4096 : 8 * 4096]).all()

    def test_file_of_several_data_sets_asks_for_one(self, real_data):
        with pytest.raises(ValueError, match=r"30 data sets.*dataset="):
            load_strain(real_data / "strain_o3_glitches.hdf5")


class TestGwosc:
    def test_all(self, file):
        strain = load_strain(file)
        assert repr(strain) == "<Strain H1, 128 samples at 16 Hz, GPS 1126259446 to 1126259454>"
        assert strain.data.tolist() == list(range(1, 129))

    @given(first=st.integers(0, 127), count=st.integers(1, 128))
    def test_stretch_is_that_of_the_whole(self, tmp_path_factory, first, count):
        path = tmp_path_factory.getbasetemp() / "stretch.hdf5"
        if not path.exists():
            write_gwosc(path, "H1", T0, 8, 16)
        stop = min(first + count, 128)
        strain = load_strain(path, start=T0 + first / 16, stop=T0 + stop / 16)
        assert strain.data.tolist() == list(range(first + 1, stop + 1))
        assert strain.t0 == T0 + first / 16

    def test_reads_no_more_than_asked_for(self, file, monkeypatch):
        asked = []
        read = h5py.Dataset.__getitem__

        def spy(self, key, **options):
            if self.name == "/strain/Strain":
                asked.append(key)
            return read(self, key, **options)

        monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
        load_strain(file, start=T0 + 1, stop=T0 + 2)
        assert asked == [slice(16, 32)]

    def test_gaps_are_loaded(self, file):
        with h5py.File(file, "a") as stream:
            stream["strain/Strain"][16:32] = np.nan
        assert load_strain(file).gaps == [(T0 + 1, T0 + 2)]
        with pytest.raises(ValueError, match=r"1126259447 .* 1126259448"):
            load_strain(file, start=T0 + 1, stop=T0 + 2)

    def test_file_of_little_else_than_gaps(self, tmp_path):
        data = np.full(4096 * 256, np.nan)
        data[:1000] = np.arange(1000)
        strain = load_strain(write_gwosc(tmp_path / "x.hdf5", "H1", T0, 4096, 256, data))
        np.testing.assert_array_equal(strain.data, data)

    def test_seconds_marked_as_without_data_are_gaps(self, file):
        with h5py.File(file, "a") as stream:
            # Bit 0 is DATA; the others are flags of quality and change nothing.
            stream["quality/simple/DQmask"][...] = [127, 1, 126, 127, 1, 0, 127, 127]
        whole = load_strain(file)
        assert whole.gaps == [(T0 + 2, T0 + 3), (T0 + 5, T0 + 6)]
        part = load_strain(file, start=T0 + 1.25, stop=T0 + 5.5)
        assert part.gaps == [(T0 + 2, T0 + 3), (T0 + 5, T0 + 5.5)]
        kept = np.isfinite(part.data)
        assert (part.data[kept] == whole.crop(T0 + 1.25, T0 + 5.5).data[kept]).all()

    def test_file_without_quality_is_read(self, file):
        with h5py.File(file, "a") as stream:
            del stream["quality"]
        assert load_strain(file).gaps == []

    def test_start_and_detector_out_of_the_meta_data(self, file):
        with h5py.File(file, "a") as stream:
            del stream["strain/Strain"].attrs["Xstart"]
        assert load_strain(file).span == (T0, T0 + 8)

    def test_parameters_that_agree(self, file):
        strain = load_strain(file, sample_rate=16, t0=T0, ifo="H1", dataset="strain/Strain")
        assert strain.span == (T0, T0 + 8)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"sample_rate": 4096}, "sample_rate=4096, but .*H1_GWOSC.* has 16"),
            ({"t0": T0 + 1}, "t0=1126259447, but .* has 1126259446"),
            ({"ifo": "L1"}, "ifo='L1', but .* has 'H1'"),
            ({"ifo": 1}, "ifo=1 must be text"),
            ({"dataset": "strain"}, "no data set 'strain'.* 'meta/.* and 2 more"),
            ({"start": T0 + 3, "stop": T0 + 2}, "start=1126259449 must be before stop=11262594"),
            ({"start": T0 - 3}, "start=1126259443 is outside .*H1_GWOSC.*, which spans GPS 11262"),
            ({"stop": T0 + 9}, "stop=1126259455 is outside"),
        ],
    )
    def test_bad_parameters(self, file, options, message):
        with pytest.raises(ValueError, match=message):
            load_strain(file, **options)

    def test_file_that_is_cut_short(self, file):
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        with pytest.raises(ValueError, match="is damaged"):
            load_strain(file)

    def test_file_with_bytes_that_do_not_unpack(self, file):
        with h5py.File(file) as stream:
            chunk = stream["strain/Strain"].id.get_chunk_info(0)
        content = bytearray(file.read_bytes())
        middle = chunk.byte_offset + chunk.size // 2
        content[middle : middle + 16] = b"\xff" * 16
        file.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged"):
            load_strain(file)

    def test_fewer_samples_than_told(self, file):
        with h5py.File(file, "a") as stream:
            stream["strain/Strain"].attrs["Npoints"] = 4096
        with pytest.raises(ValueError, match=r"128 .*Npoints=4096"):
            load_strain(file)


class TestOtherHdf5:
    @pytest.mark.parametrize(
        "attributes",
        [
            {"sample_rate": 16, "t0": 100, "ifo": "L1"},
            {"dt": 0.0625, "epoch": 100.0, "detector": "L1"},
            {"dx": 0.0625, "x0": 100.0, "xunit": "s", "channel": "L1:GDS-CALIB_STRAIN"},
            {"dx": 0.0625, "x0": 100.0, "xunit": "", "channel": "None", "name": b"L1:X"},
        ],
    )
    def test_attributes(self, tmp_path, attributes):
        path = write(tmp_path / "x.h5", **attributes)
        strain = load_strain(path, start=101)
        assert repr(strain) == "<Strain L1, 16 samples at 16 Hz, GPS 101 to 102>"

    def test_data_set_named_as_a_channel(self, tmp_path):
        path = write(tmp_path / "x.h5", name="L1:X", sample_rate=16)
        assert load_strain(path).ifo == "L1"

    def test_rate_of_a_spacing_that_is_not_exact(self, tmp_path):
        path = write(tmp_path / "x.h5", dt=np.float32(1 / 1000))
        assert load_strain(path).sample_rate == 1000

    def test_parameters_stand_in(self, tmp_path):
        path = write(tmp_path / "x.h5")
        strain = load_strain(path, sample_rate=16, t0=3, ifo="V1")
        assert repr(strain) == "<Strain V1, 32 samples at 16 Hz, GPS 3 to 5>"
        assert load_strain(path, sample_rate=16).t0 == 0

    def test_as_gwpy_writes_it(self, tmp_path):
        TimeSeries = pytest.importorskip("gwpy.timeseries").TimeSeries
        data = np.random.default_rng(0).normal(size=64)
        series = TimeSeries(data, sample_rate=16, t0=T0 + 0.5, name="H1:X", channel="H1:X")
        series.write(tmp_path / "x.hdf5", format="hdf5", path="some/where")
        strain = load_strain(tmp_path / "x.hdf5")
        assert repr(strain) == repr(load_strain(series))
        assert (strain.data == data).all()

    @pytest.mark.parametrize(
        ("data", "attributes", "message"),
        [
            (None, {}, "has no sample rate .*pass sample_rate="),
            (None, {"sample_rate": 0}, "data set 'x': sample_rate=.*0.* must be a positive"),
            (None, {"dt": np.nan}, "dt=.*nan.* must be a positive number"),
            (None, {"sample_rate": "fast"}, "sample_rate='fast' must be a positive"),
            (None, {"sample_rate": 16, "t0": np.inf}, "t0=.*inf.* must be a finite"),
            (None, {"dx": 0.5, "xunit": "Hz"}, "axis is in Hz"),
            (
                np.ones((3, 4)),
                {"sample_rate": 16},
                r"one-dimensional, but has shape \(3, 4\)",
            ),
            (1.0, {"sample_rate": 16}, r"must be one-dimensional, but has shape \(\)"),
            (h5py.Empty("f8"), {"sample_rate": 16}, "must be one-dimensional, but has shape None"),
            (np.ones(0), {"sample_rate": 16}, "is empty"),
            (np.ones(3, complex), {"sample_rate": 16}, "must hold real numbers, .*complex128"),
            (np.zeros(32), {"sample_rate": 16}, "is all zeros from GPS 0 to 2"),
            (np.full(32, np.nan), {"sample_rate": 16}, r"has no data .* from GPS 0 to 2"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path, data, attributes, message):
        path = write(tmp_path / "x.h5", data, **attributes)
        with pytest.raises(ValueError, match=message) as caught:
            load_strain(path)
        assert str(path) in str(caught.value)

    def test_file_without_data_sets(self, tmp_path):
        with h5py.File(tmp_path / "x.h5", "w") as stream:
            stream.create_group("a")
        with pytest.raises(ValueError, match="is not a strain file"):
            load_strain(tmp_path / "x.h5")
        with pytest.raises(ValueError, match="It has none"):
            load_strain(tmp_path / "x.h5", dataset="b")


class TestOtherFiles:
    def test_none(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"x\.hdf5"):
            load_strain(tmp_path / "x.hdf5")

    def test_folder(self, tmp_path):
        with pytest.raises(IsADirectoryError, match="is a folder"):
            load_strain(tmp_path)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("x.hdf5", b"", "is empty"),
            ("x.hdf5", b"<html>not found</html>", "is not an HDF5 file"),
            ("x.txt", b"1.0\n2.0\n", "is not a strain file: neither HDF5 nor a frame"),
        ],
    )
    def test_something_else(self, tmp_path, name, content, message):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            load_strain(tmp_path / name)

    def test_hdf5_of_another_name(self, tmp_path):
        assert len(load_strain(write(tmp_path / "x.dat", sample_rate=16)).data) == 32

    def test_home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        write(tmp_path / "x.h5", sample_rate=16)
        assert load_strain("~/x.h5").sample_rate == 16


class TestFrames:
    CHANNEL = "H1:GWOSC-4KHZ_R1_STRAIN"

    def test_round_trip(self, tmp_path):
        pytest.importorskip("lalframe")
        TimeSeries = pytest.importorskip("gwpy.timeseries").TimeSeries
        data = np.random.default_rng(0).normal(size=4 * 256)
        path = tmp_path / "H-H1_X-1126259446-4.gwf"
        series = TimeSeries(data, sample_rate=256, t0=T0, name=self.CHANNEL, channel=self.CHANNEL)
        series.write(path, format="gwf")
        strain = load_strain(path, dataset=self.CHANNEL, start=T0 + 1.5001, stop=T0 + 3)
        assert strain.span == (T0 + 1.5, T0 + 3)
        assert (strain.data == data[384:768]).all()
        with pytest.raises(ValueError, match="'H1:X'"):
            load_strain(path, dataset="H1:X")

    @pytest.fixture
    def frame(self, tmp_path):
        path = tmp_path / "x.gwf"
        path.write_bytes(b"IGWD\0and nothing that makes sense")
        return path

    def test_asks_for_the_channel(self, frame):
        pytest.importorskip("gwpy")
        with pytest.raises(ValueError, match="dataset="):
            load_strain(frame)

    def test_asks_for_a_library(self, frame, monkeypatch):
        TimeSeries = pytest.importorskip("gwpy.timeseries").TimeSeries

        def read(*args, **options):
            raise ImportError("no GWF API available")

        monkeypatch.setattr(TimeSeries, "read", read)
        with pytest.raises(ImportError, match=r"\(no GWF API available\).*lalsuite"):
            load_strain(frame, dataset="H1:X")


def test_missing_packages_are_named(file, tmp_path, monkeypatch):
    for name in ("h5py", "gwpy"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "x.gwf").write_bytes(b"IGWD")
    with pytest.raises(ImportError, match=r"skglitch\[strain\]"):
        load_strain(file)
    with pytest.raises(ImportError, match=r"skglitch\[gwpy\]"):
        load_strain(tmp_path / "x.gwf", dataset="H1:X")
    assert load_strain([1.0, 2.0], sample_rate=1).duration == 2


class TestArrays:
    def test_array(self):
        strain = load_strain([1, 2, 3, 4], sample_rate=2, t0=10, ifo="H1", start=10.5, stop=11.5)
        assert strain.data.tolist() == [2, 3]
        assert (strain.t0, strain.ifo) == (10.5, "H1")

    def test_defaults(self):
        strain = load_strain(np.ones(4), sample_rate=2)
        assert (strain.t0, strain.ifo) == (0, "")

    @pytest.mark.parametrize(
        ("source", "options", "message"),
        [
            (np.ones(4), {}, "has no sample rate: pass sample_rate="),
            (np.ones(4), {"sample_rate": -1}, "sample_rate=-1 must be a positive"),
            (np.ones((2, 4)), {"sample_rate": 1}, r"one-dimensional.*shape \(2, 4\)"),
            ([], {"sample_rate": 1}, "source is empty"),
            (np.zeros(4), {"sample_rate": 1}, "the ndarray is all zeros from GPS 0 to 4"),
            ([0.0, np.nan], {"sample_rate": 1}, "is all zeros"),
            ([np.nan], {"sample_rate": 1}, "has no data"),
            (None, {"sample_rate": 1}, "one-dimensional"),
            (np.ones(4), {"sample_rate": 1, "dataset": "x"}, "dataset='x' is for files"),
            (np.ones(4), {"sample_rate": 1, "stop": 5}, "stop=5 is outside the strain"),
        ],
    )
    def test_what_is_wrong_is_named(self, source, options, message):
        with pytest.raises(ValueError, match=message):
            load_strain(source, **options)


class TestObjects:
    def test_strain(self):
        strain = Strain(np.ones(8), 2, 10, "H1")
        assert repr(load_strain(strain, start=11)) == repr(strain.crop(start=11))
        assert load_strain(Strain(np.ones(8), 2), ifo="L1").ifo == "L1"
        with pytest.raises(ValueError, match=r"sample_rate=4, .* 2"):
            load_strain(strain, sample_rate=4)

    def test_gwpy(self):
        TimeSeries = pytest.importorskip("gwpy.timeseries").TimeSeries
        series = TimeSeries(np.arange(8.0), sample_rate=2, t0=10, channel="H1:X")
        strain = load_strain(series, start=11)
        assert repr(strain) == "<Strain H1, 6 samples at 2 Hz, GPS 11 to 14>"
        assert strain.data.tolist() == [2, 3, 4, 5, 6, 7]
        with pytest.raises(ValueError, match=r"sample_rate=4, .*TimeSeries"):
            load_strain(series, sample_rate=4)
        with pytest.raises(ValueError, match=r"ifo='L1', .*TimeSeries"):
            load_strain(series, ifo="L1")

    def test_gwpy_in_other_units(self):
        TimeSeries = pytest.importorskip("gwpy.timeseries").TimeSeries
        series = TimeSeries(np.ones(8), dt="1 ms", t0=10, name="of no detector")
        strain = load_strain(series)
        assert strain.sample_rate == pytest.approx(1000)
        assert (strain.t0, strain.ifo) == (10, "")

    def test_anything_like_it(self):
        class Series:
            value = np.ones(8)
            sample_rate = 2
            t0 = 10

        assert load_strain(Series()).span == (10, 14)
