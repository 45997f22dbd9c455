import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import spectrogram

from skglitch.datasets import make_glitches
from skglitch.datasets._simulate._canvas import RECIPES, Canvas, train
from skglitch.datasets._simulate._classes import CLASS_NAMES, DESCRIPTIONS, GRAVITY_SPY_COUNTS
from skglitch.datasets._simulate._compose import simulate_glitch
from skglitch.datasets._simulate._noise import Noise, NoiseModel
from skglitch.datasets._simulate._scattering import WAVELENGTH, fringe_frequency, scatter
from skglitch.datasets._simulate._tracks import chirp_track

RATE = 4096.0


def white_canvas(duration=8.0, rng=None):
    return Canvas(RATE, duration, lambda f: np.ones_like(f), rng)


def simulate(label, seed=0, **options):
    return simulate_glitch(label, np.random.default_rng(seed), **options)


def drawn(label, seed):
    """What a class draws on flat noise, and its parameters."""
    rng = np.random.default_rng(seed)
    canvas = white_canvas(12.0, rng)
    return canvas, RECIPES[label].draw(rng, canvas)


def spectrum(values):
    f = np.fft.rfftfreq(len(values), 1 / RATE)
    return f, np.abs(np.fft.rfft(values)) ** 2


def share(values, low, high):
    """Part of the energy that is in a band."""
    f, power = spectrum(values)
    return power[(f >= low) & (f <= high)].sum() / power.sum()


def test_names_counts_and_descriptions_agree():
    assert len(CLASS_NAMES) == 25
    assert set(CLASS_NAMES) == set(GRAVITY_SPY_COUNTS) == set(DESCRIPTIONS) == set(RECIPES)
    assert sum(GRAVITY_SPY_COUNTS.values()) == 8583
    for text in DESCRIPTIONS.values():
        assert text.endswith(".")


