"""Arrays on disk: rows of them in any order, and estimators that do not copy them."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GridSearchCV, cross_validate, train_test_split

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import LazyArray

N = 40
VALUES = np.random.default_rng(0).integers(0, 256, (N, 4, 16, 20), dtype=np.uint8)
LABELS = np.array(["Blip", "Tomte"])[np.arange(N) % 2]
KINDS = ("memory map", "h5py", "chunked h5py", "zarr", "array")


def store(kind, values, folder):
    """Write an array to disk, and open it."""
    if kind == "array":
        return values
    if kind == "memory map":
        np.save(folder / "X.npy", values)
        return np.load(folder / "X.npy", mmap_mode="r")
    if kind == "zarr":
        array = zarr.create_array(
            folder / "X.zarr", shape=values.shape, dtype=values.dtype, chunks=(7, *values.shape[1:])
        )
        array[:] = values
        return zarr.open_array(folder / "X.zarr", mode="r")
    with h5py.File(folder / f"{kind}.h5", "w") as file:
        options = {"chunks": (7, *values.shape[1:]), "compression": "gzip"}
        file.create_dataset("a/X", data=values, **(options if "chunked" in kind else {}))
    return h5py.File(folder / f"{kind}.h5")["a/X"]


@pytest.fixture(scope="module", params=KINDS)
def source(request, tmp_path_factory):
    return store(request.param, VALUES, tmp_path_factory.mktemp("X"))


class Spy:
    """An array on disk that counts the rows that are read at a time."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.most, self.n_read = 0, 0

    def __getitem__(self, key):
        part = self.values[key]
        self.most, self.n_read = max(self.most, len(part)), self.n_read + len(part)
        return part


@st.composite
def keys(draw, n):
    """Draw what selects rows of an array of length n."""
    number = st.integers(-n, n - 1)
    numbers = st.lists(number, max_size=12) if n else st.just([])
    kinds = {
        "slice": st.slices(n),
        "numbers": numbers.map(lambda listed: np.array(listed, dtype=int)),
        "list": st.lists(number, min_size=1, max_size=5) if n else st.just(slice(None)),
        "mask": st.lists(st.booleans(), min_size=n, max_size=n).map(lambda m: np.array(m, bool)),
    }
    return draw(kinds[draw(st.sampled_from(sorted(kinds)))])


@given(data=st.data())
def test_indices_of_indices_are_those_of_an_array(source, data):
    expected, lazy = VALUES, LazyArray(source)
    for _ in range(data.draw(st.integers(1, 4))):
        key = data.draw(keys(len(expected)))
        expected = expected[key]
        lazy = lazy[key, ...] if data.draw(st.booleans()) else lazy[key]
        assert isinstance(lazy, LazyArray)
    assert lazy.shape == expected.shape
    assert len(lazy) == len(expected)
    np.testing.assert_array_equal(np.asarray(lazy), expected)
    for number in range(-len(expected), len(expected)):
        np.testing.assert_array_equal(lazy[number], expected[number])


def test_an_array_has_its_dtype_and_shape(source):
    lazy = LazyArray(source)
    assert (lazy.shape, lazy.dtype) == (VALUES.shape, VALUES.dtype)
    assert np.asarray(lazy[:2], dtype=float).dtype == float
    assert repr(lazy[:2]) == "LazyArray(shape=(2, 4, 16, 20), dtype=uint8)"


@pytest.mark.parametrize(
    "key", [(0, 1), (slice(None), 0), None, np.zeros((2, 2), int), N, "a"], ids=str
)
def test_only_rows_are_selected(key):
    with pytest.raises(IndexError):
        LazyArray(VALUES)[key]


def test_rows_are_pickled_and_not_the_data(source):
    lazy = pickle.loads(pickle.dumps(LazyArray(source)[[5, 1]]))
    np.testing.assert_array_equal(lazy, VALUES[[5, 1]])
    np.testing.assert_array_equal(lazy[0], VALUES[5])


def make(**params):
    settings = {"backbone": "test_efficientnet", "weights": None, "max_epochs": 1, "batch_size": 8}
    return CNNClassifier(**settings | {"random_state": 0, "device": "cpu"} | params)


