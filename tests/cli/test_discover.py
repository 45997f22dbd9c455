"""skglitch discover: that what is there is found, and told in tables."""

from __future__ import annotations

import csv
import json

import h5py
import numpy as np
import pandas as pd
import pytest

from skglitch.cli import main
from skglitch.discovery import NoveltyDetector, find_onsets

from ..datasets.glitch_files import write_glitches

START = 1_126_000_000
N = 30


@pytest.fixture(scope="module")
def made():
    """Two known classes, a new one that starts late, and a Chirp that is labeled Blip."""
    rng = np.random.default_rng(0)
    centers = np.repeat(np.eye(4)[:3], N, axis=0)
    about = {
        "id": np.array([f"g{n}" for n in range(3 * N)]),
        "ifo": np.full(3 * N, "H1"),
        "gps_time": START + rng.uniform(0, 1e5, 3 * N),
        "label": np.repeat(["Blip", "Chirp", ""], N),
    }
    about["gps_time"][2 * N :] = START + rng.uniform(8e4, 1e5, N)
    about["label"][N] = "Blip"
    embeddings = centers + 0.05 * rng.normal(size=centers.shape)
    return embeddings.astype(np.float32), about


@pytest.fixture
def embeddings(made, tmp_path):
    path = tmp_path / "e.npz"
    np.savez(path, embeddings=made[0], **made[1])
    return path


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class TestWhatIsFound:
    @pytest.fixture
    def found(self, run, embeddings):
        result = run("discover", embeddings, "--label-issues", "--json", "-o", "out")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def test_counts(self, found, tmp_path):
        assert json.loads((tmp_path / "out/discover.json").read_text()) == found
        assert {path.name for path in (tmp_path / "out").iterdir()} == {
            "clusters.csv", "glitches.csv", "onsets.csv", "discover.json",
        }  # fmt: skip
        assert (found["n_glitches"], found["n_labeled"]) == (3 * N, 2 * N)
        assert (found["n_clusters"], found["n_new_clusters"]) == (3, 1)
        assert found["output"] == "out"

    def test_clusters(self, found, made, tmp_path):
        rows = table(tmp_path / "out/clusters.csv")
        kinds = {row["class"]: row for row in rows}
        assert set(kinds) == {"Blip", "Chirp", ""}
        new = kinds[""]
        assert (new["kind"], int(new["size"]), float(new["labeled"])) == ("new", N, 0)
        assert float(new["stability"]) > 0.9
        assert new["purity"] == ""
        assert float(new["novel"]) == 1
        assert {new["nearest_1"], new["nearest_2"], new["nearest_3"]} == {"Blip", "Chirp", ""}
        assert len(new["typical"].split()) == 5
        gps = made[1]["gps_time"][2 * N :]
        assert (float(new["first_gps"]), float(new["last_gps"])) == (gps.min(), gps.max())
        assert set(new["typical"].split()) < {f"g{n}" for n in range(2 * N, 3 * N)}
        assert float(kinds["Chirp"]["purity"]) == pytest.approx(1 - 1 / N, abs=0.05)
        assert [row["kind"] for row in found["clusters"]] == [row["kind"] for row in rows]

    def test_glitches(self, found, made, tmp_path):
        rows = table(tmp_path / "out/glitches.csv")
        assert [row["id"] for row in rows] == made[1]["id"].tolist()
        np.testing.assert_array_equal([float(r["gps_time"]) for r in rows], made[1]["gps_time"])
        assert all(row["is_novel"] == "True" for row in rows[2 * N :])
        # As far from the known ones as anything can be.
        assert {float(row["novelty_p_value"]) for row in rows[2 * N :]} == {1 / (2 * N + 1)}
        assert [row["is_labeled"] for row in rows] == ["True"] * 2 * N + ["False"] * N
        assert rows[N]["label_flagged"] == "True"
        assert rows[N]["label_suggested"] == "Chirp"
        assert rows[-1]["label_score"] == ""
        assert found["n_novel"] == sum(row["is_novel"] == "True" for row in rows)
        assert found["n_labels_flagged"] == 1

    def test_onsets(self, found, made, tmp_path):
        rows = table(tmp_path / "out/onsets.csv")
        new = [row["kind"] for row in found["clusters"]].index("new")
        row = next(row for row in rows if int(row["cluster"]) == new)
        assert START + 7e4 < float(row["gps"]) < START + 9e4
        assert float(row["gps_low"]) <= float(row["gps"]) + 1e4
        assert float(row["p_value"]) < 0.01
        clusters = [int(one["cluster"]) for one in table(tmp_path / "out/glitches.csv")]
        expected = find_onsets(made[1]["gps_time"], clusters, ifo=made[1]["ifo"], random_state=0)
        assert [float(one["gps"]) for one in rows] == expected["gps"].tolist()


