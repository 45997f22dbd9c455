"""The page on a classifier and some data: what it tells, and that it holds all it needs."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest

from skglitch import CNNClassifier
from skglitch.report import Report, make_report

EVIL = "<script>alert(1)</script>"


def make_glitches(n_each, names=("Blip", "Koi_Fish")):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 60, (n_each * len(names), 1, 32, 40), dtype=np.uint8)
    y = np.repeat(names, n_each)
    for number, name in enumerate(names):
        X[y == name, :, 10 * number : 10 * number + 8] = 220
    return X, y


@pytest.fixture(scope="module")
def classifier():
    X, y = make_glitches(8)
    net = CNNClassifier(
        "test_efficientnet", weights=None, max_epochs=3, durations=(1.0,), random_state=0
    )
    return net.fit(X, y)


@pytest.fixture(scope="module")
def report(classifier):
    X, y = make_glitches(6)
    ids = [f"g{number}" for number in range(len(X))]
    return make_report(classifier, X, y, ids=ids, title=f"A {EVIL}", n_pictures=2)


def test_scores_are_those_of_the_classifier(report, classifier):
    X, y = make_glitches(6)
    assert report.numbers["n_glitches"] == report.numbers["n_known"] == len(X)
    assert report.numbers["top_k"]["accuracy"][0] == pytest.approx(classifier.score(X, y))


def test_the_page_asks_for_nothing(report):
    page = report.html()
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:|#)", page)
    assert not re.search(r"url\((?!data:)", page)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    for picture in re.findall(r"<img[^>]*>", page):
        assert re.search(r'alt="[^"]+"', picture), picture


def test_entries_of_the_contents_are_there(report):
    page = report.html()
    ids = set(re.findall(r'id="([^"]+)"', page))
    links = re.findall(r'href="#([^"]+)"', page)
    assert links
    assert set(links) <= ids


def test_a_folder_has_the_page_and_its_parts(report, tmp_path):
    page = report.write(tmp_path / "new" / "report")
    assert page.read_text(encoding="utf-8") == report.html()
    parts = {path.name: path.read_bytes() for path in (page.parent / "parts").iterdir()}
    assert parts == report.parts()
    for name, content in parts.items():
        if name.endswith(".png"):
            assert content.startswith(b"\x89PNG")
        else:
            rows = list(csv.reader(io.StringIO(content.decode())))
            assert len({len(row) for row in rows}) == 1


def test_what_an_earlier_report_wrote_is_replaced_and_other_files_stay(report, tmp_path):
    report.write(tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    Report("Empty", ["Nothing."], [], {}).write(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert "Nothing." in (tmp_path / "report.html").read_text()
    assert not list((tmp_path / "parts").glob("*")) if (tmp_path / "parts").exists() else True


def test_one_file(report, tmp_path):
    assert report.write(tmp_path / "page.html") == tmp_path / "page.html"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_training_glitches_are_told(classifier):
    X, y = make_glitches(8)
    numbers = make_report(classifier, X, y, n_pictures=1).numbers
    assert numbers["n_in_data"] == numbers["n_kept"] > 0


def test_no_labels_no_scores(classifier):
    X, _ = make_glitches(3)
    report = make_report(classifier, X, n_pictures=1)
    assert report.numbers["top_k"] is None
    assert "no scores" in report.html()


def test_unknown_classes_are_apart(classifier):
    X, y = make_glitches(4, ("Blip", EVIL))
    report = make_report(classifier, X, y, n_pictures=1)
    assert report.numbers["unknown_classes"] == [EVIL]
    assert report.numbers["absent_classes"] == ["Koi_Fish"]
    assert report.numbers["n_known"] == 4
    assert EVIL not in report.html()


@pytest.mark.parametrize("n_each", [1, 2])
def test_very_few_glitches(classifier, n_each):
    X, y = make_glitches(n_each)
    assert make_report(classifier, X, y, n_pictures=1).numbers["n_glitches"] == len(X)
    one = make_report(classifier, X[:1], y[:1], n_pictures=1)
    assert one.numbers["n_glitches"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ids": ["a"]}, "ids must have one entry a glitch"),
        ({"durations": (1.0, 2.0)}, "has 2 durations, but there are 1 views"),
        ({"n_pictures": 0}, "n_pictures"),
    ],
)
def test_bad_arguments(classifier, options, message):
    X, y = make_glitches(2)
    with pytest.raises(ValueError, match=message):
        make_report(classifier, X, y, **options)
