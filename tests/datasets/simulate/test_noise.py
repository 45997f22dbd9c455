import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from skglitch.datasets._simulate._noise import (
    NoiseModel,
    design_psd,
    measured_noise,
    observed_psd,
)


def test_design_is_that_of_advanced_ligo():
    asd = np.sqrt(design_psd(np.array([20.0, 40.0, 100.0, 245.4, 1000.0])))
    # 14.358 is the sum of the fit's coefficients.
    assert asd[3] == pytest.approx(np.sqrt(14.358e-48), rel=1e-3)
    assert (asd > 3e-24).all()
    assert asd[0] > 3 * asd[1] > 4 * asd[3]
    assert asd[4] > 1.3 * asd[3]


def test_design_is_finite_everywhere():
    psd = design_psd(np.array([0.0, 1.0, 8.0, 8192.0]))
    assert np.isfinite(psd).all()
    assert psd[0] == psd[1] == psd[2]


@given(st.integers(0, 2**32))
@settings(max_examples=30)
def test_observed_curves_have_a_wall_and_a_bucket(seed):
    f = np.geomspace(1, 4096, 500)
    psd = observed_psd(f, np.random.default_rng(seed))
    assert np.isfinite(psd).all()
    assert (psd > 0).all()
    best = f[psd.argmin()]
    assert 50 < best < 600
    assert psd[f < 12].min() > 100 * psd.min()


def model(f):
    return 1e-46 * (1 + (50 / np.maximum(f, 8)) ** 4)


@pytest.mark.parametrize(
    "psd",
    [model, (np.arange(4097.0), model(np.arange(4097.0))), "aligo"],
    ids=["function", "arrays", "name"],
)
@pytest.mark.parametrize("sample_rate", [4096.0, 16384.0])
def test_noise_has_the_density_asked_for(psd, sample_rate):
    noise = NoiseModel(sample_rate, 64.0, psd, lines=False, wander=0).draw(np.random.default_rng(0))
    assert noise.strain.shape == (64 * sample_rate,)
    assert noise.strain.dtype == np.float64
    f, measured = welch(noise.strain, sample_rate, nperseg=int(sample_rate), average="median")
    wanted = model(f) if psd != "aligo" else design_psd(f)
    for low, high in ((20, 40), (40, 100), (100, 500), (500, 1900)):
        band = (f >= low) & (f < high)
        assert np.median(measured[band] / wanted[band]) == pytest.approx(1, rel=0.1)
    np.testing.assert_allclose(
        np.interp(f, noise.frequencies, noise.psd)[20:1900], wanted[20:1900], rtol=0.02
    )


def test_same_seed_same_noise():
    first, second, other = (
        NoiseModel().draw(np.random.default_rng(seed)).strain for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_ends_do_not_meet():
    """Noise made in the frequency domain is periodic; what is returned must not be."""
    ends = []
    for seed in range(25):
        strain = (
            NoiseModel(psd="aligo", lines=False, wander=0).draw(np.random.default_rng(seed)).strain
        )
        ends.append([strain[-1], strain[0]])
    assert abs(np.corrcoef(np.transpose(ends))[0, 1]) < 0.6


def test_lines_stand_out_where_detectors_have_them():
    noise = NoiseModel(duration=32.0, psd="aligo", wander=0).draw(np.random.default_rng(3))
    ratio = noise.psd / noise.smooth
    f = noise.frequencies
    for low, high in ((59.5, 60.5), (499, 517), (990, 1026)):
        assert ratio[(f > low) & (f < high)].max() > 10
    assert np.median(ratio) < 1.05
    # Whitening sees the same lines, wider and lower.
    band = (f > 59) & (f < 61)
    assert 1 < (noise.seen / noise.smooth)[band].max() < ratio[band].max()


def test_level_wanders_by_no_more_than_asked():
    def spread(wander):
        levels = []
        for seed in range(12):
            noise = NoiseModel(psd="aligo", lines=False, wander=wander)
            strain = noise.draw(np.random.default_rng(seed)).strain
            levels.append(np.std(np.log(strain.reshape(8, -1).std(axis=1))))
        return np.mean(levels)

    assert spread(0) < spread(1.0) < 1.0


def test_unknown_psd():
    with pytest.raises(ValueError, match="'random', 'observed', 'aligo'"):
        NoiseModel(psd="o4")


def test_density_of_real_noise_is_measured():
    strain = (
        NoiseModel(duration=32.0, psd=model, lines=False, wander=0)
        .draw(np.random.default_rng(5))
        .strain
    )
    measured = measured_noise(strain, 4096.0)
    f = measured.frequencies
    band = (f > 20) & (f < 1900)
    assert np.median(measured.psd[band] / model(f[band])) == pytest.approx(1, rel=0.05)
    assert np.abs(np.log(measured.smooth[band] / model(f[band]))).max() < 1.0
    assert np.isfinite(measured_noise(np.zeros(32768), 4096.0).psd).all()