def test_summary(run, embeddings):
    result = run("discover", embeddings, "--label-issues", "-q")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "90 glitches, 60 of them labeled" in result.stdout
    assert "Typical glitches of new clusters" in result.stdout
    assert "30 of 30 unlabeled ones" in result.stdout
    assert "1 labels are probably wrong" in result.stdout
    assert f"g{N}: Blip, probably Chirp" in result.stdout
    assert "p_silence" in result.stdout
    assert "first_gps" in result.stdout


def test_tables_without_rows_are_left_out_of_the_summary(run, made, tmp_path):
    columns = {name: values[:3] for name, values in made[1].items()} | {"label": [""] * 3}
    np.savez(tmp_path / "few.npz", embeddings=np.eye(3, dtype=np.float32), **columns)
    result = run("discover", "few.npz", "-o", "out")
    assert result.exit_code == 0, result.output
    assert "0 clusters" in result.stdout
    assert "Empty" not in result.stdout
    assert "Onsets" not in result.stdout


def test_a_class_that_counts_as_unlabeled(run, embeddings):
    result = run("discover", embeddings, "--unlabeled", "Chirp", "--json", "-q")
    summary = json.loads(result.stdout)
    assert summary["n_labeled"] == N + 1
    assert summary["n_new_clusters"] == 2
    rows = table("skglitch-discover/glitches.csv")
    assert rows[-N - 1]["label"] == "Chirp"
    assert rows[-N - 1]["is_labeled"] == "False"
    result = run("discover", embeddings, "--unlabeled", "Tomte", "--overwrite")
    assert result.exit_code == 1
    assert "'Tomte'" in result.stderr
    assert "Blip" in result.stderr


@pytest.mark.parametrize("mark", [-1, -1.0, np.nan, "-1", "None"])
def test_marks_of_no_label_in_a_file(run, made, tmp_path, mark):
    values, about = made
    labels = [{"Blip": 1, "Chirp": 2, "": mark}[name] for name in about["label"]]
    np.savez(tmp_path / "e.npz", embeddings=values, label=labels)
    summary = json.loads(run("discover", "e.npz", "--json", "-q").stdout)
    assert (summary["n_labeled"], summary["n_new_clusters"]) == (2 * N, 1)
    assert {row["label"] for row in table("skglitch-discover/glitches.csv")[2 * N :]} == {""}


def test_glitches_that_share_an_id(run, made, tmp_path):
    values, about = made
    ids = about["id"].copy()
    ids[[3, 4, 5, 8]] = ["tw", "tw", "g9", "g9"]
    np.savez(tmp_path / "e.npz", embeddings=values, **(about | {"id": ids}))
    result = run("discover", "e.npz", "--known", "e.npz")
    assert result.exit_code == 0, result.output
    assert "5 glitches have the same id as another one, such as 'tw'" in result.stderr
    assert "same id" not in run("discover", "e.npz", "--overwrite", "-q").stderr
    # Detectors see the same thing under the same name.
    ifo = np.where(np.isin(np.arange(3 * N), [4, 5, 8]), "L1", "H1")
    ids[8] = "g8"
    np.savez(tmp_path / "e.npz", embeddings=values, **(about | {"id": ids, "ifo": ifo}))
    assert "same id" not in run("discover", "e.npz", "--overwrite").stderr


