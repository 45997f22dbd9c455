"""Figures of maps: what is drawn of which glitch, how it is called, and what is refused."""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from skglitch.display import EmbeddingDisplay


@pytest.fixture
def coordinates():
    return np.random.default_rng(0).normal(size=(6, 2))


def names_in_legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def render(display):
    FigureCanvasAgg(display.figure_).draw()


@pytest.mark.parametrize("method", ["tsne", "pca"])
@pytest.mark.parametrize("n_components", [2, 3])
def test_methods(method, n_components):
    embeddings = np.random.default_rng(0).normal(size=(30, 8))
    display = EmbeddingDisplay.from_embeddings(
        embeddings, method=method, n_components=n_components, ax=Figure()
    )
    assert display.embedding.shape == (30, n_components)


def test_without_umap(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"skglitch\[umap\]"):
        EmbeddingDisplay.from_embeddings(np.eye(4), method="umap")


def test_clusters_and_what_is_in_none():
    coordinates = np.random.default_rng(0).normal(size=(9, 2))
    display = EmbeddingDisplay(coordinates, np.repeat([-1, 0, 1], 3)).plot(Figure(), legend=True)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["0", "1", "in no cluster"]
    assert [text.get_text() for text in display.texts_] == ["0", "1"]


def test_highlight():
    coordinates = np.random.default_rng(0).normal(size=(9, 2))
    labels = np.repeat(["a", "b", "c"], 3)
    display = EmbeddingDisplay(coordinates, labels).plot(Figure(), highlight="b", legend=True)
    colors = {c.get_label(): c.get_facecolor()[0, :3] for c in display.ax_.collections}
    drawn = {c.get_label(): c.get_offsets() for c in display.ax_.collections}
    for label, members in drawn.items():
        np.testing.assert_array_equal(members, coordinates[labels == label])
    legend = display.ax_.get_legend()
    listed = {text.get_text(): n for n, text in enumerate(legend.get_texts())}
    # All that is gray looks the same, and is listed as one.
    assert list(listed) == ["b", "others"]
    for name, label in (("b", "b"), ("others", "a")):
        shown = legend.legend_handles[listed[name]].get_facecolor()[0, :3]
        assert (shown == colors[label]).all()
    assert (colors["a"] == colors["c"]).all()
    assert not (colors["a"] == colors["b"]).all()
    with pytest.raises(ValueError, match="highlight='d'"):
        EmbeddingDisplay(coordinates, labels).plot(highlight="d")


def test_errors():
    with pytest.raises(ValueError, match="2 or 3 columns"):
        EmbeddingDisplay(np.eye(4)).plot()
    with pytest.raises(ValueError, match=r"labels .*\(1,\).* 3 "):
        EmbeddingDisplay(np.eye(3), ["a"]).plot()
    with pytest.raises(ValueError, match="names=True"):
        EmbeddingDisplay(np.eye(3), list("abc")).plot(names=True)
    with pytest.raises(ValueError, match="method='mds'"):
        EmbeddingDisplay.from_embeddings(np.eye(4), method="mds")


NO_LABELS = {
    "empty": ["", "b", "a", "", "b", "a"],
    "none": [None, "b", "a", None, "b", "a"],
    "nan": [np.nan, "b", "a", np.nan, "b", "a"],
    "array": np.array([np.nan, "b", "a", None, "b", "a"], dtype=object),
    "series": pd.Series([None, "b", "a", None, "b", "a"], dtype="string"),
    "categories": pd.Series([None, "b", "a", None, "b", "a"]).astype("category"),
    "all of them": ["", "b", "a", None, "b", "a"],
}


@pytest.mark.parametrize("labels", NO_LABELS.values(), ids=NO_LABELS)
@pytest.mark.parametrize("n_components", [2, 3])
def test_glitches_without_a_label_are_gray_and_beneath(labels, n_components):
    coordinates = np.random.default_rng(0).normal(size=(6, n_components))
    display = EmbeddingDisplay(coordinates, labels).plot(Figure(), legend=True)
    assert names_in_legend(display) == ["a", "b", "unlabeled"]
    assert [text.get_text() for text in display.texts_] == ["a", "b"][: 2 * (n_components == 2)]
    render(display)
    drawn = sorted(display.ax_.collections, key=lambda collection: collection.get_zorder())
    assert [len(collection.get_offsets()) for collection in drawn] == [2, 2, 2]
    assert drawn[0].get_label() == "unlabeled"
    # Gray is as red as it is green and blue.
    n_tones = [len(set(collection.get_facecolor()[0, :3])) for collection in drawn]
    assert n_tones[0] == 1
    assert min(n_tones[1:]) > 1


def test_numbers_with_gaps_are_whole(coordinates):
    gaps = [2, np.nan, 10, 2, np.nan, 1]
    for labels in (gaps, np.array(gaps), pd.Series([2, None, 10, 2, None, 1], dtype="Int64")):
        display = EmbeddingDisplay(coordinates, labels).plot(Figure(), legend=True)
        assert names_in_legend(display) == ["1", "2", "10", "unlabeled"]
    display = EmbeddingDisplay(coordinates, [2.5, None, 0, None, 2.5, 0]).plot(
        Figure(), legend=True
    )
    assert names_in_legend(display) == ["0", "2.5", "unlabeled"]


