"""Strain in memory: times, parts of it, gaps."""

import pickle

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from skglitch.datasets import Strain

T0 = 1126259446.0


@pytest.fixture
def strain():
    return Strain(np.arange(1.0, 161.0), 16, T0, "H1")


def test_times(strain):
    assert strain.duration == 10
    assert strain.t1 == T0 + 10
    assert strain.span == (T0, T0 + 10)
    assert repr(strain) == "<Strain H1, 160 samples at 16 Hz, GPS 1126259446 to 1126259456>"
    assert "of an unknown detector" in repr(Strain([1.0], 0.5))


def test_cannot_be_changed(strain):
    with pytest.raises(AttributeError):
        strain.t0 = 0.0
    with pytest.raises(ValueError, match="read-only"):
        strain.data[0] = 0.0


def test_array_of_the_caller_is_neither_copied_nor_frozen():
    data = np.ones(8)
    strain = Strain(data, 4)
    assert np.shares_memory(strain.data, data)
    data[0] = 2.0
    assert strain.data[0] == 2.0


@pytest.mark.parametrize("data", [[1, 2, 3], np.float32([1, 2, 3]), np.uint8([1, 2, 3])])
def test_numbers_become_float64(data):
    strain = Strain(data, np.int64(4), np.float64(2))
    assert strain.data.dtype == np.float64
    assert strain.data.tolist() == [1, 2, 3]
    assert (type(strain.sample_rate), type(strain.t0)) == (float, float)


def test_pickle(strain):
    again = pickle.loads(pickle.dumps(strain))
    assert repr(again) == repr(strain)
    assert (again.data == strain.data).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": []}, "data is empty"),
        ({"data": 1.0}, "one-dimensional"),
        ({"data": np.ones((2, 3))}, r"one-dimensional.*\(2, 3\)"),
        ({"data": ["a", "b"]}, "real numbers"),
        ({"data": np.ones(3, complex)}, "complex128"),
        ({"sample_rate": 0}, "sample_rate=0 must be a positive number"),
        ({"sample_rate": np.nan}, "sample_rate=nan must be a positive number"),
        ({"sample_rate": "4096"}, "sample_rate='4096' must be a positive number"),
        ({"sample_rate": True}, "sample_rate=True must be"),
        ({"sample_rate": None}, "sample_rate=None must be"),
        ({"t0": np.inf}, "t0=inf must be a finite number"),
        ({"t0": [1.0]}, r"t0=\[1.0\] must be a finite number"),
        ({"ifo": None}, "ifo=None must be text"),
    ],
)
def test_bad_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        Strain(**{"data": np.ones(3), "sample_rate": 4} | options)


class TestCrop:
    def test_part(self, strain):
        part = strain.crop(T0 + 1, T0 + 2.5)
        assert part.data.tolist() == list(range(17, 41))
        assert part.span == (T0 + 1, T0 + 2.5)
        assert part.ifo == "H1"

    def test_to_the_nearest_sample(self, strain):
        part = strain.crop(T0 + 1.03, T0 + 1.97)
        assert part.span == (T0 + 1, T0 + 2)

    def test_times_with_units(self, strain):
        units = pytest.importorskip("astropy.units")
        assert strain.crop((T0 + 1) * units.s, (T0 + 2) * 1e3 * units.ms).span == (T0 + 1, T0 + 2)
        with pytest.raises(ValueError, match=r"start .* unit m"):
            strain.crop((T0 + 1) * units.m)

    def test_ends(self, strain):
        assert strain.crop().span == strain.span
        assert strain.crop(start=T0 + 9).span == (T0 + 9, T0 + 10)
        assert strain.crop(stop=T0 + 1).span == (T0, T0 + 1)

    @pytest.mark.parametrize(
        ("start", "stop", "message"),
        [
            (T0 + 2, T0 + 1, "start=1126259448 must be before stop=1126259447"),
            (T0 + 2, T0 + 2, "must be before"),
            (T0 + 2, T0 + 2.001, "leave no sample"),
            (T0 + 10, None, "leave no sample"),
            (T0 - 1, None, "start=1126259445 is outside the strain of H1, which spans GPS 11262"),
            (None, T0 + 11, "stop=1126259457 is outside"),
            (None, T0 - 1, "stop=1126259445 is outside"),
            (np.nan, None, "start=nan must be a finite number"),
            ("x", None, "start='x' must be a finite number"),
        ],
    )
    def test_errors(self, strain, start, stop, message):
        with pytest.raises(ValueError, match=message):
            strain.crop(start, stop)


