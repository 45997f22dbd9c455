"""The explorer's file, without a browser: what is in it, what fits, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import re
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.decomposition import PCA

from skglitch._pictures import resize_energy
from skglitch.display import EmbeddingExplorer, _explorer_display

EVIL = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]>&amp;\"'`",
    "{{data}}",
    "\u2028\U0001f300",
    "=1+1,\n",
]


class Page(HTMLParser):
    """What a browser would find: attributes that name resources, and scripts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.scripts, self.title, self._open = [], {}, "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = dict(attrs).get("id", "") if tag == "script" else tag

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open == "title":
            self.title += data
        elif self._open is not None and self.tags[-1][0] == "script":
            self.scripts[self._open] = self.scripts.get(self._open, "") + data

    @property
    def data(self):
        return json.loads(self.scripts["data"])

    def picture(self, number):
        """Decode a sheet as the page does."""
        head, content = self.scripts[f"sheet-{number}"].split(",")
        assert head == "data:image/webp;base64"
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("L"))


def numbers(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def written(*args, max_megabytes=40.0, **options) -> Page:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "explorer.html")
        EmbeddingExplorer(*args, **options).write(path, max_megabytes=max_megabytes)
        return Page(path.read_text(encoding="utf-8"))


@pytest.fixture
def coordinates():
    return np.random.default_rng(0).normal(size=(6, 2))


@pytest.fixture
def X():
    """Smooth glitches, as compression expects them: one bump each, elsewhere in each view."""
    y, x = np.mgrid[:70, :80]
    centers = np.random.default_rng(0).uniform(20, 50, size=(6, 2, 2))
    bumps = [[250 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 200) for a, b in c] for c in centers]
    return np.array(bumps).astype(np.uint8)


def codes(column):
    return numbers(column["codes"], "<u4").tolist()


def test_places_and_ids(coordinates):
    data = written(coordinates).data
    assert data["ids"] == ["0", "1", "2", "3", "4", "5"]
    assert (data["dimensions"], data["columns"], data["pictures"]) == (2, [], None)
    np.testing.assert_array_equal(
        numbers(data["places"], "<f4"), coordinates.astype(np.float32).ravel()
    )


def test_what_is_missing_has_no_class(coordinates):
    labels = ["Blip", None, np.nan, "", "10", pd.NA]
    (column,) = written(coordinates, labels).data["columns"]
    assert column["classes"] == ["10", "Blip"]
    assert codes(column) == [1, 2**32 - 1, 2**32 - 1, 2**32 - 1, 0, 2**32 - 1]


def test_clusters_are_sorted_as_numbers_and_gaps_make_no_floats(coordinates):
    (column,) = written(coordinates, [2, -1, 10, 2, -1, 1]).data["columns"]
    assert column["classes"] == ["1", "2", "10"]
    assert codes(column) == [1, 2**32 - 1, 2, 1, 2**32 - 1, 0]
    (gaps,) = written(coordinates, [2, np.nan, 10, 2, np.nan, 1]).data["columns"]
    assert gaps == column


def test_columns_of_a_table(coordinates):
    about = pd.DataFrame(
        {
            "prediction": list("bbacca"),
            "cluster": [0, 1, -1, 0, 1, 1],
            "snr": [1.5, np.nan, 3, 4, np.inf, 1.2e9 + 0.123456],
        }
    )
    label, prediction, cluster, snr = written(coordinates, list("aabbdd"), about=about).data[
        "columns"
    ]
    assert [label["name"], prediction["name"], cluster["name"]] == [
        "label",
        "prediction",
        "cluster",
    ]
    # "c" is not among the labels, "d" not among the predictions: the others keep their numbers.
    assert label["classes"] == ["a", "b", "d"]
    assert prediction["classes"] == ["a", "b", "d", "c"]
    assert codes(prediction) == [1, 1, 0, 3, 3, 0]
    assert cluster["classes"] == ["0", "1"]
    assert snr == {"name": "snr", "numbers": [1.5, None, 3, 4, None, 1200000000.123456]}


