"""Sets of simulated glitches: what is in them, and that they can be had again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skglitch.datasets import load_strain, make_glitches
from skglitch.datasets._make_glitches import _apportion

QUICK = {"durations": (0.5, 1.0), "size": (35, 43), "duration": 4.0, "device": "cpu"}


def test_what_is_in_the_bunch():
    bunch = make_glitches(6, classes=["Blip", "Chirp"], return_strain=True, random_state=0, **QUICK)
    assert bunch.data.shape == (6, 2, 35, 43)
    assert bunch.data.dtype == np.uint8
    assert bunch.target_names == ["Blip", "Chirp"]
    assert set(bunch.target) == {"Blip", "Chirp"}
    assert bunch.strain.shape == (6, 4 * 8192)
    assert len(set(bunch.ids)) == 6
    assert len(bunch.parameters) == 6
    assert set(bunch.descriptions) == {"Blip", "Chirp"}
    assert bunch.durations == (0.5, 1.0)
    # Loud enough to be seen, and where they should be.
    assert (bunch.snr >= 7.5).all()
    assert ((bunch.peak_frequency > 10) & (bunch.peak_frequency < 2048)).all()
    middle = bunch.data[:, 1, :, 18:25].max(axis=(1, 2))
    assert (middle > 60).all()


def test_the_seed_decides_all_and_the_number_of_processes_nothing():
    settings = {"classes": ["Blip", "Whistle", "No_Glitch"], **QUICK}
    one = make_glitches(8, random_state=3, **settings)
    again = make_glitches(8, random_state=3, n_jobs=2, **settings)
    other = make_glitches(8, random_state=4, **settings)
    np.testing.assert_array_equal(one.data, again.data)
    np.testing.assert_array_equal(one.target, again.target)
    assert one.parameters == again.parameters
    assert not np.array_equal(one.data, other.data)


def test_x_and_y():
    X, y = make_glitches(3, classes=["Blip"], return_X_y=True, **QUICK)
    assert X.shape == (3, 2, 35, 43)
    assert y.tolist() == ["Blip"] * 3


def test_classes_are_those_of_gravity_spy_or_all():
    assert len(make_glitches(22, **QUICK).target_names) == 22
    assert set(make_glitches(22, **QUICK).target) == set(make_glitches(22, **QUICK).target_names)
    every = make_glitches(1, classes="all", **QUICK).target_names
    assert {"Reverse_Chirp", "Fast_Scattering", "Blip_Low_Frequency"} < set(every)
    assert len(every) == 25


def test_weights():
    names = ["Blip", "Paired_Doves", "Tomte"]
    counts = {
        kind: np.unique(
            make_glitches(40, classes=names, weights=weights, **QUICK).target, return_counts=True
        )[1].tolist()
        for kind, weights in {
            "real": "gravity_spy",
            "even": "balanced",
            "own": {"Tomte": 3, "Blip": 1},
        }.items()
    }
    # 1869, 27 and 116 in the training set, but at least one.
    assert counts["real"] == [37, 1, 2]
    assert sorted(counts["even"]) == [13, 13, 14]
    assert counts["own"] == [10, 30]


@settings(max_examples=100)
@given(
    n_samples=st.integers(1, 300),
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=25).filter(lambda v: sum(v) > 1e-3),
)
def test_numbers_add_up_and_follow_their_shares(n_samples, shares):
    shares = np.array(shares) / sum(shares)
    counts = _apportion(n_samples, shares)
    assert counts.sum() == n_samples
    assert (counts[shares == 0] == 0).all()
    wanted = shares > 0
    if wanted.sum() <= n_samples:
        assert (counts[wanted] >= 1).all()
    # As near as whole numbers allow, beside what the smallest classes were given.
    assert (counts <= np.ceil(shares * n_samples) + 1).all()


def test_in_real_noise(real_data):
    path = next((real_data / "strain_events").glob("L-*.hdf5"))
    noise = load_strain(path)
    options = {"classes": ["Koi_Fish"], "return_strain": True, "random_state": 0, **QUICK}
    bunch = make_glitches(3, noise=noise, sample_rate=4096, **options)
    # What was added to is a stretch of that strain: its slow swings are there.
    assert bunch.strain.std() == pytest.approx(noise.data.std(), rel=0.5)
    assert bunch.data.max() == 255
    array = make_glitches(3, noise=noise.data, sample_rate=4096, **options)
    np.testing.assert_array_equal(array.data, bunch.data)
    with pytest.raises(ValueError, match="sample_rate=8192 is not 4096"):
        make_glitches(3, noise=noise, **options)


def test_older_pictures_are_darker():
    options = {"classes": ["No_Glitch"], "return_X_y": True, "random_state": 0, **QUICK}
    median, mean, mixed = (
        make_glitches(8, norm=norm, **options)[0].astype(float)
        for norm in ("median", "mean", "mixed")
    )
    np.testing.assert_allclose(mean, np.log(2) * median, atol=1.01)
    is_dark = mixed.mean(axis=(1, 2, 3)) < 0.9 * median.mean(axis=(1, 2, 3))
    assert 0 < is_dark.sum() < 8


def test_in_noise_of_a_given_spectrum():
    frequencies = np.linspace(0, 2048, 500)
    psd = 1e-46 * np.ones(500)
    bunch = make_glitches(
        1, classes=["No_Glitch"], noise=(frequencies, psd), return_strain=True, **QUICK
    )
    assert bunch.strain.std() == pytest.approx(np.sqrt(1e-46 * 2048), rel=0.6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_samples": 0}, "n_samples=0"),
        ({"classes": ["Blib"]}, "'Blib' is not a simulated class. Did you mean 'Blip'?"),
        ({"classes": ["koi fish"]}, "Did you mean 'Koi_Fish'"),
        ({"classes": "Blip"}, "classes='Blip' is neither a list of classes nor 'all'"),
        ({"classes": []}, "is empty"),
        ({"weights": "even"}, "weights='even' is not 'gravity_spy'"),
        ({"classes": ["Blip"], "weights": {"Tomte": 1}}, "weights: 'Tomte' is not in classes"),
        ({"classes": ["Blip"], "weights": {"Blip": -1}}, "must be numbers, none negative"),
        ({"norm": "none"}, "norm='none' is not one of"),
        ({"noise": "quiet"}, "psd='quiet' is not one of"),
        ({"noise": np.zeros(100)}, "is not strain of at least 4 s"),
        ({"noise": np.full(5 * 8192, np.nan)}, "noise has NaN"),
        ({"duration": 2.0}, "X has 2 s of strain"),
        ({"size": (0, 5)}, "size="),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_glitches(**{"n_samples": 2, **QUICK, **parameters})
