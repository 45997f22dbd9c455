"""What is told of a classifier and data, and how it is written."""

from __future__ import annotations

import csv
import html
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape
from matplotlib.figure import Figure
from PIL import Image
from sklearn.base import clone
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

import skglitch
from skglitch import TruncatedCNNTransformer
from skglitch.discovery import NoveltyDetector, find_label_issues
from skglitch.display import EmbeddingDisplay
from skglitch.metrics import reliability_table, top_k_table
from skglitch.report import make_report

from .conftest import make_bars

EVIL = "<script>alert('1')</script>"


def text_of(report):
    """Words of the page, without its markup."""
    body = re.sub(r"<style>.*?</style>|<[^>]+>", " ", report.html(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(body))


def table(report, name):
    return list(csv.DictReader(io.StringIO(report.tables[name].to_csv(index=False))))


def facts(report, name):
    return {row["quantity"]: row["value"] for row in table(report, name)}


def names(report):
    return re.findall(r'<section id="([^"]+)"', report.html())


def parts(report):
    """Names of the files beside the page."""
    return {f"{n}.csv" for n in report.tables} | {f"{n}.png" for n in report.pictures}


@pytest.fixture(scope="module")
def report(classifier, held_out):
    return make_same_report(classifier, held_out)


def make_same_report(classifier, held_out):
    X, y = held_out
    ids = [f"glitch {n}" for n in range(len(X))]
    ifo, gps = ["H1", "L1"] * 12, 1.2e9 + 86400 * np.arange(24)
    return make_report(
        classifier, X, y, ids=ids, ifo=ifo, gps=gps, n_pictures=3, source="simulation"
    )


@pytest.fixture(scope="module")
def uneven(classifier):
    """Glitches with labels that make all kinds of errors, of each another number."""
    X, y = make_bars(40, 5)
    guesses = classifier.predict(X)
    rng = np.random.default_rng(1)
    y = np.where(rng.random(len(X)) < 0.4, "Whistle", np.where(guesses == "Blip", "Blip", y))
    ids = np.array([f"glitch {n}" for n in range(len(X))])
    report = make_report(classifier, X, y, ids=ids, n_pictures=1, max_mapped=25)
    return report, classifier, X, y


class TestNumbers:
    def test_are_those_of_the_metrics(self, report, classifier, held_out):
        X, y = held_out
        accuracy = accuracy_score(y, classifier.predict(X))
        assert report.numbers["top_k"][0]["accuracy"] == pytest.approx(accuracy)
        assert float(table(report, "top_k")[0]["accuracy"]) == pytest.approx(accuracy)
        assert f"The top-1 accuracy on 24 glitches of known classes is {100 * accuracy:.1f} %" in (
            text_of(report)
        )
        confusion = table(report, "confusion")
        right = sum(int(row.get(row["true class"], 0)) for row in confusion)
        assert right / len(X) == pytest.approx(accuracy)
        assert len(table(report, "errors")) == len(X) - right

    def test_are_plain(self, report):
        assert json.loads(json.dumps(report.numbers))["n_glitches"] == 24

    def test_data_are_summed_up(self, report):
        data = facts(report, "data")
        assert data["glitches"] == "24"
        assert data["IFOs"] == "H1 12, L1 12"
        assert data["GPS times"].endswith("23.0 days")
        assert data["views"] == "1.0, 4.0 s, 32 x 40 pixels, uint8"
        assert [row["glitches"] for row in table(report, "labels")] == ["8"] * 3

    def test_all_sections_are_there(self, report):
        assert names(report) == [
            *("data", "top-k", "confusion", "classes", "calibration", "map", "errors"),
            *("novelty", "saliency", "cost", "model", "versions"),
        ]

    def test_errors_are_the_surest_first(self, report):
        errors = table(report, "errors")
        shares = [float(row["probability"]) for row in errors]
        assert shares == sorted(shares, reverse=True)
        assert all(row["label"] != row["prediction"] for row in errors)
        assert {f"glitch {n}" for n in (0, 1, 3, 5)} <= {row["id"] for row in errors}
        pictures = [name for name in report.pictures if name.startswith("errors-")]
        assert len(pictures) == 3

    def test_parameters_seed_and_versions(self, report):
        parameters = {row["parameter"]: row for row in table(report, "parameters")}
        assert parameters["max_epochs"]["value"] == "2"
        assert parameters["max_epochs"]["default"] == "False"
        assert parameters["early_stopping"]["default"] == "True"
        versions = {row["library"]: row["version"] for row in table(report, "versions")}
        assert versions["skglitch"] == skglitch.__version__
        assert facts(report, "model")["random_state"] == "0"

    def test_cost_counts_weights(self, report, classifier):
        n = sum(p.numel() for p in classifier.net_.module_.parameters())
        cost = facts(report, "cost")
        assert cost["parameters"] == f"{n:,}"
        assert float(cost["operations per glitch"].split()[0]) > 0

    @pytest.mark.usefixtures("blank_figures")
    def test_the_classifier_is_left_as_it_was(self, classifier, held_out):
        before = classifier.get_params()
        make_report(classifier, held_out[0][:4], n_pictures=1)
        assert classifier.get_params() == before


class TestTables:
    """Each number, against the metrics and a look at the arrays by hand."""

    def test_top_k(self, uneven):
        report, classifier, X, y = uneven
        expected = top_k_table(y, classifier.predict_proba(X), labels=classifier.classes_)
        rows = table(report, "top_k")
        assert [int(row["k"]) for row in rows] == expected.index.tolist()
        for name, values in (
            ("accuracy", expected.accuracy),
            ("low", expected.low),
            ("high", expected.high),
            ("n_correct", expected.n_correct),
        ):
            np.testing.assert_allclose([float(row[name]) for row in rows], values)

    def test_confusion(self, uneven):
        report, classifier, X, y = uneven
        guesses = classifier.predict(X)
        expected = confusion_matrix(y, guesses)
        assert not (expected == expected.T).all()
        names = np.unique([y, guesses]).tolist()
        rows = table(report, "confusion")
        assert [row["true class"] for row in rows] == names
        assert [[int(row[name]) for name in names] for row in rows] == expected.tolist()
        shares = {
            (row["label"], row["prediction"]): (int(row["glitches"]), float(row["fraction"]))
            for row in table(report, "confusions")
        }
        for i, j in np.argwhere(expected):
            if i != j:
                share = expected[i, j] / expected[i].sum()
                assert shares.pop((names[i], names[j])) == (expected[i, j], pytest.approx(share))
        assert not shares
        order = [int(row["glitches"]) for row in table(report, "confusions")]
        assert order == sorted(order, reverse=True)

    def test_classes(self, uneven):
        report, classifier, X, y = uneven
        scores = precision_recall_fscore_support(
            y, classifier.predict(X), labels=classifier.classes_, zero_division=np.nan
        )
        rows = table(report, "classes")
        assert [row["label"] for row in rows] == classifier.classes_.tolist()
        for name, values in zip(("precision", "recall", "f1", "support"), scores, strict=True):
            reported = [float(row[name] or "nan") for row in rows]
            np.testing.assert_allclose(reported, values, err_msg=name)

    def test_calibration(self, uneven):
        report, classifier, X, y = uneven
        probabilities = classifier.predict_proba(X)
        expected = reliability_table(y, probabilities, labels=classifier.classes_, n_bins=10)
        rows = table(report, "calibration")
        for name, values in (
            ("left", expected.left),
            ("right", expected.right),
            ("probability", expected.probability),
            ("accuracy", expected.frequency),
            ("low", expected.low),
            ("high", expected.high),
            ("n_samples", expected.n_samples),
        ):
            np.testing.assert_allclose([float(row[name]) for row in rows], values, err_msg=name)
        sure, right = probabilities.max(axis=1).mean(), np.mean(classifier.predict(X) == y)
        top_1 = top_k_table(y, probabilities, labels=classifier.classes_).iloc[0]
        low, high = top_1[["low", "high"]]
        verdict = f"the model is {'overconfident' if sure > right else 'underconfident'} by "
        verdict = "they agree within this interval." if low <= sure <= high else verdict
        interval = f"(95 % confidence interval {100 * low:.1f} % to {100 * high:.1f} %)"
        assert f"the accuracy is {100 * right:.1f} % {interval}: {verdict}" in text_of(report)

    def test_rows_are_those_of_their_glitch(self, uneven):
        report, classifier, X, y = uneven
        guesses, shares = classifier.predict(X), classifier.predict_proba(X).max(axis=1)
        for name in ("errors", "novelty"):
            for row in table(report, name):
                n = int(row["id"].removeprefix("glitch "))
                assert (row["label"], row["prediction"]) == (y[n], guesses[n]), name
                assert float(row["probability"]) == pytest.approx(shares[n], abs=1e-6), name
        wrong = {f"glitch {n}" for n in np.flatnonzero(guesses != y)}
        assert {row["id"] for row in table(report, "errors")} == wrong

    def test_doubts_are_of_the_labels_that_they_stand_at(self, uneven):
        report, classifier, X, y = uneven
        issues = find_label_issues(
            TruncatedCNNTransformer(classifier).fit(X[:1]).transform(X),
            y,
            y_prob=classifier.predict_proba(X),
            classes=classifier.classes_,
        )
        expected = dict(
            zip(issues.index, zip(issues.score, issues.flagged, strict=True), strict=True)
        )
        for row in table(report, "errors"):
            score, flagged = expected[int(row["id"].removeprefix("glitch "))]
            assert float(row["label_score"]) == pytest.approx(score, abs=1e-4)
            assert row["label_flagged"] == str(bool(flagged))

    def test_novelty_is_that_of_the_detector(self, uneven):
        report, classifier, X, _ = uneven
        embeddings = TruncatedCNNTransformer(classifier).fit(X[:1]).transform(X)
        detector = NoveltyDetector(random_state=0)
        detector.fit(classifier.exemplars_, classifier.exemplar_classes_)
        rows = table(report, "novelty")
        order = [int(row["id"].removeprefix("glitch ")) for row in rows]
        for name, values in (
            ("novelty_score", detector.score_samples(embeddings)),
            ("novelty_p_value", detector.p_values(embeddings)),
        ):
            actual = [float(row[name]) for row in rows]
            np.testing.assert_allclose(actual, values[order], rtol=1e-3, err_msg=name)
            assert actual == sorted(actual), name
        is_novel = detector.predict(embeddings) == -1
        assert [row["is_novel"] for row in rows] == [str(flag) for flag in is_novel[order]]
        assert report.numbers["n_novel"] == is_novel.sum()

    def test_the_surest_glitch_of_each_class_is_explained(self, uneven):
        _, classifier, X, y = uneven
        sure = classifier.predict_proba(X).max(axis=1)
        guesses = classifier.predict(X)
        right = np.flatnonzero(guesses == y)
        report = make_report(classifier, X, y, n_pictures=1)
        explained = [int(row["id"]) for row in table(report, "saliency")]
        assert {f"saliency-{n}" for n in range(1, 1 + len(explained))} <= set(report.pictures)
        for label in np.unique(guesses[right]):
            rows = right[guesses[right] == label]
            assert rows[sure[rows].argmax()] in explained

    def test_the_map_is_of_the_glitches_that_it_names(self, uneven):
        report, classifier, X, y = uneven
        embeddings = TruncatedCNNTransformer(classifier).fit(X[:1]).transform(X)
        rows = table(report, "map")
        drawn = [int(row["id"].removeprefix("glitch ")) for row in rows]
        assert len(drawn) == 25
        assert [row["class"] for row in rows] == y[drawn].tolist()
        reported = np.array([[float(row["x"]), float(row["y"])] for row in rows])
        ax = Figure().subplots()
        expected = EmbeddingDisplay.from_embeddings(
            embeddings[drawn], random_state=0, ax=ax
        ).embedding
        np.testing.assert_allclose(reported, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("blank_figures")
class TestTrainingData:
    def test_are_known_by_what_the_model_keeps(self, classifier, train):
        report = make_report(classifier, *train, n_pictures=1)
        assert report.numbers["n_trained"] == report.numbers["n_kept"] == 30
        assert report.numbers["n_in_data"] == 30
        assert "30 of these are in the data" in text_of(report)

    def test_are_known_in_part(self, classifier, train, held_out):
        X = np.concatenate([held_out[0], train[0][:3]])
        assert make_report(classifier, X, n_pictures=1).numbers["n_in_data"] == 3

    def test_others_are_not_taken_for_them(self, report):
        assert report.numbers["n_in_data"] == 0
        assert "none of these is in the data" in text_of(report)

    def test_too_few_kept_glitches(self, classifier, held_out, monkeypatch):
        monkeypatch.setattr(classifier, "exemplars_", classifier.exemplars_[:1])
        monkeypatch.setattr(classifier, "exemplar_classes_", classifier.exemplar_classes_[:1])
        report = make_report(classifier, *held_out, n_pictures=1)
        assert report.numbers["n_novel"] is None
        assert "novelty" not in report.tables
        assert "unknown whether these data are among them" in text_of(report)


@pytest.mark.usefixtures("blank_figures")
class TestHardData:
    def test_without_labels(self, classifier, held_out):
        report = make_report(classifier, held_out[0], n_pictures=2)
        assert names(report)[:4] == ["data", "predictions", "map", "novelty"]
        assert "There are no scores, since the glitches have no labels" in text_of(report)
        assert report.numbers["top_k"] is None
        guesses = {row["prediction"]: int(row["glitches"]) for row in table(report, "predictions")}
        found, counts = np.unique(classifier.predict(held_out[0]), return_counts=True)
        assert guesses == dict(zip(found.tolist(), counts.tolist(), strict=True))
        sure = np.sort(classifier.predict_proba(held_out[0]).max(axis=1))
        reported = [float(row["probability"]) for row in table(report, "uncertain")]
        assert reported == pytest.approx(sure[:20].tolist(), abs=1e-6)

    def test_some_without_labels(self, classifier, held_out):
        X, y = held_out
        y = y.astype(object)
        y[:5] = ["", None, np.nan, np.str_(""), float("nan")]
        report = make_report(classifier, X, y, n_pictures=1)
        assert report.numbers["n_labeled"] == 19
        assert report.numbers["top_k"][0]["n_samples"] == 19
        assert "5 glitches have no label" in text_of(report)

    def test_classes_that_the_net_does_not_know(self, classifier):
        # One of a longer name than those that are known.
        X, y = make_bars(20, 3, ["Blip", "Koi_Fish", "Koi_Fish_of_a_new_kind", "Whistle"])
        report = make_report(classifier, X, y, n_pictures=1)
        assert report.numbers["unknown_classes"] == ["Koi_Fish_of_a_new_kind"]
        (row,) = table(report, "unknown")
        assert (row["class"], row["glitches"]) == ("Koi_Fish_of_a_new_kind", "5")
        own = X[y == "Koi_Fish_of_a_new_kind"]
        median = np.median(classifier.predict_proba(own).max(axis=1))
        assert float(row["median_probability"]) == pytest.approx(median, abs=1e-6)
        assert report.numbers["top_k"][0]["n_samples"] == 15
        reported = text_of(report)
        assert "excludes 5 glitches" in reported
        wrong = accuracy_score(y, classifier.predict(X))
        assert f"the top-1 accuracy is {100 * wrong:.1f} %" in reported

    def test_nothing_but_unknown_classes(self, classifier):
        X, y = make_bars(6, 3)
        report = make_report(classifier, X, np.char.add("new ", y), n_pictures=1)
        assert report.numbers["top_k"] is None
        assert "unknown" in names(report)
        assert "There are no scores, since no label is a class" in text_of(report)

    def test_classes_that_the_data_lack(self, classifier, held_out):
        X, y = held_out
        rows = y != "Whistle"
        report = make_report(classifier, X[rows], y[rows], n_pictures=1)
        assert report.numbers["absent_classes"] == ["Whistle"]
        assert "no glitches of 1 class that the model knows: Whistle" in text_of(report)
        (row,) = (row for row in table(report, "classes") if row["label"] == "Whistle")
        assert (row["recall"], row["support"]) == ("", "0")

    @pytest.mark.parametrize("n", [1, 2])
    def test_hardly_any_glitch(self, classifier, held_out, n):
        X, y = held_out
        report = make_report(classifier, X[:n], y[:n])
        assert report.numbers["top_k"][0]["n_samples"] == n
        assert "There was no search for wrong labels: " in text_of(report)
        assert ("map" in report.pictures) == (n > 1)

    def test_one_class(self, classifier, held_out):
        X, y = held_out
        rows = y == "Blip"
        report = make_report(classifier, X[rows], y[rows], n_pictures=1)
        assert report.numbers["absent_classes"] == ["Koi_Fish", "Whistle"]

    def test_numbers_as_labels(self, classifier, train, held_out):
        codes = np.unique(held_out[1], return_inverse=True)[1]
        net = clone(classifier).fit(train[0], np.unique(train[1], return_inverse=True)[1])
        report = make_report(net, held_out[0], codes, n_pictures=1)
        assert report.numbers["n_known"] == 24

    def test_large_data_are_drawn_from(self, classifier, held_out):
        report = make_report(classifier, *held_out, max_mapped=10, n_pictures=1)
        assert len(table(report, "map")) == 10
        assert "a random sample of 10 glitches out of 24" in text_of(report)
        assert len(table(report, "novelty")) == 24


def test_the_same_data_make_the_same_parts(report, classifier, held_out):
    one, two = report, make_same_report(classifier, held_out)
    assert one.pictures == two.pictures
    changed = [name for name in one.tables if not one.tables[name].equals(two.tables[name])]
    assert changed == ["cost"]


@pytest.mark.usefixtures("blank_figures")
def test_wide_integers_whose_first_glitch_is_dark(classifier, held_out):
    X = held_out[0][:6].copy()
    X[0] //= 12  # alone it would be of energies
    one, two = (make_report(classifier, images, n_pictures=1) for images in (X, X.astype(int)))
    assert [name for name in one.tables if not one.tables[name].equals(two.tables[name])] == [
        "cost"
    ]


class TestErrors:
    def test_durations(self, classifier, held_out):
        with pytest.raises(ValueError, match=r"durations=\(1.0,\) must have 2 values"):
            make_report(classifier, held_out[0], durations=(1.0,))

    @pytest.mark.parametrize("name", ["y", "ids", "ifo", "gps"])
    def test_lengths(self, classifier, held_out, name):
        with pytest.raises(ValueError, match=rf"{name} .*24"):
            make_report(classifier, held_out[0], **{name: [1.0]})

    def test_no_pictures_at_all(self, classifier, held_out):
        with pytest.raises(ValueError, match="'n_pictures' parameter"):
            make_report(classifier, held_out[0], n_pictures=0)

    def test_kinds_of_labels(self, classifier, held_out):
        with pytest.raises(ValueError, match=r"strings .*numbers"):
            make_report(classifier, held_out[0], np.arange(24))

    def test_other_classifiers(self, held_out):
        with pytest.raises(TypeError, match="classifier"):
            make_report(None, held_out[0])


class TestPage:
    @pytest.mark.usefixtures("blank_figures")
    def test_names_are_text(self, classifier, train):
        X, y = train
        labels = np.where(y == "Blip", EVIL, y)
        net = clone(classifier).set_params(max_epochs=1).fit(X, labels)
        report = make_report(
            net, X, labels, ids=[f"{EVIL}{n}" for n in range(len(X))], ifo=[EVIL] * len(X),
            title=EVIL, source=EVIL, n_pictures=30,
        )  # fmt: skip
        page = report.html()
        assert "<script" not in page
        assert re.findall("<title>(.*)</title>", page) == [str(escape(EVIL))]
        assert len(re.findall(r"<h1>", page)) == 1

    def test_asks_for_nothing(self, report):
        page = report.html()
        assert re.findall(r"""(?:src|href)=["'](?!data:image/png;base64,|#)""", page) == []
        assert "url(" not in page
        assert "http" not in page.replace("http-equiv", "")
        assert "default-src 'none'" in html.unescape(page)

    def test_is_there_for_all(self, report):
        page = report.html()
        assert page.count("<img ") == page.count('" alt="') == len(report.pictures)
        assert not re.search(r'alt="\s*"|<figcaption>\s*<', page)
        levels = [int(level) for level in re.findall(r"<h(\d)", page)]
        assert levels == [1] + [2] * (len(levels) - 1)
        assert page.count("<thead>") == page.count("<table")
        assert re.findall(r'href="#([^"]+)"', page) == names(report)
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'labelledby="([^"]+)"', page)) <= set(ids)

    def test_pictures_have_their_size(self, report):
        sizes = re.findall(r'<img [^>]* width="(\d+)" height="(\d+)"', report.html())
        assert sorted((int(w), int(h)) for w, h in sizes) == sorted(
            Image.open(io.BytesIO(png)).size for png in report.pictures.values()
        )

    @pytest.mark.usefixtures("blank_figures")
    def test_cells(self, classifier, held_out):
        X, y = held_out
        rows = y != "Whistle"
        ids = [f"a, {n}" for n in range(rows.sum())]
        report = make_report(classifier, X[rows], y[rows], ids=ids, n_pictures=1)
        page, score = report.html(), report.tables["classes"].iloc[0]
        cells = [100 * score["precision"], 100 * score["recall"], 100 * score["f1"]]
        row = '<tr><th scope="row">Blip</th>' + "".join(
            f'<td class="number">{"–" if np.isnan(cell) else format(cell, ".1f")}</td>'
            for cell in cells
        )
        assert f'{row}<td class="number">8</td></tr>' in page
        assert '<th scope="col" class="number">recall [%]</th>' in page
        assert '<td class="number">8</td><td class="number">50.0</td><td>yes</td></tr>' in page
        assert [row["id"] for row in table(report, "map")] == ids