class TestAround:
    def test_even_and_odd(self, strain):
        assert strain.around(T0 + 5, 0.25).tolist() == [79, 80, 81, 82]
        assert strain.around(T0 + 5, 3 / 16).tolist() == [80, 81, 82]

    def test_whole_strain(self, strain):
        assert strain.around(T0 + 5, 10).tolist() == strain.data.tolist()

    @pytest.mark.parametrize(
        ("gps", "duration", "message"),
        [
            (T0 - 0.5, 1, "GPS 1126259445.5 is outside the strain of H1, which spans GPS "
             "1126259446 to 1126259456"),
            (T0 + 10, 1, "GPS 1126259456 is outside"),
            (T0 + 0.25, 1, "GPS 1126259446.25 is too close to an end: .* GPS "
             "1126259445.75 to 1126259446.75, beyond the strain of H1"),
            (T0 + 9.75, 1, "too close to an end"),
            (T0 + 5, 11, "too close to an end"),
            (np.nan, 1, "gps=nan must be a finite number"),
            (T0 + 5, 0, "duration=0 must be a positive number"),
            (T0 + 5, 0.001, "duration=0.001 s is less than a sample"),
        ],
    )  # fmt: skip
    def test_errors(self, strain, gps, duration, message):
        with pytest.raises(ValueError, match=message):
            strain.around(gps, duration)

    def test_gaps_are_named(self, strain):
        data = strain.data.copy()
        data[32:48] = np.nan
        data[80] = np.inf
        strain = Strain(data, 16, T0, "H1")
        assert strain.gaps == [(T0 + 2, T0 + 3), (T0 + 5, T0 + 5.0625)]
        with pytest.raises(
            ValueError,
            match=r"GPS 1126259447 to 1126259455 of the strain of H1, .* has gaps \(NaN\): "
            r"1126259448 to 1126259449, 1126259451 to 1126259451.0625\.$",
        ):
            strain.around(T0 + 5, 8)
        assert strain.around(T0 + 8, 2).tolist() == list(range(113, 145))

    def test_masked_samples_are_gaps(self):
        strain = Strain(np.ma.array(np.arange(1, 9), mask=np.arange(8) == 3), 4, T0)
        assert strain.gaps == [(T0 + 0.75, T0 + 1)]

    def test_many_gaps_are_counted(self):
        data = np.ones(64)
        data[::4] = np.nan
        with pytest.raises(ValueError, match="and 11 more"):
            Strain(data, 16).around(2, 4)

    def test_zeros_are_named(self):
        data = np.arange(64.0)
        data[20:44] = 0
        strain = Strain(data, 16)
        with pytest.raises(ValueError, match=r"GPS 1.5 to 2.5 .*zeros"):
            strain.around(2, 1)
        assert strain.around(2, 2).any()

    @pytest.mark.parametrize("value", [0.0, -3.5])
    def test_long_runs_of_one_value_are_gaps(self, value):
        data = np.random.default_rng(0).normal(size=4 * 1024)
        data[1024:1088] = value
        data[2048:2111] = value
        strain = Strain(data, 1024, T0, "H1")
        assert strain.gaps == [(T0 + 1, T0 + 1.0625)]
        with pytest.raises(ValueError, match=rf"gaps .* {T0 + 1:.0f} to {T0 + 1:.0f}\.0625"):
            strain.around(T0 + 1, 1.0)
        assert len(strain.around(T0 + 2, 1.0)) == 1024

    @pytest.mark.parametrize("rate", [16, 256, 4096, 16384])
    def test_rounded_strain_has_no_gaps(self, rate):
        noise = np.random.default_rng(0).normal(size=4 * rate)
        wave = 0.9 * np.sin(2 * np.pi * 10 * np.arange(4 * rate) / rate)
        rounded = [noise.round(), noise.astype(np.float16), (2 * noise).astype(np.int8)]
        for data in (*rounded, wave.round()):
            assert Strain(data, rate).gaps == []

    @given(
        offset=st.floats(-1, 11),
        duration=st.floats(0.1, 11),
        t0=st.sampled_from([0.0, T0, T0 + 0.390625]),
    )
    def test_is_what_the_times_say(self, offset, duration, t0):
        rate, n = 16, 160
        strain = Strain(np.arange(1.0, n + 1), rate, t0)
        gps = t0 + offset
        count = int(np.floor(duration * rate + 0.5))
        # Counted in samples from a sample well before the strain, as no sample need be near.
        places = np.arange(-40, n + 240)
        middle = places[np.argmin(np.abs((gps - t0) * rate - places))]
        wanted = middle + np.arange(count) - count // 2
        assume(abs(((gps - t0) * rate) % 1 - 0.5) > 1e-9)
        if not 0 <= middle < n or wanted[0] < 0 or wanted[-1] >= n:
            with pytest.raises(ValueError, match="GPS"):
                strain.around(gps, duration)
        else:
            assert strain.around(gps, duration).tolist() == (wanted + 1).tolist()