def test_a_map_without_a_legend_tells_what_gray_is(coordinates):
    def note(labels, **options):
        return EmbeddingDisplay(coordinates, labels, **options).plot(Figure()).ax_.get_xlabel()

    assert note([*list("aabb"), "", ""], method="PCA") == ("PCA of the embeddings; gray: unlabeled")
    assert note([0, 0, 1, 1, -1, -1]) == "gray: in no cluster"
    assert note(list("aabbcc"), method="PCA") == "PCA of the embeddings"


def test_no_glitch_has_a_label(coordinates):
    for legend in (True, False):
        display = EmbeddingDisplay(coordinates, [""] * 6).plot(Figure(), legend=legend)
        assert display.texts_ == []
        render(display)
    display = EmbeddingDisplay(coordinates).plot(Figure(), legend=True)
    assert display.ax_.get_legend() is None
    assert len(display.ax_.collections[0].get_offsets()) == 6


def test_names_are_written_as_they_are(coordinates):
    names = ["$\\frac$", "_hidden", "$x$"]
    display = EmbeddingDisplay(coordinates, np.repeat(names, 2)).plot(Figure(), legend=True)
    render(display)
    assert names_in_legend(display) == sorted(names)
    written = [*display.texts_, *display.ax_.get_legend().get_texts()]
    assert not any(text.get_parse_math() for text in written)
    assert all(text.get_visible() for text in written)


def test_names_of_highlighted_classes_are_bold(coordinates):
    display = EmbeddingDisplay(coordinates, list("aabbcc")).plot(Figure(), highlight=["c", "a"])
    weights = {text.get_text(): text.get_fontweight() for text in display.texts_}
    assert weights == {"a": "bold", "c": "bold", "b": "normal"}
    assert [text.get_text() for text in display.texts_][2] == "b"
    plain = EmbeddingDisplay(coordinates, list("aabbcc")).plot(Figure())
    assert {text.get_fontweight() for text in plain.texts_} == {"normal"}


def test_markers_in_the_legend_are_large_whatever_the_number_of_points():
    coordinates = np.random.default_rng(0).normal(size=(5000, 2))
    display = EmbeddingDisplay(coordinates, ["a", "b"] * 2500).plot(Figure(), legend=True)
    sizes = [handle.get_sizes()[0] for handle in display.ax_.get_legend().legend_handles]
    assert min(sizes) > 3 * display.ax_.collections[0].get_sizes()[0]


def test_labels_in_a_column(coordinates):
    display = EmbeddingDisplay(coordinates, np.array(list("aabbcc"))[:, None]).plot(Figure())
    assert [text.get_text() for text in display.texts_] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", 1, "b", 2, "a", ""], "labels must hold strings only .* found int and str"),
        ([0, 1, None, 2, "a", ""], "labels must hold strings only .* found int and str"),
        ("a", r"labels has shape \(\), but there are 6 glitches"),
        (np.zeros((6, 2)), r"labels has shape \(6, 2\), but there are 6 glitches"),
        (list("abc"), r"labels has shape \(3,\), but there are 6 glitches"),
    ],
)
def test_labels_are_refused_before_the_map_is_computed(coordinates, labels, message, monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE", lambda *_, **__: pytest.fail("it was computed"))
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay(coordinates, labels).plot(Figure())
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_embeddings(np.eye(6), labels)

    class Net:
        def transform(self, X):
            pytest.fail("it was embedded")

    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_estimator(Net(), np.zeros((6, 1, 4, 4)), labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"highlight": "d"}, "highlight='d' is not among the labels"),
        ({"highlight": ["a", ""]}, "highlight='' is no label"),
        ({"n_components": 3, "names": True}, "names=True needs a map in two dimensions"),
        ({"n_components": 3, "ax": Figure().subplots()}, r"ax=.* 3 dimensions.* projection=\"3d\""),
        ({"method": "mds"}, "method='mds' is none of"),
        ({"n_components": 1}, "n_components=1 is neither"),
    ],
)
def test_options_are_refused_before_the_map_is_computed(options, message, monkeypatch):
    monkeypatch.setattr("sklearn.manifold.TSNE", lambda *_, **__: pytest.fail("it was computed"))
    before = plt.get_fignums()
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_embeddings(np.eye(6), list("aabbcc"), **options)
    assert plt.get_fignums() == before


def test_axes_of_other_dimensions(coordinates):
    solid = Figure().subplots(subplot_kw={"projection": "3d"})
    with pytest.raises(ValueError, match="2 dimensions"):
        EmbeddingDisplay(coordinates).plot(solid)
    three = np.c_[coordinates, coordinates[:, 0]]
    with pytest.raises(ValueError, match="3 dimensions"):
        EmbeddingDisplay(three).plot(Figure().subplots())
    assert EmbeddingDisplay(three).plot(solid).ax_ is solid
    with pytest.raises(TypeError, match="ax='x'"):
        EmbeddingDisplay(coordinates).plot("x")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.full((6, 2), np.nan), "embedding contains NaN"),
        (np.full((6, 2), np.inf), "embedding contains infinity"),
        (np.empty((0, 2)), r"embedding has shape \(0, 2\)"),
        (np.zeros(6), r"embedding has shape \(6,\)"),
        (np.zeros((6, 4)), r"embedding has shape \(6, 4\), but a map .* 2 or 3 columns"),
    ],
)
def test_places_are_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay(wrong, ["a"] * len(wrong)).plot(Figure())


def test_a_map_of_glitches_that_are_all_alike():
    display = EmbeddingDisplay.from_embeddings(np.ones((88, 5)), ["a"] * 88, ax=Figure())
    np.testing.assert_array_equal(display.embedding, 0)
    render(display)