class TestWriting:
    def test_a_folder(self, report, tmp_path):
        page = report.write(tmp_path / "new" / "folder")
        assert page.read_text(encoding="utf-8") == report.html()
        written = {path.name: path.read_bytes() for path in (page.parent / "parts").iterdir()}
        assert written.keys() == parts(report)
        assert all(written[f"{name}.png"] == png for name, png in report.pictures.items())
        assert list(csv.DictReader(io.StringIO(written["errors.csv"].decode()))) == table(
            report, "errors"
        )
        assert sorted(path.name for path in page.parent.iterdir()) == ["parts", "report.html"]

    def test_a_file(self, report, tmp_path):
        assert report.write(tmp_path / "page.html") == tmp_path / "page.html"
        assert [path.name for path in tmp_path.iterdir()] == ["page.html"]

    @pytest.mark.usefixtures("blank_figures")
    def test_what_an_earlier_report_wrote_goes_and_the_rest_stays(
        self, report, classifier, held_out, tmp_path
    ):
        report.write(tmp_path)
        (tmp_path / "parts" / "mine.csv").write_text("kept")
        other = make_report(classifier, held_out[0], n_pictures=1)
        assert parts(report) - parts(other)
        other.write(tmp_path)
        there = {path.name for path in (tmp_path / "parts").iterdir()}
        assert there == {*parts(other), "mine.csv"}

    def test_nothing_elsewhere_is_deleted(self, report, tmp_path):
        names = ["../a.csv", f"{tmp_path}/b.png", "c.csv", "d.txt"]
        (tmp_path / "parts").mkdir()
        for name in names:
            (tmp_path / "parts" / name).touch()
        page = tmp_path / "report.html"
        page.write_text(f'<meta name="skglitch-parts" content="{" ".join(names)}">')
        report.write(tmp_path)
        there = [(tmp_path / "parts" / name).exists() for name in names]
        assert there == [True, True, False, True]

    def test_half_of_a_report_is_taken_away(self, report, tmp_path, monkeypatch):
        def no_space(*_):
            raise OSError("no space")

        monkeypatch.setattr(os, "replace", no_space)
        with pytest.raises(OSError, match="no space"):
            report.write(tmp_path / "new" / "folder")
        assert list(tmp_path.iterdir()) == []

    def test_what_was_there_stays_if_it_fails(self, report, tmp_path, monkeypatch):
        report.write(tmp_path)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
        monkeypatch.setattr(Path, "write_text", None)
        with pytest.raises(TypeError):
            report.write(tmp_path)
        assert before == {p: p.read_bytes() for p in tmp_path.rglob("*.*") if p.is_file()}


@pytest.mark.usefixtures("blank_figures")
def test_the_file_of_the_model(classifier, held_out, tmp_path):
    path = tmp_path / "net.skglitch"
    skglitch.save(classifier, path)
    report = make_report(skglitch.load(path), *held_out, model_file=path, n_pictures=1)
    model = facts(report, "model")
    assert model["file"].startswith("net.skglitch, ")
    assert re.fullmatch(r"[0-9a-f]{64}", model["SHA-256"])
    versions = {row["library"]: row for row in table(report, "versions")}
    assert versions["torch"]["saved_with"] == versions["torch"]["version"]
    assert "Predictions of net.skglitch" in text_of(report)