@pytest.mark.parametrize(
    "gaps",
    [
        [2, np.nan, 10, 2, None, -1],
        np.array([2, np.nan, 10, 2, np.nan, -1]),
        pd.Series([2, None, 10, 2, None, -1], dtype="Int64"),
        pd.Series([2, None, 10, 2, None, -1]),
    ],
    ids=["list", "floats", "Int64", "series"],
)
def test_integers_with_gaps_have_classes(coordinates, gaps):
    (column,) = written(coordinates, about={"cluster": gaps}).data["columns"]
    assert column["classes"] == ["2", "10"]
    assert codes(column) == [0, 2**32 - 1, 1, 0, 2**32 - 1, 2**32 - 1]


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([1, 2.5, None, -1, 4, 5], [1, 2.5, None, -1, 4, 5]),
        ([1e300, 2e300, np.nan, 1, 1, 1], [1e300, 2e300, None, 1, 1, 1]),
        ([np.nan] * 6, [None] * 6),
        (pd.Series([1.5, None, 2, 2, 2, 2], dtype="Float64"), [1.5, None, 2, 2, 2, 2]),
    ],
)
def test_what_is_measured_has_no_classes(coordinates, values, numbers):
    (column,) = written(coordinates, about={"snr": values}).data["columns"]
    assert column == {"name": "snr", "numbers": numbers}


def test_texts_stay_texts(coordinates):
    labels = EVIL
    page = written(
        coordinates,
        labels,
        ids=EVIL[::-1],
        title=EVIL[0],
        about={EVIL[0]: EVIL, "more": EVIL[::-1]},
    )
    plain = written(
        coordinates, list("abcdef"), about={"a": list("abcdef"), "more": list("abcdef")}
    )
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert page.title == EVIL[0]
    assert page.data["ids"] == EVIL[::-1]
    assert page.data["title"] == EVIL[0]
    label, evil, _ = page.data["columns"]
    assert [label["classes"][code] for code in codes(label)] == EVIL
    assert evil["name"] == EVIL[0]


@settings(max_examples=30)
@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True), st.text())
@example(["a\0", "a"], "")
def test_any_text_comes_back(ids, title):
    labels = [f"{text}a" for text in ids]  # blank ones would be no labels
    page = written(np.zeros((2, 2)), labels, ids=ids, title=title)
    assert page.data["ids"] == ids
    (label,) = page.data["columns"]
    assert [label["classes"][code] for code in codes(label)] == labels
    assert [tag for tag, _ in page.tags].count("script") == 2


