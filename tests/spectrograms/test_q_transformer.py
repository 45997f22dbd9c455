"""Strain to energies: against gwpy, against formulas, and against pictures."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch._pictures import NATIVE_SIZE, resize_energy
from skglitch.datasets import Strain, load_triggers
from skglitch.spectrograms import QTransformer, read_picture

RATE = 1024.0
SMALL = {"sample_rate": RATE, "durations": (0.5, 1.0), "frange": (10.0, 512.0), "size": (28, 34)}


def noise(n_samples=1, duration=6.0, rate=RATE, seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, int(duration * rate)))


def sine_gaussian(frequency, q, snr, duration=6.0, rate=RATE, time=0.0):
    """Sine-Gaussian of a given signal-to-noise ratio in white noise of unit variance."""
    t = np.arange(int(duration * rate)) / rate - duration / 2 - time
    wave = np.exp(-((2 * np.pi * frequency * t / q) ** 2)) * np.sin(2 * np.pi * frequency * t)
    return snr * wave / np.sqrt((wave**2).sum())


@pytest.fixture
def transformer():
    return QTransformer(**SMALL, device="cpu")


class TestAgainstGwpy:
    """The same settings give the same tiles and the same pictures."""

    DURATIONS = (0.5, 1.0, 2.0, 4.0)

    @pytest.fixture
    def glitches(self, real_data):
        h5py = pytest.importorskip("h5py")
        with h5py.File(real_data / "strain_o3_glitches.hdf5") as file:
            # One of three of each class and detector; all of them are compared by
            # benchmarks/qtransform.py.
            names = sorted(file)[::3]
            strain = np.stack([file[name][:] for name in names])
        return strain

    @pytest.fixture
    def ours(self, glitches):
        return QTransformer(4096, device="cpu").scan(glitches)

    @pytest.fixture
    def theirs(self, glitches):
        timeseries = pytest.importorskip("gwpy.timeseries")
        return [self._scan(timeseries.TimeSeries, strain) for strain in glitches]

    @staticmethod
    def _scan(series, strain):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it lowers the highest frequency to what it can do
            return series(strain, sample_rate=4096, t0=0).q_transform(
                qrange=(4, 64), frange=(10, 2048), gps=7, search=0.5,
                tres=0.002, fres=0.5, outseg=(5, 9), whiten=True,
            )  # fmt: skip

    def test_same_q_and_same_pixels(self, ours, theirs):
        np.testing.assert_allclose(ours.q, [scan.q for scan in theirs], rtol=1e-6)
        for views, scan in zip(ours.data, theirs, strict=True):
            for energy, duration in zip(views / 10, self.DURATIONS, strict=True):
                picture, is_shown = self._picture(scan, duration)
                pairs = energy[is_shown].ravel(), picture[is_shown].ravel()
                assert np.corrcoef(*pairs)[0, 1] > 0.995
                # Not only in shape: a slope of one.
                assert np.polyfit(*pairs, 1)[0] == pytest.approx(1, abs=0.03)

    @staticmethod
    def _picture(scan, duration):
        """Draw as Gravity Spy does, 466 x 566 points on a logarithmic scale, then shrink."""
        n_shown = round(duration / 0.002)
        first = (len(scan) - n_shown) // 2
        values = scan.value[first : first + n_shown]
        lines = np.geomspace(2048, 10, 2 * NATIVE_SIZE[0] + 1)[1::2]
        columns = (np.arange(NATIVE_SIZE[1]) + 0.5) / NATIVE_SIZE[1] * n_shown
        rows = np.minimum((2 * (lines - 10)).astype(int), values.shape[1] - 1)
        energy = values[columns.astype(int)][:, rows].T.clip(0, 25.5)
        image = Image.fromarray(energy.astype(np.float32))
        picture = image.resize((170, 140), Image.Resampling.BILINEAR)
        return np.asarray(picture), np.geomspace(2048, 10, 281)[1::2] < 1250


class TestLoudestTile:
    @pytest.mark.parametrize(("frequency", "q"), [(40.0, 8.0), (120.0, 6.0), (200.0, 30.0)])
    def test_a_burst_is_found_where_it_is(self, transformer, frequency, q):
        strain = noise(4, duration=20.0) + sine_gaussian(frequency, q, 20.0, 20.0, time=0.05)
        found = transformer.scan(strain)
        np.testing.assert_allclose(found.frequency, frequency, rtol=0.15)
        np.testing.assert_allclose(found.time, 0.05, atol=0.5 * q / frequency)
        # Divided by the median, not the mean, of what is exponentially distributed.
        np.testing.assert_allclose(found.snr, 20.0 / np.sqrt(np.log(2)), rtol=0.2)

    def test_long_bursts_take_a_higher_q_than_short_ones(self, transformer):
        long = transformer.scan(noise() + sine_gaussian(150, 50, 25.0)).q[0]
        short = transformer.scan(noise() + sine_gaussian(150, 5, 25.0)).q[0]
        assert short < 10 < 20 < long

    def test_q_is_chosen_within_the_search_only(self, transformer):
        strain = noise() + sine_gaussian(150, 50, 60.0, time=0.4) + sine_gaussian(100, 5, 20.0)
        # A window of 0.6 s ends 0.3 s from the middle.
        near = clone(transformer).set_params(search=0.6).scan(strain)
        far = clone(transformer).set_params(search=1.2).scan(strain)
        assert near.q[0] < far.q[0]
        assert abs(near.time[0]) <= 0.3
        assert far.time[0] == pytest.approx(0.4, abs=0.1)


class TestEnergy:
    def test_stationary_noise_has_a_median_of_one(self):
        """And as it is exponentially distributed, a mean of 1 / ln 2."""
        transformer = QTransformer(**SMALL | {"size": NATIVE_SIZE}, device="cpu")
        energy = transformer.scan(noise(8), clean_medians=True).data / 10
        assert np.median(energy) == pytest.approx(1.0, abs=0.1)
        assert energy.mean() == pytest.approx(1 / np.log(2), rel=0.1)

    def test_color_and_unit_of_the_noise_are_divided_out(self, transformer):
        white = noise(2, duration=16.0)
        spectrum = np.fft.rfft(white)
        tilt = (1 + np.arange(spectrum.shape[1]) / 16.0) ** -1.0
        colored = 1e-21 * np.fft.irfft(spectrum * tilt)
        one, other = transformer.transform(white), transformer.transform(colored)
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97

    def test_slow_drifts_are_not_seen(self, transformer):
        """A wave of 0.25 Hz, ten thousand times as strong as the noise."""
        strain = noise(2) + sine_gaussian(100, 6, 15.0)
        drift = 1e4 * np.cos(2 * np.pi * 0.25 * np.arange(strain.shape[1]) / RATE)
        views = transformer.transform(strain), transformer.transform(strain + drift)
        assert np.corrcoef(*(x.ravel() for x in views))[0, 1] > 0.95

    def test_strain_that_is_white_already(self, transformer):
        strain = noise(duration=30.0) + sine_gaussian(100, 8, 30.0, duration=30.0)
        plain = clone(transformer).set_params(whiten=False).transform(strain)
        assert np.corrcoef(plain.ravel(), transformer.transform(strain).ravel())[0, 1] > 0.95

    def test_windows_beyond_the_nyquist_frequency_are_cut(self, transformer):
        """The top of a view shows noise like the rest of it, not a blank."""
        top = transformer.scan(noise(16), clean_medians=True).data[:, :, 0] / 10
        assert top.mean() == pytest.approx(1 / np.log(2), rel=0.2)

    def test_a_higher_sample_rate_shows_the_same(self):
        fine = noise(1, rate=16384.0) + sine_gaussian(200, 8, 40.0, rate=16384.0)
        coarse = np.fft.irfft(np.fft.rfft(fine)[:, : 6 * 2048 + 1]) / 4
        grid = SMALL | {"frange": (10.0, 1000.0)}
        one = QTransformer(**grid | {"sample_rate": 4096}, device="cpu")
        four = QTransformer(**grid | {"sample_rate": 16384}, device="cpu")
        low, high = one.transform(coarse), four.transform(fine)
        assert np.corrcoef(low.ravel(), high.ravel())[0, 1] > 0.99


class TestTimes:
    @pytest.mark.parametrize("n_times", [8 * 1024, 8 * 1024 - 1, 8 * 1024 + 300])
    def test_the_middle_of_the_strain_is_the_middle_of_a_view(self, transformer, n_times):
        """Also where it lies between two samples or two time steps."""
        t = (np.arange(n_times) - n_times / 2) / RATE
        burst = np.exp(-((2 * np.pi * 100 * t / 6) ** 2)) * np.sin(2 * np.pi * 100 * t)
        burst *= 40 / np.sqrt((burst**2).sum())
        for view in transformer.transform(burst + noise(duration=n_times / RATE))[0]:
            brightest = view.sum(axis=0, dtype=int).argmax()
            assert abs(brightest - (view.shape[1] - 1) / 2) <= 1

    @pytest.mark.parametrize("tres", [0.005, 0.007])
    def test_the_middle_of_a_view_is_a_time_step(self, tres):
        """Also where half the duration of the view is no multiple of the step."""
        transformer = QTransformer(
            RATE, (0.5,), (10.0, 512.0), tres=tres, size=(28, 200), device="cpu"
        )
        view = transformer.transform(noise() + sine_gaussian(100, 6, 40.0))[0, 0]
        profile = view.sum(axis=0, dtype=float)
        profile = np.clip(profile - profile.max() / 2, 0, None)
        center = (profile * (np.arange(200) - 99.5)).sum() / profile.sum() * 0.5 / 200
        # A step is drawn from its time to that of the next one.
        assert center == pytest.approx(tres / 2, abs=0.003)

    def test_half_a_sample_more_moves_the_view_by_half_a_sample(self):
        """With one sample less at the end, the middle is half a sample earlier."""
        transformer = QTransformer(
            RATE, (0.1,), (10.0, 512.0), tres=1e-4, size=(28, 400), device="cpu"
        )
        strain = sine_gaussian(100, 6, 15.0)[None] + noise(seed=1)
        middle = []
        for part in (strain, strain[:, :-1]):
            profile = transformer.transform(part)[0, 0].sum(axis=0, dtype=float)
            profile = np.clip(profile - profile.max() / 2, 0, None)
            middle.append((profile * np.arange(400)).sum() / profile.sum())
        moved = (middle[1] - middle[0]) * 0.1 / 400
        assert moved == pytest.approx(0.5 / RATE, rel=0.35)

    @settings(max_examples=10)
    @given(
        duration=st.sampled_from([3.5, 4.0, 5.03, 7.1, 9.0]),
        durations=st.lists(st.sampled_from([0.1, 0.5, 1.0, 1.3]), min_size=1, max_size=3),
        size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
        batch_size=st.integers(1, 4),
    )
    def test_any_duration_and_shape(self, duration, durations, size, batch_size):
        transformer = QTransformer(
            RATE, tuple(durations), (10.0, 400.0), size=size, batch_size=batch_size, device="cpu"
        )
        strain = noise(3, duration=duration)
        views = transformer.transform(strain)
        assert views.shape == (3, len(durations), *size)
        # How glitches are batched changes nothing but the last digit.
        alone = np.concatenate([transformer.transform(row[None]) for row in strain])
        assert np.abs(views.astype(int) - alone).max() <= 1


class TestPictures:
    """The same X from strain and from a picture of it."""

    @pytest.fixture
    def strain(self):
        return noise(1, duration=8.0) + sine_gaussian(100, 8, 40.0, duration=8.0)

    def test_a_picture_gives_x_back(self, tmp_path, draw, strain):
        native = QTransformer(**SMALL | {"size": NATIVE_SIZE}, device="cpu").transform(strain)
        for number, energy in enumerate(native[0]):
            path = draw(tmp_path / f"{number}.png", energy, layout="axes")
            # Two pairs of neighboring levels have one color each in viridis.
            for level in (104, 137):
                energy[energy == level + 1] = level
            np.testing.assert_array_equal(read_picture(path, size=None), energy)

    def test_a_small_x_is_a_small_picture(self, strain):
        native = QTransformer(**SMALL | {"size": NATIVE_SIZE}, device="cpu").transform(strain)
        small = QTransformer(**SMALL | {"size": (140, 170)}, device="cpu").transform(strain)
        for energy, expected in zip(native[0], small[0], strict=True):
            shrunk = resize_energy(energy, (140, 170)).astype(int)
            assert np.abs(shrunk - expected).max() <= 1


class TestInScikitLearn:
    def test_clones_pickles_and_needs_no_fit(self, transformer):
        strain = noise(2)
        expected = transformer.transform(strain)
        for other in (clone(transformer), pickle.loads(pickle.dumps(transformer))):
            np.testing.assert_array_equal(other.fit(strain).transform(strain), expected)
            assert other.n_features_in_ == strain.shape[1]

    def test_in_a_pipeline_with_a_classifier(self):
        strain = noise(12, duration=3.0)
        strain[6:] += sine_gaussian(100, 6, 40.0, duration=3.0)
        labels = np.repeat(["No_Glitch", "Blip"], 6)
        transformer = QTransformer(RATE, (0.5,), (10.0, 400.0), size=(64, 64), device="cpu")
        classifier = CNNClassifier("test_efficientnet", weights=None, max_epochs=1, device="cpu")
        pipeline = make_pipeline(transformer, classifier).fit(strain, labels)
        assert pipeline.predict(strain).shape == (12,)

    @pytest.mark.parametrize("by", ["set_output", "config"])
    def test_strain_to_a_data_frame_of_embeddings_keeps_the_index(self, transformer, by):
        strain = pd.DataFrame(noise(3), index=["a", "b", "c"]).add_prefix("t")
        net = TruncatedCNNTransformer("test_efficientnet", weights=None, random_state=0)
        expected = make_pipeline(transformer, net).fit_transform(strain)
        pipeline = make_pipeline(clone(transformer), clone(net))
        if by == "set_output":
            pipeline.set_output(transform="pandas")
        with config_context(transform_output="pandas" if by == "config" else "default"):
            frame = pipeline.fit(strain).transform(strain)
        assert frame.index.tolist() == ["a", "b", "c"]
        assert frame.columns.tolist() == pipeline.get_feature_names_out().tolist()
        np.testing.assert_array_equal(frame, expected)

    @pytest.mark.parametrize("container", ["pandas", "polars", "default"])
    def test_views_in_a_data_frame_have_a_column_per_pixel(self, transformer, container):
        strain = pd.DataFrame(noise(2), index=[7, 5])
        views = transformer.fit_transform(strain)
        assert len(transformer.get_feature_names_out()) == views[0].size
        result = clone(transformer.set_output(transform=container)).fit_transform(strain)
        if container != "pandas":
            np.testing.assert_array_equal(result, views)
            return
        assert result.index.tolist() == [7, 5]
        np.testing.assert_array_equal(result[1, 3, 4], views[:, 1, 3, 4])
        assert (result.dtypes == np.uint8).all()
        net = TruncatedCNNTransformer("test_efficientnet", weights=None, random_state=0)
        np.testing.assert_array_equal(net.fit_transform(result), net.fit_transform(views))
        np.testing.assert_array_equal(
            net.fit_transform(result[[1]]), net.fit_transform(views[:, [1]])
        )
        with pytest.raises(ValueError, match="view, row and column"):
            net.fit(result.iloc[:, 3:])

    def test_load_triggers_takes_a_transformer_that_gives_data_frames(self, transformer):
        strain, table = Strain(noise(1)[0], RATE, 0.0), {"gps": [3.0], "label": ["Blip"]}
        options = {"duration": 4.0, "progress": False}
        table = pd.DataFrame(table)
        expected = load_triggers(table, strain, transformer, **options).data
        transformer.set_output(transform="pandas")
        np.testing.assert_array_equal(
            load_triggers(table, strain, transformer, **options).data, expected
        )

    def test_other_floats_and_integers(self, transformer):
        strain = noise(1) * 1000
        whole = transformer.transform(np.rint(strain).astype(np.int32))
        single = transformer.transform(strain.astype(np.float32))
        assert np.corrcoef(whole.ravel(), single.ravel())[0, 1] > 0.999

    def test_does_not_touch_its_input(self, transformer):
        strain = noise(2)
        before = strain.copy()
        transformer.transform(strain)
        np.testing.assert_array_equal(strain, before)


class TestBadInput:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"sample_rate": 0}, "'sample_rate' parameter"),
            ({"frange": (10.0, 600.0)}, r"frange=\(10.0, 600.0\).*<= 512, half the sample rate"),
            ({"frange": (0.0, 100.0)}, "frange=.*0 < low < high"),
            ({"qrange": (64.0, 4.0)}, "qrange=.*0 < low < high"),
            ({"qrange": (4.0, np.nan)}, "qrange=.*finite"),
            ({"size": (0, 10)}, r"size=\(0, 10\)"),
            ({"durations": ()}, "durations="),
            ({"durations": (0.5, -1.0)}, "durations="),
            ({"durations": (0.5, 8.0)}, "X has 6 s of strain.*a view of 8 s needs 10 s"),
            ({"fduration": 6.0}, "a view of 1 s needs 7 s"),
            ({"tres": 0.0}, "'tres' parameter"),
            ({"device": "cuda:77"}, "device='cuda:77' is not there"),
        ],
    )
    def test_parameters_are_named(self, transformer, parameters, message):
        with pytest.raises(ValueError, match=message):
            transformer.set_params(**parameters).fit(noise())
        with pytest.raises(ValueError, match=message):
            transformer.transform(noise())

    def test_masked_samples_are_gaps(self, transformer):
        mask = np.zeros((2, 8 * 4096), dtype=bool)
        mask[1, 100:110] = True
        strain = np.random.default_rng(0).normal(size=mask.shape)
        with pytest.raises(ValueError, match=r"Row 1 of X .* 10 .*NaN"):
            transformer.transform(np.ma.array(strain, mask=mask))

    def test_gaps_are_named(self, transformer):
        strain = noise(3)
        strain[1, 100:110] = np.nan
        with pytest.raises(ValueError, match=r"Row 1 of X .* 10 .*NaN"):
            transformer.transform(strain)

    def test_constant_strain_is_named(self, transformer):
        strain = noise(3)
        strain[2] = 0.0
        with pytest.raises(ValueError, match="Row 2 of X"):
            transformer.fit(strain)

    @pytest.mark.parametrize("value", [0.0, 1.5, np.inf])
    @pytest.mark.parametrize("duration", [0.0625, 4.0, 7.5])
    def test_long_runs_of_one_value_are_gaps(self, transformer, value, duration):
        strain = noise(3)
        strain[1, 50 : 50 + int(duration * transformer.sample_rate)] = value
        with pytest.raises(ValueError, match=r"Row 1 of X has gaps"):
            transformer.transform(strain)

    def test_short_runs_of_one_value_are_strain(self, transformer):
        strain = noise(2).round()
        strain[1, 50 : 50 + int(0.06 * transformer.sample_rate)] = 0.0
        assert transformer.transform(strain).any()

    def test_strain_without_noise_is_named(self, transformer):
        strain = noise(3)
        strain[2] *= 1e-30
        strain[2, 100] = 1e20
        with pytest.raises(ValueError, match=r"Row 2 of X"):
            clone(transformer).set_params(batch_size=2).transform(strain)

    @pytest.mark.parametrize("strain", [noise()[0], noise()[None], np.zeros((0, 10)), [["a", "b"]]])
    def test_wrong_shape_or_kind(self, transformer, strain):
        with pytest.raises(ValueError, match=r"X .*real numbers"):
            transformer.transform(strain)