def test_method_of_novelty(run, embeddings):
    methods = NoveltyDetector._parameter_constraints["method"][0].options
    options = {option.name: option for option in main.commands["discover"].params}
    assert set(options["novelty_method"].type.choices) == methods
    result = run("discover", embeddings, "--novelty-method", "knn", "-q")
    assert result.exit_code == 0, result.output
    rows = table("skglitch-discover/glitches.csv")
    values = np.load(embeddings)
    is_known = values["label"] != ""
    detector = NoveltyDetector("knn", random_state=0)
    detector.fit(values["embeddings"][is_known], values["label"][is_known])
    expected = detector.p_values(values["embeddings"][~is_known])
    found = [float(row["novelty_p_value"]) for row in rows if row["is_labeled"] == "False"]
    np.testing.assert_allclose(found, expected)
    assert run("discover", embeddings, "--novelty-method", "magic").exit_code == 2


def test_reference_glitches_are_known_and_not_timed(run, made, tmp_path):
    values, about = made
    known = np.arange(2 * N)
    for name, rows in (("known", known), ("new", np.arange(N, 3 * N))):
        part = {key: column[rows] for key, column in about.items()}
        if name == "new":
            del part["label"]
        np.savez(tmp_path / f"{name}.npz", embeddings=values[rows], **part)
    result = run("discover", "new.npz", "--known", "known.npz", "--json", "-q")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["n_glitches"], summary["n_labeled"], summary["n_new_clusters"]) == (
        4 * N,
        2 * N,
        1,
    )
    rows = table("skglitch-discover/glitches.csv")
    assert [row["is_reference"] for row in rows] == ["False"] * 2 * N + ["True"] * 2 * N
    # 30 Chirps of the new ones, not 60.
    assert sorted(row["n_events"] for row in summary["onsets"]) == [N, N]
    np.savez(tmp_path / "short.npz", embeddings=values[:, :2], label=about["label"])
    result = run("discover", "new.npz", "--known", "short.npz", "--overwrite")
    assert "2 features, the others 4" in result.stderr


