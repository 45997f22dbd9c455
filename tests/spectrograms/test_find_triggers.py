"""find_triggers: known signals, noise, gaps, blocks, and real events."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from skglitch.datasets import Strain, load_strain, load_triggers
from skglitch.spectrograms import QTransformer, find_triggers

RATE, START = 512, 1126259462
# 127 spectra of 0.5 s span 32 s, half of a block.
OPTIONS = {"frange": (20.0, 200.0), "fftlength": 0.5, "progress": False}


def sine_gaussian(times, gps, frequency, q, snr, rate=RATE):
    """Signal with a signal-to-noise ratio in white noise of variance 1."""
    phase = 2 * np.pi * frequency * (times - gps)
    signal = np.exp(-((phase / q) ** 2)) * np.cos(phase)
    return snr * signal / np.sqrt(np.sum(signal**2))


def make_strain(duration, bursts=(), t0=START, rate=RATE, seed=0):
    data = np.random.default_rng(seed).normal(size=round(duration * rate))
    times = np.arange(len(data)) / rate
    for burst in bursts:
        data += sine_gaussian(times, *burst, rate=rate)
    return Strain(1e-21 * data, rate, t0, "H1")


BURSTS = [(10.0 * n + 5.3, 25 + 10 * n, 5 + 3 * n, 15.0 + n) for n in range(16)]
LONG = make_strain(170, BURSTS, t0=START + 0.123)


def test_signals_come_back_with_their_parameters():
    triggers = find_triggers(LONG, **OPTIONS)
    gps, frequency, q, snr = np.transpose(BURSTS)
    np.testing.assert_allclose(triggers["gps"] - LONG.t0, gps, rtol=0, atol=0.03)
    assert (triggers["snr"] / snr).median() == pytest.approx(0.97, abs=0.05)
    tile = 2 * np.sqrt(np.pi) * triggers["peak_frequency"] / triggers["q"]
    assert (np.abs(triggers["peak_frequency"] - frequency) < tile / 2).all()
    assert np.abs(np.log(triggers["q"] / q)).median() < 0.35
    assert (triggers["ifo"] == "H1").all()


def test_limits_of_clusters():
    triggers = find_triggers(LONG, **OPTIONS)
    assert ((triggers["tstart"] < triggers["gps"]) & (triggers["gps"] < triggers["tend"])).all()
    assert triggers["peak_frequency"].between(triggers["fstart"], triggers["fend"]).all()
    assert_frame_equal(
        triggers[["duration", "bandwidth"]],
        pd.DataFrame(
            {
                "duration": triggers["tend"] - triggers["tstart"],
                "bandwidth": triggers["fend"] - triggers["fstart"],
            }
        ),
    )
    assert list(triggers) == [
        *("ifo", "gps", "snr", "peak_frequency", "q", "duration", "bandwidth"),
        *("tstart", "tend", "fstart", "fend"),
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_batches_make_no_difference(batch_size):
    triggers = find_triggers(LONG, batch_size=batch_size, **OPTIONS)
    assert_frame_equal(triggers, find_triggers(LONG, **OPTIONS), rtol=1e-6)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 60 * RATE))
def test_the_start_of_the_strain_makes_no_difference(first):
    cropped = Strain(LONG.data[first:], RATE, LONG.t0 + first / RATE, "H1")
    whole, part = find_triggers(LONG, **OPTIONS), find_triggers(cropped, **OPTIONS)
    # Spectra of blocks before this time are of other stretches.
    late = cropped.t0 + 70
    expected, found = (t[t["gps"] > late].reset_index(drop=True) for t in (whole, part))
    assert len(found) > 2
    assert_frame_equal(found, expected, rtol=1e-6)


def test_tiles_at_the_border_of_blocks_are_found_once():
    # Blocks start at multiples of 56 s in GPS time.
    border = (START // 56 + 1) * 56 - START
    bursts = [(border + shift, 60.0, 20.0, 30.0) for shift in (-0.01, 0.0, 0.01)]
    for burst in bursts:
        triggers = find_triggers(make_strain(90, [burst]), **OPTIONS)
        assert len(triggers) == 1
        assert triggers["gps"][0] - START == pytest.approx(burst[0], abs=0.01)
        assert triggers["snr"][0] == pytest.approx(30, rel=0.15)


def test_noise_has_as_many_loud_tiles_as_expected():
    options = OPTIONS | {"frange": (50.0, 220.0), "snr_threshold": 3.5, "cluster_window": 0.0}
    tiles = find_triggers(make_strain(600, seed=1), **options)
    lower = tiles["snr"] > 4.0
    # The energy 1 + snr**2 / 2 of a tile is distributed exponentially.
    assert lower.mean() == pytest.approx(np.exp(-(4.0**2 - 3.5**2) / 2), rel=0.25)
    assert find_triggers(make_strain(600, seed=1), **OPTIONS).empty


def test_no_triggers_are_an_empty_table_with_the_same_columns():
    empty, full = find_triggers(make_strain(20), **OPTIONS), find_triggers(LONG, **OPTIONS)
    assert empty.empty
    assert_frame_equal(empty, full[:0])
    assert_frame_equal(find_triggers(LONG, segments=[], **OPTIONS), full[:0])


@pytest.mark.parametrize(("distance", "window", "n_triggers"), [
    (0.3, 0.5, 1), (0.8, 0.5, 2), (0.8, 1.0, 1),
])  # fmt: skip
def test_clusters(distance, window, n_triggers):
    bursts = [(15.0, 100.0, 6.0, 20.0), (15.0 + distance, 100.0, 6.0, 30.0)]
    triggers = find_triggers(make_strain(30, bursts), cluster_window=window, **OPTIONS)
    assert len(triggers) == n_triggers
    assert triggers["gps"].iloc[-1] - START == pytest.approx(15 + distance, abs=0.01)


def red_noise(duration, rate=RATE):
    """Noise that is 1e4 times louder at 1 Hz than at 30 Hz, with a line."""
    spectrum = np.fft.rfft(make_strain(duration, [(5.0, 60.0, 8.0, 30.0)]).data)
    f = np.fft.rfftfreq(round(duration * rate), 1 / rate)
    times = np.arange(round(duration * rate)) / rate
    line = 1e-20 * np.cos(2 * np.pi * 60 * times)
    return np.fft.irfft(spectrum * (1 + (30 / np.maximum(f, 1)) ** 4)) + line


@settings(max_examples=6, deadline=None)
@given(
    gaps=st.lists(
        st.tuples(st.floats(10, 95), st.floats(0.002, 20)), min_size=1, max_size=4
    ),
    fill=st.sampled_from([np.nan, 0.0, np.inf]),
)  # fmt: skip
@example(gaps=[(70.0625, 1.0)], fill=np.nan)
def test_gaps_make_no_triggers(gaps, fill):
    data = red_noise(100)
    for start, duration in gaps:
        # A few zeros are no gap, but a step.
        n = max(round(duration * RATE), 1 if np.isnan(fill) else RATE // 8)
        data[round(start * RATE) :][:n] = fill
    triggers = find_triggers(Strain(data, RATE, START), frange=(20.0, 200.0), progress=False)
    assert (triggers["gps"] - START).round(1).tolist() == [5.0]


def test_only_segments_are_searched():
    segments = [(LONG.t0 + 20, LONG.t0 + 41.5), (LONG.t0 + 60, LONG.t0 + 160)]
    triggers = find_triggers(LONG, segments=segments, **OPTIONS)
    times = (triggers["gps"] - LONG.t0).round()
    assert times.tolist() == [25, 35, *range(65, 160, 10)]


@pytest.mark.parametrize("start", [0, 60.0, 1000])
def test_what_is_before_the_start_is_left_out(start):
    triggers = find_triggers(LONG, start=LONG.t0 + start, **OPTIONS)
    whole = find_triggers(LONG, **OPTIONS)
    expected = whole[whole["gps"] >= LONG.t0 + start].reset_index(drop=True)
    assert_frame_equal(triggers, expected)


def test_final_triggers_stay_whatever_follows():
    whole = find_triggers(LONG, **OPTIONS)
    found, start = [], None
    for stop in range(40, 170, 9):
        part = LONG.crop(LONG.t0, LONG.t0 + stop)
        found.append(find_triggers(part, start=start, final=True, **OPTIONS))
        start = found[-1].attrs["final_until"]
    n_found = sum(map(len, found))
    assert n_found >= 10
    assert_frame_equal(pd.concat(found, ignore_index=True), whole[:n_found])


def test_segments_of_gwpy():
    pytest.importorskip("gwpy")
    from gwpy.segments import DataQualityFlag, SegmentList

    pairs = SegmentList([(LONG.t0 + 20, LONG.t0 + 60)])
    flag = DataQualityFlag("H1:DMT-ANALYSIS_READY:1", active=pairs, known=pairs)
    expected = find_triggers(LONG, segments=pairs, **OPTIONS)
    assert len(expected) == 4
    assert_frame_equal(find_triggers(LONG, segments=flag, **OPTIONS), expected)


@pytest.mark.parametrize("ifo", ["H1", "L1"])
def test_the_loudest_trigger_is_gw150914(real_data, ifo):
    path = next((real_data / "strain_events").glob(f"*{ifo}*.hdf5"))
    triggers = find_triggers(load_strain(path))
    loudest = triggers.loc[triggers["snr"].idxmax()]
    # Livingston saw it 7 ms earlier.
    assert loudest["gps"] == pytest.approx(
        1126259462.42 if ifo == "H1" else 1126259462.413, abs=0.01
    )
    assert loudest["snr"] > 9


def test_glitches_of_o3(real_data):
    h5py = pytest.importorskip("h5py")
    with h5py.File(real_data / "strain_o3_glitches.hdf5") as file:
        glitches = [Strain(file[name][:], 4096, START) for name in sorted(file)[::6]]
    for strain in glitches:
        triggers = find_triggers(strain, snr_threshold=6.0)
        assert ((triggers["tstart"] < START + 7.1) & (triggers["tend"] > START + 6.9)).any()


def test_triggers_are_a_table_for_load_triggers():
    strain = make_strain(20, [(8.0, 60.0, 8.0, 20.0), (12.0, 60.0, 8.0, 20.0)])
    triggers = find_triggers(strain, **OPTIONS)
    transformer = QTransformer(RATE, (0.5,), (20.0, 200.0), size=(14, 17))
    bunch = load_triggers(triggers, strain, transformer, duration=8.0)
    assert bunch.data.max(axis=(1, 2, 3)).tolist() == [255, 255]
    assert bunch.gps.tolist() == triggers["gps"].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"snr_threshold": 0.0}, "snr_threshold"),
        ({"frange": (200.0, 20.0)}, r"frange=\(200.0, 20.0\)"),
        ({"frange": (300.0, 2000.0)}, r"frange=\(300.0, 2000.0\).*256 Hz"),
        ({"qrange": (0.0, 20.0)}, r"qrange=\(0.0, 20.0\)"),
        ({"fftlength": 80.0}, r"fftlength=80 s"),
        ({"segments": [(5.0, 3.0)]}, r"segments.*\[5.0, 3.0\]"),
        ({"segments": [(0.0, 10.0)]}, r"has 0 .*in segments"),
        ({"batch_size": 0}, "batch_size"),
        ({"device": "abacus"}, "device='abacus'"),
    ],
)
def test_bad_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        find_triggers(LONG, **options)


def test_only_strain_is_searched():
    with pytest.raises(ValueError, match="strain is a ndarray"):
        find_triggers(LONG.data)