@pytest.mark.parametrize("label", CLASS_NAMES)
def test_reproducible_finite_and_in_units_of_strain(label):
    first, again, other = (simulate(label, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.strain, again.strain)
    assert first.parameters == again.parameters
    assert not np.array_equal(first.strain, other.strain)
    assert first.strain.shape == first.signal.shape == (32768,)
    assert first.strain.dtype == first.signal.dtype == np.float64
    assert np.isfinite(first.strain).all()
    assert 1e-23 < first.strain.std() < 1e-13
    assert all(isinstance(value, float) for value in first.parameters.values())


@pytest.mark.parametrize(
    ("sample_rate", "duration"), [(16384.0, 6.0), (4096.0, 64.0), (2048.0, 7.3)]
)
@pytest.mark.parametrize("label", ["Blip", "Whistle", "Scattered_Light", "1080Lines", "Chirp"])
def test_other_rates_and_durations(label, sample_rate, duration):
    simulated = simulate(label, sample_rate=sample_rate, duration=duration)
    assert simulated.strain.shape == (round(sample_rate * duration),)
    assert np.isfinite(simulated.strain).all()


@pytest.mark.parametrize("label", ["Blip", "Koi_Fish", "Scratchy", "Scattered_Light", "Chirp"])
def test_snr_is_that_of_a_matched_filter(label):
    """Once more by hand: four times the sum of |h|^2 / S times df, above 10 Hz."""

    def psd(f):
        return 1e-46 * (1 + (40 / np.maximum(f, 8)) ** 8)

    noise = NoiseModel(psd=psd, lines=False)
    for asked in (None, 33.0):
        simulated = simulate(label, 7, noise=noise, snr=asked)
        f, power = spectrum(simulated.signal / RATE)
        used = f >= 10
        snr = np.sqrt(4 * np.sum(power[used] / psd(f[used])) / 8.0)
        assert simulated.parameters["snr"] == pytest.approx(snr, rel=0.01)
        if asked is not None:
            assert snr == pytest.approx(asked, rel=0.01)


@pytest.mark.parametrize("label", ["Koi_Fish", "Tomte"])
def test_snr_is_distributed_as_in_fits_to_real_glitches(real_data, label):
    fits = json.loads((real_data / "antiglitch_mle.json").read_text())
    real = [fits["snr"][row] for row, name in fits["ml_label"].items() if name == label]
    ours = [simulate(label, seed).parameters["snr"] for seed in range(60)]
    ratios = np.quantile(ours, [0.25, 0.5, 0.75]) / np.quantile(real, [0.25, 0.5, 0.75])
    assert np.abs(np.log(ratios)).max() < np.log(1.5)


def test_ripples_are_thin_where_the_sample_rate_allows_it():
    """Above 1.2 kHz no tile of high Q fits below the Nyquist frequency of 4096 Hz."""

    def height(sample_rate):
        options = {"sample_rate": sample_rate, "durations": (1.0,), "random_state": 0}
        X, _ = make_glitches(6, classes=["1400Ripples"], return_X_y=True, **options)
        return np.median([(image[0] > image.max() / 2).any(axis=1).sum() for image in X])

    assert height(8192.0) < 0.6 * height(4096.0)


@given(st.sampled_from(CLASS_NAMES), st.integers(0, 2**32))
@settings(max_examples=60)
def test_all_but_no_glitch_are_above_the_threshold(label, seed):
    parameters = simulate(label, seed).parameters
    assert parameters["snr"] < 1e6
    if label == "No_Glitch":
        assert parameters["tile_snr"] < 7.5
    else:
        assert parameters["snr"] >= 7.49


@pytest.mark.parametrize("label", ["Low_Frequency_Lines", "Wandering_Line", "Air_Compressor"])
def test_long_lines_are_seen_in_pictures(label):
    """A line that lasts for half of the strain is whitened away with the noise, however loud."""
    X, _ = make_glitches(40, classes=[label], norm="median", return_X_y=True, random_state=0)
    brightest = X.reshape(len(X), -1).max(axis=1)
    # Of noise alone the median is 138, of 255.
    assert np.mean(brightest > 180) > 0.9
    assert brightest.min() > 100


@given(
    st.integers(0, 2**32), st.floats(0.01, 2.0), st.floats(0.1, 10.0), st.sampled_from([0.0, 0.3])
)
@settings(max_examples=30)
def test_trains_are_centered_and_as_long_as_asked(seed, spacing, reach, unsteady):
    times = train(np.random.default_rng(seed), spacing, reach, unsteady)
    assert len(times) == 2 * max(1, round(reach / spacing)) + 1
    assert times[len(times) // 2] == 0
    assert np.abs(times).max() < max(reach, spacing) + spacing + 6 * unsteady * spacing


@pytest.mark.parametrize(
    "label", ["1080Lines", "Helix", "Paired_Doves", "Repeating_Blips", "Scratchy", "Violin_Mode"]
)
def test_series_often_last_longer_than_the_picture(label):
    outside = []
    for seed in range(20):
        canvas, _ = drawn(label, seed)
        part, _ = canvas.times(-2.0, 2.0)
        outside.append(1 - np.sum(canvas.values[part] ** 2) / np.sum(canvas.values**2))
    assert np.mean(np.array(outside) > 0.3) > 0.25


@pytest.mark.parametrize("label", ["No_Glitch", "Power_Line"])
def test_neighbors_are_weaker_than_the_glitch(label):
    def white(f):
        return np.full_like(f, 1e-46)

    with_them, without = (
        NoiseModel(duration=16.0, psd=white, lines=False, background=share) for share in (1.0, 0.0)
    )
    for seed in range(20):
        options = {"label": label, "seed": seed, "duration": 16.0}
        glitch = simulate(noise=with_them, **options)
        neighbors = glitch.strain - simulate(noise=without, **options).strain
        f, power = spectrum(neighbors / RATE)
        whole = np.sqrt(4 * power[f >= 5].sum() / 1e-46 / 16.0)
        # Up to three of them; and of 4.5 at most where there is no glitch.
        assert 0 < whole < np.sqrt(3) * max(glitch.parameters["tile_snr"], 4.5)


@pytest.mark.parametrize("label", ["Blip", "Tomte", "Koi_Fish", "Blip_Low_Frequency"])
def test_pulses_peak_where_triggers_of_real_ones_do(label):
    low, high = RECIPES[label].peak
    assert 0 < low < high < 500
    for seed in range(25):
        assert low <= simulate(label, seed).parameters["peak_frequency"] <= high


def test_what_is_near_a_line_is_whitened_away_and_does_not_count(monkeypatch):
    f = np.fft.rfftfreq(32768, 1 / RATE)
    flat = np.full_like(f, 1e-46)
    lines = (f > 100) & (f < 300)
    noise = Noise(np.zeros(32768), f, flat, flat, np.where(lines, 1e6, 1.0) * flat)
    monkeypatch.setattr("skglitch.datasets._simulate._compose.measured_noise", lambda *_: noise)
    simulated = [simulate("Scratchy", seed, noise=noise.strain) for seed in range(10)]
    peaks = [glitch.parameters["peak_frequency"] for glitch in simulated]
    assert not any(100 < peak < 300 for peak in peaks)


def test_whistles_are_as_short_as_real_ones():
    shares = []
    for seed in range(30):
        canvas, _ = drawn("Whistle", seed)
        part, _ = canvas.times(-1.0, 1.0)
        shares.append(np.sum(canvas.values[part] ** 2) / np.sum(canvas.values**2))
    assert np.median(shares) > 0.7


@pytest.mark.parametrize(
    ("label", "low", "high", "least"),
    [
        ("1080Lines", 1000, 1160, 0.9),
        ("1400Ripples", 1100, 1850, 0.9),
        ("Air_Compressor", 38, 62, 0.9),
        ("Power_Line", 40, 330, 0.9),
        ("Low_Frequency_Burst", 5, 40, 0.9),
        ("Low_Frequency_Lines", 8, 40, 0.9),
        ("Scattered_Light", 0, 250, 0.9),
        ("Fast_Scattering", 0, 350, 0.9),
        ("Helix", 5, 2048, 0.9),
        ("Scratchy", 20, 900, 0.9),
        ("Violin_Mode", 10, 2000, 0.9),
        ("Paired_Doves", 5, 420, 0.9),
    ],
)
def test_energy_is_where_it_should_be(label, low, high, least):
    for seed in range(6):
        canvas, _ = drawn(label, seed)
        assert share(canvas.values, low, high) > least


@pytest.mark.parametrize("label", ["Blip", "Tomte", "Koi_Fish", "Blip_Low_Frequency", "Power_Line"])
def test_short_glitches_are_in_the_middle(label):
    for seed in range(6):
        signal = simulate(label, seed).signal
        whole = np.sum(signal**2)
        assert np.sum(signal[12288:20480] ** 2) > 0.6 * whole


@pytest.mark.parametrize(
    # The dots of 1080Lines and the arches of Fast_Scattering are as loud elsewhere.
    "label",
    sorted(
        set(CLASS_NAMES) - {"No_Glitch", "Chirp", "Reverse_Chirp", "1080Lines", "Fast_Scattering"}
    ),
)
def test_segment_is_centerd_on_the_loudest_tile(label):
    noise = NoiseModel(psd=lambda f: np.full_like(f, 1e-46), lines=False)
    reach = 4 * RECIPES[label].jitter + 0.3
    canvas = white_canvas()
    for seed in range(3):
        signal = simulate(label, seed, noise=noise).signal
        canvas.values = signal / np.sqrt(np.sum(signal**2))
        # Several may be as loud as one another, and the grid of tiles is coarse.
        loudest = canvas.loudest(2.0).snr
        part, _ = canvas.times(-reach, reach)
        canvas.values[: part.start] = canvas.values[part.stop :] = 0
        assert canvas.loudest(2.0).snr > 0.75 * loudest


def track(values, window=512):
    """Loudest frequency of each time that has energy."""
    f, t, power = spectrogram(values, RATE, nperseg=window, noverlap=window - 64)
    loud = power.max(axis=0) > 0.05 * power.max()
    return t[loud], f[power.argmax(axis=0)][loud]


def test_chirps_rise_and_reverse_chirps_fall():
    for seed in range(2):
        chirp, _ = drawn("Chirp", seed)
        reverse, _ = drawn("Reverse_Chirp", seed)
        np.testing.assert_array_equal(chirp.values, reverse.values[::-1])
        t, f = track(chirp.values, 1024)
        assert np.polyfit(t, f, 1)[0] > 0
        t, f = track(reverse.values, 1024)
        assert np.polyfit(t, f, 1)[0] < 0


def test_chirp_follows_newton_long_before_the_merger():
    t = np.array([-8.0, -4.0, -2.0, -1.0])
    frequency, _ = chirp_track(t, 1.4, 1.4)
    chirp_mass = 1.4 * 0.25**0.6 * 2 * 4.925490947e-6
    newton = (5 / 256 / -t) ** 0.375 * chirp_mass**-0.625 / np.pi
    np.testing.assert_allclose(frequency, newton, rtol=0.05)


@given(st.floats(3, 60), st.floats(3, 60))
@settings(max_examples=40)
def test_chirp_frequency_never_falls(mass_1, mass_2):
    frequency, amplitude = chirp_track(np.linspace(-2, 0.1, 4000), mass_1, mass_2)
    assert (np.diff(frequency) >= -1e-9).all()
    assert np.isfinite(amplitude).all()
    assert (amplitude >= 0).all()


def test_arch_of_scattered_light_follows_the_fringes():
    """f = |2 v / lambda|: 1 um at 0.25 Hz reaches 2.95 Hz times the number of bounces."""
    amplitude, swing = 20e-6, 0.25
    top = fringe_frequency(2 * np.pi * swing * amplitude)
    assert top == pytest.approx(2 * 2 * np.pi * swing * amplitude / 1.064e-6)
    for bounces in (1, 2):
        canvas = white_canvas()
        part, t = canvas.times(-1.0, 1.0)
        velocity = 2 * np.pi * swing * amplitude * np.cos(2 * np.pi * swing * t)
        scatter(canvas, part, velocity, 1.0, bounces=bounces)
        times, found = track(canvas.values, 1024)
        times = times - 4.0
        at = np.interp(times, t, fringe_frequency(velocity, bounces))
        inside = np.abs(times) < 0.5
        assert inside.sum() > 40
        assert np.abs(found - at)[inside].max() < 6.0
    assert WAVELENGTH == 1.064e-6


def test_arches_come_again_as_fast_as_the_surface_swings():
    for seed in range(5):
        _, parameters = drawn("Scattered_Light", seed)
        assert parameters["duration"] == pytest.approx(0.5 / parameters["swing_frequency"])
        assert 0.1 <= parameters["swing_frequency"] <= 0.5


def test_repeating_blips_repeat():
    for seed in range(5):
        canvas, parameters = drawn("Repeating_Blips", seed)
        power = np.convolve(canvas.values**2, np.ones(82), "same")
        reach = round(0.6 * parameters["spacing"] * RATE)
        middle = len(power) // 2
        step = round(parameters["spacing"] * RATE)
        peaks = [
            power[middle + i * step - reach : middle + i * step + reach].max() for i in (-1, 0, 1)
        ]
        assert sorted(peaks)[1] > 0.1 * max(peaks)
        assert parameters["n_pulses"] >= 3


def test_pulse_has_the_spectrum_of_the_model():
    canvas = white_canvas()
    canvas.pulse(0.0, 120.0, 2.0, 5.0)
    assert np.sum(canvas.values**2) == pytest.approx(25.0)
    f, power = spectrum(canvas.values)
    band = (f > 40) & (f < 400)
    wanted = np.exp(-2.0 * np.log(f[band] / 120.0) ** 2)
    np.testing.assert_allclose(power[band] / power[band].max(), wanted, atol=0.02)


def test_tile_of_a_burst():
    canvas = white_canvas()
    canvas.burst(0.5, 200.0, 0.02, 12.0)
    tile = canvas.loudest(2.0)
    assert tile.time == pytest.approx(0.5, abs=0.02)
    assert tile.frequency == pytest.approx(200.0, abs=20)
    assert 9.0 < tile.snr < 12.1


def test_real_noise_takes_the_place_of_the_model():
    noise = np.random.default_rng(0).normal(size=32768) * 1e-21
    simulated = simulate("Blip", noise=noise, snr=20.0)
    np.testing.assert_allclose(simulated.strain - simulated.signal, noise, rtol=0, atol=1e-33)
    f, power = spectrum(simulated.signal / RATE)
    # White noise of this level has a density of 2 sigma^2 / rate.
    snr = np.sqrt(4 * power[f >= 10].sum() / (2e-42 / RATE) / 8.0)
    assert snr == pytest.approx(20.0, rel=0.1)
