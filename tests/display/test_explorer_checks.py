"""What the explorer refuses, and that it does so before a net, a layout or a file takes time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skglitch.display import EmbeddingExplorer

PLACES = np.random.default_rng(0).normal(size=(6, 2))
X = np.zeros((6, 2, 8, 9), dtype=np.uint8)
GAP = np.ones((6, 2, 8, 9), dtype=np.float32)
GAP[4, 1, 2, 3] = np.nan
IDS = list("uvwxyz")

# What the map and the page have in common: options of the class, and what is told.
REFUSED = [
    ({"labels": list("abc")}, r"labels has shape \(3,\), but there are 6 glitches"),
    ({"labels": "a"}, r"labels has shape \(\), but there are 6 glitches"),
    ({"ids": list("abc")}, r"ids has shape \(3,\)"),
    ({"ids": list("uvwxyu")}, r"ids\[0\] and ids\[5\] are both 'u'.* or pass ids=None for row"),
    ({"ids": [1, 2, 3, 4, 5, "1"]}, r"ids\[0\] and ids\[5\] are both '1'"),
    ({"ids": [None, *IDS[1:]]}, r"ids\[0\]=None is missing"),
    ({"ids": [*IDS[:5], ""]}, r"ids\[5\]='' is missing"),
    ({"ids": [1.0, 2, 3, np.nan, 5, 6]}, r"ids\[3\]=nan is missing"),
    ({"ids": pd.Series([1, 2, 3, None, 5, 6], dtype="Int64")}, r"ids\[3\]=\S+ is missing"),
    ({"about": {"snr": np.zeros(7)}}, r"about\['snr'\] has shape \(7,\)"),
    ({"about": {"snr": 8.0}}, r"about\['snr'\] has shape \(\)"),
    ({"about": {"label": list("abcdef")}}, "about has a column 'label': pass it as labels="),
    ({"about": {"id": list("abcdef")}}, "about has a column 'id': pass it as ids="),
    ({"about": {3: IDS, "3": IDS}}, "about has two columns '3'"),
    (
        {"about": pd.DataFrame(np.zeros((6, 2)), columns=["snr", "snr"])},
        "about has two columns 'snr'",
    ),
    ({"X": X[:5]}, r"X has shape \(5, 2, 8, 9\), but the map has 6 glitches"),
    ({"X": 1}, r"X has shape \(\), but the map has 6 glitches"),
    ({"X": X[..., :0]}, r"shape \(2, 8, 0\), but needs at least one pixel"),
    ({"X": X.reshape(6, -1)}, r"views must be one glitch"),
    ({"X": X.astype(str)}, "X has the type .*, but energies of pixels are numbers"),
    ({"X": GAP}, r"X\[4\] has pixels that are NaN or infinite: numpy.nan_to_num"),
    ({"X": GAP * np.inf}, r"X\[0\] has pixels that are NaN or infinite"),
    ({"durations": (1, 2, 4)}, r"durations=\(1, 2, 4\) has 3 durations in s for 2 views"),
    ({"durations": (1, np.nan)}, r"durations=\(1.0, nan\) must be positive"),
    ({"durations": (-1, 4)}, r"durations=\(-1, 4\) must be positive"),
    ({"durations": ("1", "4")}, r"durations=\('1', '4'\) must be positive"),
    ({"frange": (2048, 10)}, r"frange=\(2048, 10\) must be a lowest and a highest"),
    ({"frange": (10,)}, r"frange=\(10,\) must be a lowest and a highest"),
    ({"frange": (10, np.nan)}, r"frange=\(10, nan\) must be a lowest and a highest"),
]


class Net:
    """A transformer that must not be asked for anything."""

    def transform(self, X):
        pytest.fail("it was embedded")


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_errors_come_early(options, message, tmp_path, monkeypatch):
    options = {"X": X, "durations": (1, 4)} | options
    path = tmp_path / "explorer.html"
    with pytest.raises(ValueError, match=message):
        EmbeddingExplorer(PLACES, **options).write(path)
    assert not any(tmp_path.iterdir())
    monkeypatch.setattr("sklearn.manifold.TSNE", lambda *_, **__: pytest.fail("it was laid out"))
    with pytest.raises(ValueError, match=message):
        EmbeddingExplorer.from_embeddings(np.eye(6), **options)
    pictures = options.pop("X")
    if np.shape(pictures)[:1] == (6,):
        with pytest.raises(ValueError, match=message):
            EmbeddingExplorer.from_estimator(Net(), pictures, **options)


def test_options_of_the_layout_are_refused_before_glitches_are_embedded():
    with pytest.raises(ValueError, match="method='mds'"):
        EmbeddingExplorer.from_estimator(Net(), X, method="mds")
    with pytest.raises(ValueError, match="n_components=4"):
        EmbeddingExplorer.from_estimator(Net(), X, n_components=4)
    with pytest.raises(TypeError, match="color"):
        EmbeddingExplorer.from_estimator(Net(), X, color="red")


@pytest.mark.parametrize("about", [[1] * 6, "abc", np.zeros((6, 2)), pd.Series([1] * 6)])
def test_what_is_known_needs_names(about, tmp_path):
    with pytest.raises(TypeError, match=r"about .* got \w+"):
        EmbeddingExplorer(PLACES, about=about).write(tmp_path / "explorer.html")


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        (np.zeros((6, 5)), r"shape \(6, 5\), but a map .* 2 or 3 columns"),
        (np.zeros(6), r"embedding has shape \(6,\)"),
        (np.empty((0, 2)), r"embedding has shape \(0, 2\)"),
        (np.full((6, 2), np.nan), "embedding contains NaN"),
    ],
)
def test_places_are_checked(coordinates, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        EmbeddingExplorer(coordinates).write(tmp_path / "explorer.html")


@pytest.mark.parametrize("size", ["a", 0, -1, np.nan, None])
@pytest.mark.parametrize("pictures", [X, None])
def test_sizes_are_positive(size, pictures, tmp_path):
    explorer = EmbeddingExplorer(PLACES, X=pictures, durations=(1, 4))
    with pytest.raises(ValueError, match="max_megabytes="):
        explorer.write(tmp_path / "explorer.html", max_megabytes=size)


def test_numbers_that_are_no_strings_are_ids(tmp_path):
    for ids in (range(6), np.arange(6) - 1, [0.5, 1, 2, 3, 4, 5], pd.Index(IDS)):
        EmbeddingExplorer(PLACES, ids=ids).write(tmp_path / "explorer.html")


def test_labels_in_a_column(tmp_path):
    labels = np.array(list("aabbcc"))
    for name, given in (("flat", labels), ("column", labels[:, None])):
        EmbeddingExplorer(PLACES, given, about={"cluster": given}).write(tmp_path / name)
    assert (tmp_path / "flat").read_bytes() == (tmp_path / "column").read_bytes()


def test_a_map_of_glitches_that_are_all_alike():
    explorer = EmbeddingExplorer.from_embeddings(np.ones((88, 5)), ["a"] * 88)
    np.testing.assert_array_equal(explorer.embedding, 0)