def test_asks_no_network_for_anything(coordinates, X):
    page = written(coordinates, EVIL, X=X, durations=(1, 4))
    sources = [
        (tag, name, value)
        for tag, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert sources == [("link", "href", "data:,")]
    folder = Path(EmbeddingExplorer.write.__code__.co_filename).parent / "_explorer"
    parts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert len(parts) == 5
    for name, text in parts.items():
        assert not re.search(r"https?:|//\w+\.|@import|url\(|fetch\(|innerHTML|eval\(", text), name
    policy = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    assert len(policy) == 1
    assert policy[0].startswith("default-src 'none'; img-src data:; style-src 'sha256-")


def test_pictures_come_back(coordinates, X):
    page = written(coordinates, X=X, durations=(1, 4))
    about = page.data["pictures"]
    assert [about[key] for key in ("views", "height", "width")] == [2, 70, 80]
    assert (about["durations"], about["frange"]) == ([1.0, 4.0], [10.0, 2048.0])
    # Side by side the views of one, one below the other the glitches.
    sheet = page.picture(0).astype(int)
    expected = np.concatenate([np.hstack(list(glitch)) for glitch in X])
    assert sheet.shape == expected.shape
    assert np.abs(sheet - expected).mean() < 3
    colors = numbers(about["viridis"], "u1").reshape(256, 3)
    assert colors[[0, 255]].tolist() == [[68, 1, 84], [253, 231, 36]]


def test_floats_are_energies(coordinates, X):
    as_bytes = written(coordinates, X=X, durations=(1, 4))
    as_floats = written(coordinates, X=X.astype(np.float32) / 10, durations=(1, 4))
    np.testing.assert_array_equal(as_floats.picture(0), as_bytes.picture(0))


def test_wide_integers_have_one_scale(coordinates, X):
    X = X.copy()
    X[0] //= 12  # alone it would be of energies
    as_bytes = written(coordinates, X=X, durations=(1, 4))
    as_integers = written(coordinates, X=X.astype(np.int64), durations=(1, 4))
    np.testing.assert_array_equal(as_integers.picture(0), as_bytes.picture(0))


def test_sheets_hold_as_many_glitches_as_the_page_thinks():
    X = np.zeros((40, 1, 140, 170), dtype=np.uint8)
    X += np.arange(0, 200, 5, dtype=np.uint8)[:, None, None, None]
    page = written(np.zeros((40, 2)), X=X, durations=4.0)
    step = page.data["pictures"]["perSheet"]
    assert 1 < step < 40
    for row in range(40):
        level = page.picture(row // step)[(row % step) * 140 + 70, 85]
        assert abs(int(level) - 5 * row) <= 4


def test_pictures_shrink_until_they_fit():
    X = np.random.default_rng(0).integers(0, 255, (30, 1, 96, 100), dtype=np.uint8)
    coordinates = np.zeros((30, 2))
    sizes, n_bytes = [], []
    for limit in (40, 0.1, 0.04):
        page = written(coordinates, X=X, durations=1, max_megabytes=limit)
        about = page.data["pictures"]
        sizes.append((about["height"], about["width"]))
        sheets = [text for name, text in page.scripts.items() if name.startswith("sheet-")]
        n_bytes.append(sum(map(len, sheets)))
        assert n_bytes[-1] <= 1e6 * limit
    assert sizes[0] == (96, 100)
    assert sizes[0] > sizes[1] > sizes[2] >= (32, 33)
    assert all(abs(width / height - 100 / 96) < 0.05 for height, width in sizes)
    shrunk = resize_energy(X[0, 0], sizes[2])
    assert np.abs(page.picture(0)[: sizes[2][0]].astype(int) - shrunk).mean() < 25
    with pytest.raises(ValueError, match=r"max_megabytes=0\.001 .* 0\.0"):
        written(coordinates, X=X, durations=1, max_megabytes=0.001)


def test_small_pictures_are_not_enlarged(coordinates):
    about = written(coordinates, X=np.zeros((6, 4, 8, 9), dtype=np.uint8)).data["pictures"]
    assert [about[key] for key in ("views", "height", "width")] == [4, 8, 9]


def test_a_memory_map_is_as_good(coordinates, X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = written(coordinates, X=X, durations=(1, 4))
    assert written(coordinates, X=mapped, durations=(1, 4)).scripts == expected.scripts


def test_maps_are_computed_as_by_the_figure(X):
    flat = X.reshape(6, -1)
    explorer = EmbeddingExplorer.from_embeddings(flat, list("aabbcc"), method="pca", n_components=3)
    np.testing.assert_allclose(
        explorer.embedding, PCA(3, random_state=0).fit_transform(flat), atol=1e-6
    )
    assert explorer.X is None

    class Flatten:
        durations_ = (1.0, 4.0)

        def transform(self, X):
            return X.reshape(len(X), -1)

    of_estimator = EmbeddingExplorer.from_estimator(
        Flatten(), X, list("aabbcc"), method="pca", ids=list("uvwxyz"), n_components=3
    )
    np.testing.assert_array_equal(of_estimator.embedding, explorer.embedding)
    assert of_estimator.X is X
    assert of_estimator.durations == (1.0, 4.0)
    assert of_estimator.ids == list("uvwxyz")
    with pytest.raises(ValueError, match="method='mds'"):
        EmbeddingExplorer.from_embeddings(flat, method="mds")


def test_a_path_is_written(coordinates, tmp_path):
    for path in (tmp_path / "a.html", str(tmp_path / "b.html")):
        assert EmbeddingExplorer(coordinates).write(path) is None
    a, b = ((tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert a == b
    assert a.startswith(b"<!doctype html>")


def test_a_page_that_is_there_stays_if_a_new_one_fails(coordinates, X, tmp_path, monkeypatch):
    def fail_half_way():
        yield "data:image/webp;base64,"
        raise OSError("no space left")

    path = tmp_path / "explorer.html"
    path.write_text("old")
    monkeypatch.setattr(_explorer_display, "encode_pictures", lambda *_: ({}, fail_half_way()))
    with pytest.raises(OSError, match="no space"):
        EmbeddingExplorer(coordinates, X=X, durations=(1, 4)).write(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