def test_nothing_is_labeled(run, made, tmp_path):
    np.savez(tmp_path / "e.npz", embeddings=made[0])
    result = run("discover", "e.npz", "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["n_labeled"], summary["n_novel"], summary["n_new_clusters"]) == (0, None, 3)
    assert summary["onsets"] is None
    assert list(table("skglitch-discover/glitches.csv")[0]) == [
        "id", "is_labeled", "cluster", "probability", "is_new",
    ]  # fmt: skip
    result = run("discover", "e.npz", "--label-issues", "--overwrite")
    assert result.exit_code == 1
    assert "no glitch has a label" in result.stderr
    # A table of an earlier search does not stay.
    (tmp_path / "skglitch-discover/onsets.csv").write_text("old")
    assert run("discover", "e.npz", "--overwrite").exit_code == 0
    assert not (tmp_path / "skglitch-discover/onsets.csv").exists()


class TestTimes:
    def test_by_id(self, run, made, embeddings, tmp_path):
        with open(tmp_path / "meta.csv", "w", encoding="utf-8") as file:
            file.write("label,gravityspy_id,event_time\n")
            file.writelines(f"x,g{n},{START + 1000 * n}\n" for n in range(2 * N))
        result = run("discover", embeddings, "--gps", "meta.csv", "-q")
        assert result.exit_code == 0, result.output
        times = [row["gps_time"] for row in table("skglitch-discover/glitches.csv")]
        assert [float(time) for time in times[: 2 * N]] == [START + 1000 * n for n in range(2 * N)]
        assert times[2 * N :] == [""] * N

    def test_segments(self, run, made, embeddings, tmp_path):
        (tmp_path / "s.csv").write_text(
            f"start,stop\n{START - 1e5},{START - 5e4}\n{START - 10},{START + 2e5}\n"
        )
        result = run("discover", embeddings, "--segments", "s.csv", "--json", "-q")
        summary = json.loads(result.stdout)
        hours = (5e4 + 2e5 + 10) / 3600
        for row in summary["onsets"]:
            assert row["rate"] == pytest.approx(row["n_events"] / hours)
        (tmp_path / "s.csv").write_text(f"start,stop,ifo\n{START},{START + 2e5},H1\n")
        result = run("discover", embeddings, "--segments", "s.csv", "-q", "--overwrite")
        assert result.exit_code == 0, result.output

    @pytest.mark.parametrize(
        ("option", "text", "message"),
        [
            ("--gps", "id,when\ng0,3\n", "has no column 'gps_time'"),
            ("--gps", "gps\n3\n", "has no column 'gravityspy_id'"),
            ("--gps", "id,gps\nother,3\n", "has none of the 90 glitches in its column 'id'"),
            ("--gps", "id,gps\ng0,noon\n", "line 2: 'noon' is not a GPS time"),
            ("--gps", "id,gps\ng0\n", "t.csv', row 0, has 1 values for 2 columns"),
            ("--gps", "id,gps,gps\ng0,1,2\n", "t.csv' has more than one column 'gps'"),
            ("--gps", "id,gps\n", "t.csv' has no rows"),
            ("--segments", "begin,stop\n1,2\n", "has no column 'start'"),
            ("--segments", "start,stop\n1,2\n", "in none of its segments"),
            ("--segments", "start,stop,ifo\n1,2,L1\n", "segments lacks the ifo ['H1']"),
            ("--segments", "start,stop\n", "t.csv' has no rows"),
            ("--segments", "", "t.csv' has no rows"),
            ("--segments", "start,stop,start\n1,2,3\n", "t.csv' has more than one column 'start'"),
            ("--runs", "start,stop\n1,2\n", "has no column 'run'"),
            ("--runs", "run,start,stop\na,1,2\na,3,4\n", "has the run 'a' twice"),
            ("--runs", "run,start,stop\na,1,9\nb,3,14\n", "runs: 'a' and 'b' overlap"),
            ("--runs", "run,start,stop\na,1,9\n", "90 glitches are in none of the runs a"),
        ],
    )
    def test_tables_that_are_no_good(self, run, embeddings, tmp_path, option, text, message):
        (tmp_path / "t.csv").write_text(text)
        result = run("discover", embeddings, option, "t.csv")
        assert result.exit_code == 1
        assert message in result.stderr

    def test_glitches_outside_of_segments_are_left_out(self, run, made, embeddings, tmp_path):
        late = made[1]["gps_time"] > START + 9e4
        (tmp_path / "s.csv").write_text(f"start,stop,ifo\n{START},{START + 9e4},H1\n")
        result = run("discover", embeddings, "--segments", "s.csv", "-o", "out")
        assert result.exit_code == 0, result.output
        assert f"{late.sum()} of 90 glitches of H1 are in none of its segments" in result.stderr
        assert sum(int(row["n_events"]) for row in table("out/onsets.csv")) == 3 * N - late.sum()
        assert len(table("out/glitches.csv")) == 3 * N

    def test_glitches_without_a_detector_are_of_their_own(self, run, made, tmp_path):
        values, about = made
        ifo = np.where(np.arange(3 * N) % 3, np.where(np.arange(3 * N) % 2, "H1", "L1"), "")
        np.savez(tmp_path / "e.npz", embeddings=values, **(about | {"ifo": ifo}))
        result = run("discover", "e.npz", "-o", "out")
        assert result.exit_code == 0, result.output
        assert f"{N} glitches without an ifo" in result.stderr
        events = {name: 0 for name in ("H1", "L1", "")}
        for row in table("out/onsets.csv"):
            events[row["ifo"]] += int(row["n_events"])
        assert events == {"H1": N, "L1": N, "": N}
        # Segments of detectors cannot be theirs.
        text = "".join(f"{START},{START + 1e5},{name}\n" for name in ("H1", "L1"))
        (tmp_path / "s.csv").write_text("start,stop,ifo\n" + text)
        result = run("discover", "e.npz", "-o", "out", "--segments", "s.csv", "--overwrite")
        assert result.exit_code == 0, result.output
        assert f"{N} of {3 * N} glitches lack an ifo" in result.stderr
        assert {row["ifo"] for row in table("out/onsets.csv")} == {"H1", "L1"}

    def test_runs(self, run, made, embeddings, tmp_path):
        (tmp_path / "r.csv").write_text(
            f"run,start,stop\nlate,{START + 5e4},{START + 9e4}\nearly,{START},{START + 4e4}\n"
        )
        result = run("discover", embeddings, "--runs", "r.csv", "--json")
        assert result.exit_code == 0, result.output
        summary = json.loads(result.stdout)["onsets"]
        gps = made[1]["gps_time"] - START
        between = ((gps > 4e4) & (gps < 5e4)) | (gps > 9e4)
        message = f"{between.sum()} of 90 glitches are in none of the runs early, late"
        assert message in result.stderr
        assert sum(row["n_events"] for row in summary) == 3 * N - between.sum()
        assert {row["run"] for row in summary} == {"early", "late"}
        assert {row["still_active"] for row in summary} <= {"yes", "no", "unclear"}
        # Some were before the first run of LIGO.
        result = run("discover", embeddings, "--runs", "ligo", "--json", "--overwrite")
        assert "glitches are in none of the runs O1, O2, O3a, O3b, O4a" in result.stderr
        assert {row["run"] for row in json.loads(result.stdout)["onsets"]} == {"O1"}

    def test_runs_without_times(self, run, made, tmp_path):
        np.savez(tmp_path / "e.npz", embeddings=made[0])
        result = run("discover", "e.npz", "--runs", "ligo")
        assert result.exit_code == 0, result.output
        assert "no glitch has a GPS time" in result.stderr

    def test_what_is_wrong_shows_before_clusters_are_looked_for(
        self, run, embeddings, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(
            "skglitch.discovery.NewClassFinder.fit", lambda *_: pytest.fail("took long")
        )
        (tmp_path / "s.csv").write_text("start,stop\n1,2\n")
        result = run("discover", embeddings, "--segments", "s.csv")
        assert "are in none of its segments" in result.stderr

    def test_a_detector_with_one_glitch_is_left_out(self, run, made, tmp_path):
        values, about = made
        ifo = about["ifo"].copy()
        ifo[0] = "L1"
        np.savez(tmp_path / "e.npz", embeddings=values, **(about | {"ifo": ifo}))
        result = run("discover", "e.npz", "--json")
        assert {row["ifo"] for row in json.loads(result.stdout)["onsets"]} == {"H1"}
        assert f"1 of {3 * N} glitches of L1 are at one time" in result.stderr


class TestWithNets:
    def test_a_model_and_a_folder(self, run, model, folder):
        result = run("discover", model, folder, "--json", "-q")
        assert result.exit_code == 0, result.output
        summary = json.loads(result.stdout)
        assert (summary["n_glitches"], summary["n_labeled"]) == (10, 10)
        rows = table("skglitch-discover/glitches.csv")
        assert "prediction" not in rows[0]
        run("embed", model, folder, "-o", "e.npz", "-q")
        again = run("discover", "e.npz", "--json", "-q", "--overwrite")
        assert json.loads(again.stdout) == summary

    def test_the_seed_is_that_of_the_search(self, run, model, folder):
        assert run("discover", model, folder, "--seed", "3", "-q").exit_code == 0

    def test_a_classifier_guesses_where_nothing_is_known(self, run, model, folder, unlabeled):
        result = run("discover", model, unlabeled, "--json", "-q", "--min-cluster-size", "2")
        assert result.exit_code == 0, result.output
        rows = table("skglitch-discover/glitches.csv")
        predicted = run("predict", model, unlabeled, "-q").stdout.splitlines()[1:]
        assert [row["prediction"] for row in rows] == [line.split(",")[2] for line in predicted]
        result = run("discover", model, unlabeled, "--known", folder, "-q", "--overwrite")
        assert result.exit_code == 0, result.output
        rows = table("skglitch-discover/glitches.csv")
        assert len(rows) == 13
        assert "prediction" not in rows[0]

    def test_a_backbone_sees_the_same_views_of_known_glitches(self, run, folder, unlabeled):
        tiny = ["--weights", "none", "--size", "32x40", "--durations", "4", "-q"]
        result = run("discover", "test_efficientnet", unlabeled, "--known", folder, *tiny)
        assert result.exit_code == 0, result.output

    def test_triggers_go_with_known_glitches(self, run, model, folder, tmp_path):
        with h5py.File(tmp_path / "s.hdf5", "w") as file:
            file["strain"] = np.random.default_rng(0).normal(size=40 * 4096)
            file["strain"].attrs.update({"sample_rate": 4096, "t0": START, "ifo": "L1"})
        text = "".join(f"{START + 10 + n},L1\n" for n in range(6))
        (tmp_path / "t.csv").write_text("gps,ifo\n" + text)
        result = run(
            "discover", model, "--triggers", "t.csv", "--strain", "s.hdf5", "--known", folder,
            "--json", "-q",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        summary = json.loads(result.stdout)
        assert (summary["n_glitches"], summary["n_labeled"]) == (16, 10)

    def test_a_file_of_spectrograms(self, run, model, tmp_path):
        X = np.random.default_rng(0).integers(0, 255, (12, 2, 32, 40), dtype=np.uint8)
        write_glitches({"data": X, "durations": (1.0, 4.0)}, tmp_path / "x.h5")
        assert run("discover", model, "x.h5", "-q").exit_code == 0


@pytest.mark.parametrize("suffix", ["parquet", "h5"])
def test_other_formats(run, embeddings, tmp_path, suffix):
    result = run("discover", embeddings, "--format", suffix, "-o", "out", "-q")
    assert result.exit_code == 0, result.output
    names = {f"{name}.{suffix}" for name in ("clusters", "glitches", "onsets")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names | {"discover.json"}
    if suffix == "parquet":
        glitches = pd.read_parquet("out/glitches.parquet")
        assert glitches["is_novel"].dtype == bool
        assert len(glitches) == 3 * N


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["EMBEDDINGS", "."], 2, "takes no SOURCE"),
        (["EMBEDDINGS", "--runs", "nowhere.csv"], 2, "'nowhere.csv' is neither 'ligo' nor a file"),
        (
            ["EMBEDDINGS", "--views", "separate"],
            2,
            "--views: not for a file of embeddings",
        ),
        (["none.npz"], 2, "'none.npz' does not exist"),
        (["EMBEDDINGS", "--known", "none"], 2, "'none' does not exist"),
        (["EMBEDDINGS", "--known", "."], 1, "is not a file of embeddings"),
        (["EMBEDDINGS", "--false-alarm-probability", "1"], 2, "0<x<1"),
        (["EMBEDDINGS", "--min-cluster-size", "1"], 2, "x>=2"),
        (["nan.npz"], 1, "NaN"),
        (["one.npz"], 1, "minimum of 2"),
    ],
)
def test_errors_are_one_line(run, embeddings, tmp_path, arguments, code, message):
    np.savez(tmp_path / "nan.npz", embeddings=np.full((5, 3), np.nan))
    np.savez(tmp_path / "one.npz", embeddings=np.ones((1, 3)))
    arguments = [embeddings if word == "EMBEDDINGS" else word for word in arguments]
    result = run("discover", *arguments)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in result.stderr


def test_nothing_is_overwritten_unasked(run, embeddings, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/onsets.csv").write_text("precious")
    result = run("discover", embeddings, "-o", "out")
    assert (result.exit_code, "--overwrite" in result.stderr) == (2, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["onsets.csv"]
    (tmp_path / "file").write_text("")
    assert run("discover", embeddings, "-o", "file").exit_code == 2