def test_estimators_read_in_batches(source):
    expected = make(class_weight="balanced").fit(VALUES, LABELS)
    model = make(class_weight="balanced").fit(source, LABELS)
    np.testing.assert_array_equal(model.predict_proba(source), expected.predict_proba(VALUES))
    assert model.fit_data_[0]["sha256"] == expected.fit_data_[0]["sha256"]
    embed = TruncatedCNNTransformer(model).fit(source)
    np.testing.assert_array_equal(
        embed.transform(source), TruncatedCNNTransformer(expected).fit_transform(VALUES)
    )


def test_no_more_than_a_few_rows_are_read_at_a_time(tmp_path):
    spy, labels = Spy(np.resize(VALUES, (600, 1, 16, 20))), np.resize(LABELS, 600)
    model = make(checkpoint=tmp_path, batch_size=64).fit(spy, labels)
    model.predict_proba(spy)
    TruncatedCNNTransformer(model).fit(spy).transform(spy)
    assert spy.most == 256 < 600 < spy.n_read
    # The checkpoint of an array is that of the same values on disk.
    make(checkpoint=tmp_path, batch_size=64).fit(spy.values, labels)
    assert len(list(tmp_path.iterdir())) == 1


def test_splits_read_nothing():
    spy = Spy(VALUES)
    parts = train_test_split(LazyArray(spy), LABELS, stratify=LABELS, random_state=0)
    expected = train_test_split(VALUES, LABELS, stratify=LABELS, random_state=0)
    assert spy.n_read == 0
    for part, values in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(part, values)


def test_folds_and_searches_read_in_batches():
    spy = Spy(np.resize(VALUES, (120, 1, 16, 20)))
    labels = np.resize(LABELS, 120)
    lazy = cross_validate(make(), LazyArray(spy), labels, cv=2, error_score="raise")
    plain = cross_validate(make(), spy.values, labels, cv=2)
    np.testing.assert_array_equal(lazy["test_score"], plain["test_score"])
    search = GridSearchCV(make(), {"max_epochs": [1]}, cv=2, error_score="raise")
    search.fit(LazyArray(spy), labels)
    # 20 glitches of each class are kept.
    assert spy.most <= 40


def test_a_search_in_processes_opens_the_file_in_each(tmp_path):
    source = LazyArray(store("h5py", VALUES, tmp_path))
    search = GridSearchCV(make(), {"max_epochs": [1]}, cv=2, n_jobs=2, error_score="raise")
    assert search.fit(source, LABELS).best_score_ >= 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.int16, ">f8"])
def test_other_numbers_mean_what_they_mean_in_an_array(kind, dtype, tmp_path):
    values = VALUES.astype(dtype) - (30 if dtype == np.float32 else 0)
    source = store(kind, values, tmp_path)
    expected, model = make().fit(values, LABELS), make().fit(source, LABELS)
    assert model.scale_ == expected.scale_
    np.testing.assert_array_equal(model.predict_proba(source), expected.predict_proba(values))


def test_flat_samples_and_samples_of_one_view(tmp_path):
    for number, shape in enumerate([(N, 320), (N, 16, 20)]):
        values = np.ascontiguousarray(VALUES[:, 0]).reshape(shape)
        folder = tmp_path / str(number)
        folder.mkdir()
        source = store("h5py", values, folder)
        model = make(image_shape=(16, 20)).fit(source, LABELS)
        assert model.image_shape_ == (1, 16, 20)
        assert model.n_features_in_ == 320
        expected = make(image_shape=(16, 20)).fit(values, LABELS)
        np.testing.assert_array_equal(model.predict_proba(source), expected.predict_proba(values))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X: X[:0], "0 sample"),
        (lambda X: X.astype(complex), "omplex"),
        (lambda X: X[:, :, :8], "image"),
        (
            lambda X: np.where(np.arange(N).reshape(N, 1, 1, 1) == 30, np.nan, X),
            "1 of 40 rows .30.",
        ),
        (lambda X: X.astype(np.int64) * 2, "0 to 510 .first in row 0"),
    ],
    ids=["empty", "complex", "shape", "NaN", "range"],
)
def test_bad_data_are_refused_as_in_memory(change, match, tmp_path):
    model = make().fit(VALUES, LABELS)
    source = store("h5py", change(VALUES), tmp_path)
    with pytest.raises(ValueError, match=match):
        model.predict_proba(source)
