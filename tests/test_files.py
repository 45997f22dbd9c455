"""Paths that are one or many, in every form in which readers may be given them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skglitch import load
from skglitch._files import list_paths
from skglitch.datasets import load_glitches, load_gravity_spy, load_strain
from skglitch.spectrograms import read_picture

NAMES = ["a.hdf5", "b.hdf5"]
SEVERAL = {
    "list": list,
    "tuple": tuple,
    "generator": lambda names: (name for name in names),
    "map": lambda names: map(Path, names),
    "array": np.array,
    "array of objects": lambda names: np.array(list(map(Path, names)), dtype=object),
    "series": pd.Series,
    "index": pd.Index,
}
several = pytest.mark.parametrize("make", SEVERAL.values(), ids=SEVERAL)


@several
def test_paths_in_any_iterable_are_listed(make):
    assert list(map(str, list_paths(make(NAMES)))) == NAMES


@pytest.mark.parametrize(
    "other",
    [1.0, None, [1.0, 2.0], np.zeros(3), {"H1": "a.hdf5"}, pd.DataFrame({"a.hdf5": [1]}), b"a"],
    ids=["number", "None", "list", "array", "mapping", "frame", "bytes"],
)
def test_what_is_no_path_is_not_listed(other):
    assert list_paths(other) is None


def test_one_path_and_none_at_all():
    assert list_paths("a") == list_paths(np.array("a")) == ["a"]
    assert list_paths(iter([])) == []


@several
def test_several_strain_files_for_one_are_refused_as_such(make):
    with pytest.raises(ValueError, match="of paths, but must be one file"):
        load_strain(make(NAMES))


@several
@pytest.mark.parametrize(
    ("read", "name"),
    [
        (load_gravity_spy, "folder"),
        (load_glitches, "path"),
        (read_picture, "path"),
        (load, "path"),
    ],
    ids=["load_gravity_spy", "load_glitches", "read_picture", "load"],
)
def test_several_paths_for_one_are_refused_by_name(make, read, name):
    with pytest.raises(TypeError, match=f"^{name}=(?s:.*) must be one path"):
        read(make(NAMES))
