"""What is told of a classifier and data, and how it is written."""

from __future__ import annotations

import csv
import html
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

import skglitch
from skglitch import TruncatedCNNTransformer
from skglitch.discovery import NoveltyDetector, find_label_issues
from skglitch.display._layout import lay_out
from skglitch.metrics import reliability_table, top_k_table
from skglitch.report import _folder, make_report
from skglitch.report._document import Table
from skglitch.report._findings import Novelty

from .conftest import make_bars

EVIL = "<script>alert('1')</script>"


def text_of(report):
    """Words of the page, without its markup."""
    body = re.sub(r"<style>.*?</style>|<[^>]+>", " ", report.html(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(body))


def table(report, name):
    rows = csv.DictReader(io.StringIO(report.parts()[f"{name}.csv"].decode()))
    return list(rows)


def names(report):
    return [section.name for section in report.sections]


@pytest.fixture(scope="module")
def report(classifier, held_out):
    X, y = held_out
    ids = [f"glitch {n}" for n in range(len(X))]
    detectors, times = ["H1", "L1"] * 12, 1.2e9 + 86400 * np.arange(24)
    return make_report(
        classifier, X, y, ids=ids, detectors=detectors, times=times, n_pictures=3, source="here"
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
        assert report.numbers["top_k"]["accuracy"][0] == pytest.approx(accuracy)
        assert float(table(report, "top_k")[0]["accuracy"]) == pytest.approx(accuracy)
        assert f"The first guess is right for {100 * accuracy:.1f}" in text_of(report)
        confusion = table(report, "confusion")
        right = sum(int(row.get(row["true class"], 0)) for row in confusion)
        assert right / len(X) == pytest.approx(accuracy)
        assert len(table(report, "errors")) == len(X) - right

    def test_are_plain(self, report):
        assert json.loads(json.dumps(report.numbers))["n_glitches"] == 24

    def test_data_are_summed_up(self, report):
        facts = {row["what"]: row["value"] for row in table(report, "data")}
        assert facts["glitches"] == "24"
        assert facts["detectors"] == "H1 12, L1 12"
        assert facts["GPS times"].endswith("23.0 days")
        assert facts["views"] == "1.0, 4.0 s, 32 x 40 pixels, uint8"
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
        assert all(row["label"] != row["guess"] for row in errors)
        assert {f"glitch {n}" for n in (0, 1, 3, 5)} <= {row["id"] for row in errors}
        pictures = [name for name in report.parts() if name.startswith("error-")]
        assert len(pictures) == 3

    def test_parameters_seed_and_versions(self, report):
        parameters = {row["parameter"]: row for row in table(report, "parameters")}
        assert parameters["max_epochs"]["value"] == "2"
        assert parameters["max_epochs"]["as by default"] == "False"
        assert parameters["mixup"]["as by default"] == "True"
        versions = {row["what"]: row["here"] for row in table(report, "versions")}
        assert versions["skglitch"] == skglitch.__version__
        facts = {row["what"]: row["value"] for row in table(report, "model")}
        assert facts["seed of the training"] == "0"

    def test_cost_counts_weights(self, report, classifier):
        n = sum(p.numel() for p in classifier.net_.module_.parameters())
        facts = {row["what"]: row["value"] for row in table(report, "cost")}
        assert facts["weights"] == f"{n:,}"
        assert float(facts["operations a glitch"].split()[0]) > 0

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
        assert [int(row["k"]) for row in rows] == expected.k.tolist()
        for name, values in (
            ("accuracy", expected.accuracy),
            ("from", expected.low),
            ("to", expected.high),
            ("correct", expected.n_correct),
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
            (row["label"], row["taken for"]): (int(row["glitches"]), float(row["share"]))
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
        assert [row["class"] for row in rows] == classifier.classes_.tolist()
        for name, values in zip(("precision", "recall", "F1", "glitches"), scores, strict=True):
            told = [float(row[name] or "nan") for row in rows]
            np.testing.assert_allclose(told, values, err_msg=name)

    def test_calibration(self, uneven):
        report, classifier, X, y = uneven
        probabilities = classifier.predict_proba(X)
        expected = reliability_table(y, probabilities, labels=classifier.classes_, n_bins=10)
        rows = table(report, "calibration")
        for name, values in (
            ("from", expected.left),
            ("to", expected.right),
            ("mean probability", expected.probability),
            ("right", expected.frequency),
            ("right, at least", expected.low),
            ("right, at most", expected.high),
            ("glitches", expected.n_samples),
        ):
            np.testing.assert_allclose([float(row[name]) for row in rows], values, err_msg=name)
        sure, right = probabilities.max(axis=1).mean(), np.mean(classifier.predict(X) == y)
        verdict = "more sure than right" if sure > right else "more right than sure"
        assert f"is right for {100 * right:.1f} %: it is {verdict}" in text_of(report)

    def test_rows_are_those_of_their_glitch(self, uneven):
        report, classifier, X, y = uneven
        guesses, shares = classifier.predict(X), classifier.predict_proba(X).max(axis=1)
        for name in ("errors", "novelty"):
            for row in table(report, name):
                n = int(row["id"].removeprefix("glitch "))
                assert (row["label"], row["guess"]) == (y[n], guesses[n]), name
                assert float(row["probability"]) == pytest.approx(shares[n], abs=1e-6), name
        wrong = {f"glitch {n}" for n in np.flatnonzero(guesses != y)}
        assert {row["id"] for row in table(report, "errors")} == wrong

    def test_doubts_are_of_the_labels_that_they_stand_at(self, uneven):
        report, classifier, X, y = uneven
        issues = find_label_issues(
            TruncatedCNNTransformer(classifier).fit(X[:1]).transform(X),
            y,
            probabilities=classifier.predict_proba(X),
            classes=classifier.classes_,
        )
        expected = dict(
            zip(issues.index, zip(issues.score, issues.flagged, strict=True), strict=True)
        )
        for row in table(report, "errors"):
            score, flagged = expected[int(row["id"].removeprefix("glitch "))]
            assert float(row["label score"]) == pytest.approx(score, abs=1e-4)
            assert row["label doubtful"] == str(bool(flagged))

    def test_novelty(self, uneven):
        report, classifier, X, _ = uneven
        embeddings = TruncatedCNNTransformer(classifier).fit(X[:1]).transform(X)
        detector = NoveltyDetector("knn", n_neighbors=5).fit(classifier.exemplars_)
        distance = -detector.score_samples(embeddings)
        rows = table(report, "novelty")
        told = {row["id"]: (float(row["distance"]), row["novel"]) for row in rows}
        for n, far in enumerate(distance):
            assert told[f"glitch {n}"][0] == pytest.approx(far, abs=1e-5)
            assert told[f"glitch {n}"][1] == str(bool(far > -detector.offset_))
        assert report.numbers["n_novel"] == np.sum(distance > -detector.offset_)
        far = [float(row["distance"]) for row in rows]
        assert far == sorted(far, reverse=True)

    def test_novel_is_beyond_the_threshold(self):
        far = np.array([0.2, 0.5, 0.51, 0.9])
        found = Novelty(distance=far, reference=far, threshold=0.5, is_own=False)
        assert found.is_novel.tolist() == [False, False, True, True]

    def test_the_surest_glitch_of_each_class_is_explained(self, uneven):
        _, classifier, X, y = uneven
        sure = classifier.predict_proba(X).max(axis=1)
        guesses = classifier.predict(X)
        right = np.flatnonzero(guesses == y)
        report = make_report(classifier, X, y, n_pictures=1)
        (shown,) = (section for section in report.sections if section.name == "saliency")
        told = " ".join(picture.caption for picture in shown.pictures())
        for label in np.unique(guesses[right]):
            rows = right[guesses[right] == label]
            assert re.search(rf"\b{rows[sure[rows].argmax()]}: ", told), (label, told)

    def test_the_map_is_of_the_glitches_that_it_names(self, uneven):
        report, classifier, X, y = uneven
        embeddings = TruncatedCNNTransformer(classifier).fit(X[:1]).transform(X)
        rows = table(report, "map")
        drawn = [int(row["id"].removeprefix("glitch ")) for row in rows]
        assert len(drawn) == 25
        assert [row["class"] for row in rows] == y[drawn].tolist()
        told = np.array([[float(row["x"]), float(row["y"])] for row in rows])
        expected = lay_out(embeddings[drawn], "tsne", 2, 0)
        np.testing.assert_allclose(told, expected, rtol=1e-3, atol=1e-3)


class TestTrainingData:
    def test_are_known_by_what_the_model_keeps(self, classifier, train):
        report = make_report(classifier, *train, n_pictures=1)
        assert report.numbers["n_trained"] == report.numbers["n_kept"] == 30
        assert report.numbers["n_in_data"] == 30
        assert "these data hold 30 of these. So they are training data" in text_of(report)

    def test_are_known_in_part(self, classifier, train, held_out):
        X = np.concatenate([held_out[0], train[0][:3]])
        assert make_report(classifier, X, n_pictures=1).numbers["n_in_data"] == 3

    def test_others_are_not_taken_for_them(self, report):
        assert report.numbers["n_in_data"] == 0
        assert "they are not the training data" in text_of(report)

    def test_a_model_that_keeps_nothing_cannot_tell(self, classifier, held_out, monkeypatch):
        # As files of early versions load.
        monkeypatch.setattr(classifier, "exemplars_", classifier.exemplars_[:0])
        monkeypatch.setattr(classifier, "exemplar_classes_", classifier.exemplar_classes_[:0])
        report = make_report(classifier, *held_out, n_pictures=1)
        told = text_of(report)
        X = held_out[0]
        embeddings = TruncatedCNNTransformer(classifier).fit(X[:1]).transform(X)
        detector = NoveltyDetector("knn", n_neighbors=5).fit(embeddings)
        far = sorted((-detector.held_out_scores_).tolist(), reverse=True)
        distances = [float(row["distance"]) for row in table(report, "novelty")]
        assert distances == pytest.approx(far, abs=1e-5)
        assert "Whether these data are among them, the model cannot tell" in told
        assert "what is odd among them, not what is new to the net" in told


class TestHardData:
    def test_without_labels(self, classifier, held_out):
        report = make_report(classifier, held_out[0], n_pictures=2)
        assert names(report)[:4] == ["data", "guesses", "map", "novelty"]
        assert "These glitches have no labels, so there are no scores" in text_of(report)
        assert report.numbers["top_k"] is None
        guesses = {row["guess"]: int(row["glitches"]) for row in table(report, "guesses")}
        found, counts = np.unique(classifier.predict(held_out[0]), return_counts=True)
        assert guesses == dict(zip(found.tolist(), counts.tolist(), strict=True))
        sure = np.sort(classifier.predict_proba(held_out[0]).max(axis=1))
        told = [float(row["probability"]) for row in table(report, "unsure")]
        assert told == pytest.approx(sure[:20].tolist(), abs=1e-6)

    def test_some_without_labels(self, classifier, held_out):
        X, y = held_out
        y = y.astype(object)
        y[:5] = ["", None, np.nan, np.str_(""), float("nan")]
        report = make_report(classifier, X, y, n_pictures=1)
        assert report.numbers["n_labeled"] == 19
        assert report.numbers["top_k"]["n_samples"] == 19
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
        assert float(row["median probability"]) == pytest.approx(median, abs=1e-6)
        assert report.numbers["top_k"]["n_samples"] == 15
        told = text_of(report)
        assert "5 glitches of classes that the net does not know are left out" in told
        wrong = accuracy_score(y, classifier.predict(X))
        assert (
            f"With these counted as wrong, the first guess is right for {100 * wrong:.1f}" in told
        )

    def test_nothing_but_unknown_classes(self, classifier):
        X, y = make_bars(6, 3)
        report = make_report(classifier, X, np.char.add("new ", y), n_pictures=1)
        assert report.numbers["top_k"] is None
        assert "unknown" in names(report)
        assert "are of classes that the net does not know, so there are no scores" in text_of(
            report
        )

    def test_classes_that_the_data_lack(self, classifier, held_out):
        X, y = held_out
        rows = y != "Whistle"
        report = make_report(classifier, X[rows], y[rows], n_pictures=1)
        assert report.numbers["absent_classes"] == ["Whistle"]
        assert "The net knows 1 class that these data lack" in text_of(report)
        (row,) = (row for row in table(report, "classes") if row["class"] == "Whistle")
        assert (row["recall"], row["glitches"]) == ("", "0")

    @pytest.mark.parametrize("n", [1, 2])
    def test_hardly_any_glitch(self, classifier, held_out, n):
        X, y = held_out
        report = make_report(classifier, X[:n], y[:n])
        assert report.numbers["top_k"]["n_samples"] == n
        assert "Doubtful labels were not looked for: " in text_of(report)
        assert ("map.png" in report.parts()) == (n > 1)

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
        assert "The map has 10 of the 24 glitches, drawn by lot" in text_of(report)
        assert len(table(report, "novelty")) == 24

    def test_the_same_data_make_the_same_parts(self, classifier, held_out):
        one, two = (make_report(classifier, *held_out, n_pictures=1).parts() for _ in range(2))
        assert {name for name in one if one[name] != two[name]} <= {"cost.csv"}


class TestErrors:
    def test_durations(self, classifier, held_out):
        with pytest.raises(ValueError, match=r"durations=\(1.0,\) has 1 durations.* 2 views"):
            make_report(classifier, held_out[0], durations=(1.0,))

    @pytest.mark.parametrize("name", ["y", "ids", "detectors", "times"])
    def test_lengths(self, classifier, held_out, name):
        with pytest.raises(ValueError, match=rf"{name} must have one entry a glitch"):
            make_report(classifier, held_out[0], **{name: [1.0]})

    def test_no_pictures_at_all(self, classifier, held_out):
        with pytest.raises(ValueError, match="'n_pictures' parameter"):
            make_report(classifier, held_out[0], n_pictures=0)

    def test_kinds_of_labels(self, classifier, held_out):
        with pytest.raises(ValueError, match="strings throughout or numbers throughout"):
            make_report(classifier, held_out[0], np.arange(24))

    def test_other_classifiers(self, held_out):
        with pytest.raises(TypeError, match="classifier"):
            make_report(None, held_out[0])


class TestPage:
    def test_names_are_text(self, classifier, train):
        X, y = train
        labels = np.where(y == "Blip", EVIL, y)
        net = clone(classifier).set_params(max_epochs=1).fit(X, labels)
        report = make_report(
            net, X, labels, ids=[f"{EVIL}{n}" for n in range(len(X))], detectors=[EVIL] * len(X),
            title=EVIL, source=EVIL, n_pictures=30,
        )  # fmt: skip
        page = report.html()
        assert "<script" not in page
        assert f"<title>{html.escape(EVIL)}</title>" in page
        assert len(re.findall(r"<h1>", page)) == 1

    def test_asks_for_nothing(self, report):
        page = report.html()
        assert re.findall(r"""(?:src|href)=["'](?!data:image/png;base64,|#)""", page) == []
        assert "url(" not in page
        assert "http" not in page.replace("http-equiv", "")
        assert "default-src 'none'" in html.unescape(page)

    def test_is_there_for_all(self, report):
        page = report.html()
        assert page.count("<img ") == page.count('" alt="') == len(report_pictures(report))
        assert all(picture.alt and picture.caption for picture in report_pictures(report))
        levels = [int(level) for level in re.findall(r"<h(\d)", page)]
        assert levels == [1] + [2] * (len(levels) - 1)
        assert page.count("<thead>") == page.count("<table")
        for section in report.sections:
            assert f'href="#{section.name}"' in page
            assert f'id="{section.name}"' in page
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids))

    def test_pictures_are_pictures(self, report):
        for picture in report_pictures(report):
            assert Image.open(io.BytesIO(picture.png)).size == picture.size()


def report_pictures(report):
    return [picture for section in report.sections for picture in section.pictures()]


class TestTable:
    def test_text_and_csv(self):
        columns = {"id": ["a,b", "c"], "share": np.array([0.5, np.nan]), "sure": [True, None]}
        one = Table("t", "", columns, percent=("share",))
        assert one.header() == ["id", "share [%]", "sure"]
        assert one.rows() == [["a,b", "50.0", "yes"], ["c", "–", "–"]]
        assert one.numeric() == [False, True, False]
        assert one.to_csv().decode() == 'id,share,sure\n"a,b",0.5,True\nc,,\n'


class TestWriting:
    def test_a_folder(self, report, tmp_path):
        page = report.write(tmp_path / "new" / "folder")
        assert page.read_text(encoding="utf-8") == report.html()
        written = {path.name: path.read_bytes() for path in (page.parent / "parts").iterdir()}
        assert written == report.parts()
        assert sorted(path.name for path in page.parent.iterdir()) == ["parts", "report.html"]

    def test_a_file(self, report, tmp_path):
        assert report.write(tmp_path / "page.html") == tmp_path / "page.html"
        assert [path.name for path in tmp_path.iterdir()] == ["page.html"]

    def test_what_an_earlier_report_wrote_goes_and_the_rest_stays(
        self, report, classifier, held_out, tmp_path
    ):
        report.write(tmp_path)
        (tmp_path / "parts" / "mine.csv").write_text("kept")
        other = make_report(classifier, held_out[0], n_pictures=1)
        assert set(report.parts()) - set(other.parts())
        other.write(tmp_path)
        there = {path.name for path in (tmp_path / "parts").iterdir()}
        assert there == {*other.parts(), "mine.csv"}

    def test_nothing_elsewhere_is_deleted(self, tmp_path):
        page = tmp_path / "report.html"
        page.write_text('<meta name="skglitch-parts" content="../a.csv /b.png c.csv d.txt">')
        assert _folder.parts_of(page) == {"c.csv"}

    def test_half_of_a_report_is_taken_away(self, report, tmp_path, monkeypatch):
        def no_space(*_):
            raise OSError("no space")

        monkeypatch.setattr(_folder.os, "replace", no_space)
        with pytest.raises(OSError, match="no space"):
            report.write(tmp_path / "new" / "folder")
        assert list(tmp_path.iterdir()) == []

    def test_what_was_there_stays_if_it_fails(self, report, tmp_path, monkeypatch):
        report.write(tmp_path)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
        monkeypatch.setattr(_folder.Path, "write_text", None)
        with pytest.raises(TypeError):
            report.write(tmp_path)
        assert before == {p: p.read_bytes() for p in tmp_path.rglob("*.*") if p.is_file()}


def test_a_file_of_the_model_is_told(classifier, held_out, tmp_path):
    path = tmp_path / "net.skglitch"
    skglitch.save(classifier, path)
    report = make_report(skglitch.load(path), *held_out, file=path, n_pictures=1)
    facts = {row["what"]: row["value"] for row in table(report, "model")}
    assert facts["file"].startswith("net.skglitch, ")
    assert re.fullmatch(r"[0-9a-f]{64}", facts["SHA-256"])
    versions = {row["what"]: row for row in table(report, "versions")}
    assert versions["torch"]["the model was saved with"] == versions["torch"]["here"]
    assert "What the model net.skglitch" in text_of(report)
