"""Glitches in an HDF5 file: what is written is read, and what is no good is named."""

from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from skglitch._labels import strip_labels
from skglitch._pictures import resize_energy
from skglitch.datasets import load_glitches, make_glitches

from .glitch_files import write_glitches

SHAPES = arrays.array_shapes(min_dims=4, max_dims=4, max_side=4)


@settings(max_examples=25)
@given(st.data())
def test_all_comes_back(tmp_path_factory, data):
    X = data.draw(arrays.arrays(st.sampled_from([np.uint8, np.float32]), SHAPES))
    # No NUL, at which HDF5 ends a text, and no halves of surrogate pairs, which are no text.
    alphabet = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    texts = st.lists(st.text(alphabet), min_size=len(X), max_size=len(X))
    bunch = {
        "data": X,
        "ids": data.draw(texts),
        "ifo": ["H1"] * len(X),
        "target": data.draw(texts),
        "gps": 1126259462.4 + np.arange(len(X)),
        "durations": tuple(0.5 * 2.0**n for n in range(X.shape[1])),
    }
    path = tmp_path_factory.mktemp("h5") / "glitches.h5"
    write_glitches(bunch, path)
    loaded = load_glitches(path)
    np.testing.assert_array_equal(loaded.data, X)
    assert loaded.data.dtype == X.dtype
    assert loaded.ids.tolist() == bunch["ids"]
    assert loaded.ifo.tolist() == bunch["ifo"]
    labels = strip_labels(bunch["target"])
    assert loaded.target.tolist() == labels
    assert loaded.target_names.tolist() == sorted(set(labels) - {""})
    assert loaded.gps.tolist() == bunch["gps"].tolist()
    assert loaded.durations == bunch["durations"]
    assert [file.name for file in path.parent.iterdir()] == ["glitches.h5"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["Blip ", " Blip", "nan"], ["Blip", "Blip", ""]),
        (["None", "  ", "Blip"], ["", "", "Blip"]),
        ([1.0, np.nan, 2.0], ["1.0", "", "2.0"]),
        ([[3], [-1], [4]], ["3", "", "4"]),
    ],
)
def test_missing_labels_are_no_class(tmp_path, labels, expected):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.ones((3, 1, 4, 5), dtype=np.uint8)
        file["label"] = labels
        file["ifo"] = ["H1", " L1", ""]
        file["gps_time"] = [[1e9], [1e9 + 1], [np.nan]]
    bunch = load_glitches(tmp_path / "x.h5")
    assert bunch.target.tolist() == expected
    assert bunch.target_names.tolist() == sorted(set(expected) - {""})
    assert bunch.ifo.tolist() == ["H1", "L1", ""]
    assert bunch.gps.shape == (3,)


def test_what_the_library_makes_can_be_saved(tmp_path):
    bunch = make_glitches(3, random_state=0, size=(14, 17), progress=False)
    write_glitches(bunch, tmp_path / "made.h5")
    loaded = load_glitches(tmp_path / "made.h5")
    np.testing.assert_array_equal(loaded.data, bunch.data)
    assert loaded.target.tolist() == bunch.target.tolist()
    assert loaded.durations == bunch.durations


def test_least_that_there_may_be(tmp_path):
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["X"] = np.ones((3, 4, 5))
    loaded = load_glitches(tmp_path / "bare.h5")
    assert loaded.data.shape == (3, 1, 4, 5)
    assert loaded.ids.tolist() == ["0", "1", "2"]
    assert loaded.ifo.tolist() == [""] * 3
    assert loaded.target is loaded.gps is loaded.durations is None


def test_durations_may_be_told_of_the_file_as_a_whole(tmp_path):
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["X"] = np.ones((3, 2, 4, 5))
        file.attrs["durations"] = [1, 4]
    assert load_glitches(tmp_path / "bare.h5").durations == (1.0, 4.0)


def test_a_label_that_is_none_is_empty(tmp_path):
    write_glitches({"data": np.ones((2, 1, 4, 5)), "target": ["Blip", None]}, tmp_path / "some.h5")
    loaded = load_glitches(tmp_path / "some.h5")
    assert loaded.target.tolist() == ["Blip", ""]
    assert loaded.target_names.tolist() == ["Blip"]


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"spectra": np.ones(3)}, "'data' or 'X'.*'spectra'"),
        ({"X": np.ones((3, 4))}, r"'X'.*\(3, 4\)"),
        ({"X": np.ones((0, 1, 4, 5))}, "not empty"),
        ({"X": ["a", "b"]}, "'X'.*numbers"),
        ({"X": np.ones((3, 1, 4, 5)), "id": ["a", "b"]}, "'X'.* 3 .*'id'.* 2"),
        ({"X": np.ones((3, 1, 4, 5)), "gps_time": [1.0]}, "'gps_time' has 1"),
    ],
)
def test_files_that_are_no_good(tmp_path, datasets, message):
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        for name, values in datasets.items():
            file[name] = values
    with pytest.raises(ValueError, match=message):
        load_glitches(tmp_path / "odd.h5")


def test_durations_that_do_not_fit(tmp_path):
    write_glitches({"data": np.ones((1, 2, 4, 5)), "durations": (4.0,)}, tmp_path / "odd.h5")
    with pytest.raises(ValueError, match=r"2 views.*durations=\(4\.0,\)"):
        load_glitches(tmp_path / "odd.h5")


def test_views_are_chosen_and_resized(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 10), dtype=np.uint8)
    write_glitches({"data": X, "durations": (0.5, 1.0, 4.0)}, tmp_path / "x.h5")
    loaded = load_glitches(tmp_path / "x.h5", durations=(4.0, 0.5))
    np.testing.assert_array_equal(loaded.data, X[:, [2, 0]])
    assert loaded.durations == (4.0, 0.5)
    small = load_glitches(tmp_path / "x.h5", size=(4, 5)).data
    assert small.shape == (3, 3, 4, 5)
    np.testing.assert_array_equal(small[1, 2], resize_energy(X[1, 2], (4, 5)))
    with pytest.raises(ValueError, match=r"no views of 2\.0 s, only of 0\.5, 1\.0, 4\.0 s"):
        load_glitches(tmp_path / "x.h5", durations=(1.0, 2.0))


def test_views_of_unknown_durations(tmp_path):
    write_glitches({"data": np.ones((1, 4, 4, 5))}, tmp_path / "four.h5")
    write_glitches({"data": np.ones((1, 2, 4, 5))}, tmp_path / "two.h5")
    assert load_glitches(tmp_path / "four.h5").durations == (0.5, 1.0, 2.0, 4.0)
    assert load_glitches(tmp_path / "two.h5").durations is None
    assert load_glitches(tmp_path / "two.h5", durations=(1.0, 4.0)).durations == (1.0, 4.0)
    with pytest.raises(ValueError, match=r"2 views.*'durations'"):
        load_glitches(tmp_path / "two.h5", durations=(1.0,))


def test_floats_are_not_resized(tmp_path):
    write_glitches({"data": np.ones((1, 1, 4, 5))}, tmp_path / "x.h5")
    with pytest.raises(ValueError, match=r"size=\(2, 2\).*float64"):
        load_glitches(tmp_path / "x.h5", size=(2, 2))


def test_narrow_times_are_refused(tmp_path):
    bunch = {"data": np.ones((1, 1, 4, 5)), "gps": np.float32([1e9])}
    write_glitches(bunch, tmp_path / "x.h5")
    with pytest.raises(ValueError, match=r"gps_time.*float32"):
        load_glitches(tmp_path / "x.h5")


def test_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.h5"):
        load_glitches(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(ValueError, match=r"text\.h5.*HDF5"):
        load_glitches(tmp_path / "text.h5")
    write_glitches({"data": np.ones((40, 1, 40, 50))}, tmp_path / "cut.h5")
    whole = (tmp_path / "cut.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.h5.*damaged"):
        load_glitches(tmp_path / "cut.h5")


def test_without_h5py(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"skglitch\[strain\]"):
        load_glitches(tmp_path / "glitches.h5")
