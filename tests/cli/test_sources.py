"""Where glitches come from: HDF5 files, and strain around triggers."""

from __future__ import annotations

import csv
import io
import json

import h5py
import numpy as np
import pytest

import skglitch
from skglitch.cli._input import gps_of_ids
from skglitch.datasets import load_gravity_spy, load_triggers
from skglitch.spectrograms import QTransformer

from ..datasets.glitch_files import write_glitches
from ..datasets.gwosc_files import write_gwosc
from .conftest import TINY

START, RATE = 1_000_000_000, 4096


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def pictures(folder):
    return load_gravity_spy(folder, durations=(1.0, 4.0), size=(32, 40), progress=False)


class TestHdf5:
    def test_the_same_as_the_folder(self, run, model, folder, pictures):
        write_glitches(pictures, "glitches.h5")
        from_file = run("predict", model, "glitches.h5", "-q")
        assert from_file.exit_code == 0, from_file.output
        assert from_file.stdout == run("predict", model, folder, "-q").stdout

    def test_views_are_chosen_and_resized(self, run, model, folder, pictures):
        large = load_gravity_spy(folder, durations=(4.0, 1.0), progress=False)
        write_glitches(large, "large.hdf5")
        result = run("predict", model, "large.hdf5", "-q", "--probabilities")
        assert result.exit_code == 0, result.output
        printed = [float(row["p_Blip"]) for row in table(result.stdout)]
        expected = skglitch.load(model).predict_proba(pictures.data)[:, 0]
        # Resized twice in place of once: nearly the same numbers.
        np.testing.assert_allclose(printed, expected, atol=0.02)

    def test_fit_leaves_out_what_has_no_label(self, run, pictures):
        pictures.target[:2] = ""
        write_glitches(pictures, "glitches.h5")
        result = run("fit", "glitches.h5", *TINY[:-4], "--json")
        assert result.exit_code == 0, result.output
        printed = json.loads(result.stdout)
        assert printed["n_train"] + printed["n_test"] == 8
        assert printed["durations"] == [1.0, 4.0]
        assert set(printed["test_ids"]) < set(pictures.ids[2:])
        assert skglitch.load("model.skglitch").image_shape_ == (2, 32, 40)
        assert "2 glitches without a label are left out" in result.stderr

    def test_accuracy_is_of_labeled_ones(self, run, model, pictures):
        pictures.target[:2] = ""
        write_glitches(pictures, "glitches.h5")
        result = run("predict", model, "glitches.h5", "--json", "-q")
        assert json.loads(result.stdout)["top_k"][0]["n_samples"] == 8

    def test_times_are_told(self, run, model, pictures):
        write_glitches(pictures | {"gps": START + 0.25 + np.arange(10)}, "glitches.h5")
        rows = table(run("predict", model, "glitches.h5", "-q").stdout)
        assert list(rows[0])[:4] == ["id", "ifo", "gps_time", "label"]
        assert [float(row["gps_time"]) for row in rows] == (START + 0.25 + np.arange(10)).tolist()

    def test_durations_that_nobody_tells(self, run, model, pictures):
        del pictures["durations"]
        write_glitches(pictures, "glitches.h5")
        # The model tells them.
        assert run("predict", model, "glitches.h5", "-q").exit_code == 0
        result = run(
            "embed", "test_efficientnet", "glitches.h5", "--weights", "none", "-o", "e.npy"
        )
        assert result.exit_code == 1
        assert "2 views of unknown durations" in result.stderr

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"durations": (0.5, 4.0)}, "1.0 s"),
            ({"data": np.ones((10, 2, 16, 20), np.float32)}, "views of 16x20 pixels"),
        ],
    )
    def test_views_that_do_not_fit(self, run, model, pictures, change, message):
        write_glitches(pictures | change, "glitches.h5")
        result = run("predict", model, "glitches.h5")
        assert result.exit_code == 1
        assert message in result.stderr


@pytest.fixture(scope="module")
def strain(tmp_path_factory):
    """Noise of H1 in two files that follow each other, one of L1, with a loud burst in each."""
    folder = tmp_path_factory.mktemp("strain")
    rng = np.random.default_rng(0)
    times = np.arange(40 * RATE) / RATE
    for ifo in ("H1", "L1"):
        data = rng.normal(size=len(times))
        for at in (12.0, 20.0):
            burst = np.exp(-(((times - at) / 0.02) ** 2)) * np.sin(2 * np.pi * 200 * times)
            data += 20 * burst
        pieces = [(0, 20), (20, 20)] if ifo == "H1" else [(0, 40)]
        for begin, length in pieces:
            part = data[begin * RATE : (begin + length) * RATE]
            path = folder / f"{ifo}-{START + begin}.hdf5"
            write_gwosc(path, ifo, START + begin, length, RATE, part)
        np.save(folder / f"{ifo}.npy", data)
    return folder


@pytest.fixture
def triggers(tmp_path):
    path = tmp_path / "triggers.csv"
    path.write_text(
        f"gps,ifo,label\n{START + 12},H1,Blip\n{START + 20},H1,Blip\n{START + 20},L1,Koi_Fish\n"
    )
    return path


class TestStrain:
    def test_files_that_follow_each_other_are_one(self, run, model, strain, triggers):
        # What a shell makes of *.hdf5, an option after it, and again before the argument.
        files = sorted(strain.glob("*.hdf5"))
        result = run("predict", model, "--strain", *files, "--triggers", triggers, "-q")
        assert result.exit_code == 0, result.output
        rows = table(result.stdout)
        assert [row["ifo"] for row in rows] == ["H1", "H1", "L1"]
        assert [row["label"] for row in rows] == ["Blip", "Blip", "Koi_Fish"]
        assert [float(row["gps_time"]) for row in rows] == [START + 12, START + 20, START + 20]
        whole = {
            ifo: skglitch.datasets.Strain(np.load(strain / f"{ifo}.npy"), RATE, START, ifo)
            for ifo in ("H1", "L1")
        }
        transformer = QTransformer(sample_rate=RATE, durations=(1.0, 4.0), size=(32, 40))
        X = load_triggers(triggers, whole, transformer, progress=False).data
        expected = skglitch.load(model).predict_proba(X).max(axis=1)
        printed = np.array([row["probability"] for row in rows], dtype=np.float32)
        np.testing.assert_array_equal(printed, expected)

    @pytest.mark.parametrize("channels", [["X"], ["H1:X", "L1:X"], ["L1:X"]], ids=str)
    def test_channels_of_several_detectors(self, run, model, strain, triggers, channels):
        for ifo in ("H1", "L1"):
            with h5py.File(f"{ifo}.hdf5", "w") as file:
                file[f"{ifo}:X"] = np.load(strain / f"{ifo}.npy")
                file[f"{ifo}:X"].attrs.update(sample_rate=float(RATE), t0=float(START))
        where = ["--triggers", triggers, "--strain", "H1.hdf5", "L1.hdf5"]
        for channel in channels:
            where += ["--channel", channel]
        result = run("predict", model, *where, "-q")
        assert result.exit_code == 0, result.output
        plain = run("predict", model, "--triggers", triggers, "-q", "--strain", *strain.glob("*5"))
        assert result.stdout == plain.stdout

    def test_channels_without_detectors(self, run, model, triggers):
        where = ["--triggers", triggers, "--strain", "x.hdf5", "--channel", "X", "--channel", "Y"]
        result = run("predict", model, *where)
        assert result.exit_code == 2
        assert "--channel" in result.stderr

    def test_tables_without_detectors(self, run, model, strain, tmp_path):
        (tmp_path / "t.csv").write_text(f"gps\n{START + 12}\n{START + 20}\n")
        files = sorted(strain.glob("H1*.hdf5"))
        result = run("predict", model, "--triggers", "t.csv", "--strain", *files, "-q")
        assert result.exit_code == 0, result.output
        assert [row["ifo"] for row in table(result.stdout)] == ["H1", "H1"]

    def test_fit_and_embed_take_it_too(self, run, strain, tmp_path):
        text = "".join(f"{START + 10 + n},L1,{'ab'[n % 2]}\n" for n in range(6))
        (tmp_path / "t.csv").write_text("gps,ifo,label\n" + text)
        where = ["--triggers", "t.csv", "--strain", strain / f"L1-{START}.hdf5"]
        result = run("fit", *TINY, *where, "--durations", "1", "-q")
        assert result.exit_code == 0, result.output
        assert skglitch.load("model.skglitch").durations_ == (1.0,)
        result = run("embed", "model.skglitch", *where, "-o", "e.npz", "-q")
        assert result.exit_code == 0, result.output
        assert np.load("e.npz")["gps_time"].tolist() == [START + 10 + n for n in range(6)]

    def test_labels_of_some(self, run, model, strain, tmp_path):
        (tmp_path / "t.csv").write_text(f"gps,ifo,label\n{START + 12},L1,Blip\n{START + 20},L1,\n")
        where = ["--triggers", "t.csv", "--strain", strain / f"L1-{START}.hdf5"]
        result = run("predict", model, *where, "--json", "-q")
        assert result.exit_code == 0, result.output
        printed = json.loads(result.stdout)
        assert printed["glitches"]["label"] == ["Blip", ""]
        assert printed["top_k"][0]["n_samples"] == 1

    def test_length_and_skipping(self, run, model, strain, tmp_path):
        (tmp_path / "t.csv").write_text(f"gps,ifo\n{START + 4},L1\n{START + 12},L1\n")
        where = ["--triggers", "t.csv", "--strain", strain / f"L1-{START}.hdf5", "-q"]
        result = run("predict", model, *where)
        assert result.exit_code == 1
        assert "too close to an end" in result.stderr
        assert "on_error='skip'" in result.stderr
        skipped = run("predict", model, *where, "--on-error", "skip")
        assert skipped.exit_code == 0, skipped.output
        assert len(table(skipped.stdout)) == 1
        assert "Warning: 1 of 2 rows" in skipped.stderr
        assert len(table(run("predict", model, *where, "--strain-duration", "8").stdout)) == 2

    def test_triggers_that_no_file_has(self, run, model, strain, tmp_path):
        (tmp_path / "t.csv").write_text(f"gps,ifo\n{START + 100},H1\n")
        files = sorted(strain.glob("H1*.hdf5"))
        result = run("predict", model, "--triggers", "t.csv", "--strain", *files)
        assert result.exit_code == 1
        assert "row 0 (GPS 1000000100, H1)" in result.stderr
        assert "no strain file has this time" in result.stderr
        assert f"GPS {START} to {START + 20}" in result.stderr
        (tmp_path / "t.csv").write_text(f"gps,ifo\n{START + 10},V1\n")
        result = run("predict", model, "--triggers", "t.csv", "--strain", *files)
        assert "no strain file is of V1, only of H1" in result.stderr

    def test_gaps(self, run, model, strain, triggers, tmp_path):
        data = np.load(strain / "L1.npy")
        data[21 * RATE] = np.nan
        write_gwosc(tmp_path / "gap.hdf5", "L1", START, 40, RATE, data)
        (tmp_path / "t.csv").write_text(f"gps,ifo\n{START + 20},L1\n")
        result = run("predict", model, "--triggers", "t.csv", "--strain", "gap.hdf5")
        assert result.exit_code == 1
        assert "has gaps (NaN)" in result.stderr
        assert result.stderr.splitlines()[-1].startswith("Error: row 0")

    def test_a_file_that_is_missing_between_two(self, run, model, strain, tmp_path):
        data = np.load(strain / "L1.npy")
        for begin in (0, 20):
            part = data[begin * RATE : (begin + 18) * RATE]
            write_gwosc(tmp_path / f"{begin}.hdf5", "L1", START + begin, 18, RATE, part)
        (tmp_path / "t.csv").write_text(f"gps,ifo\n{START + 12},L1\n")
        result = run("predict", model, "--triggers", "t.csv", "--strain", "20.hdf5", "0.hdf5")
        assert result.exit_code == 1
        assert "too close to an end" in result.stderr
        shorter = ["--strain-duration", "10"]
        result = run(
            "predict", model, "--triggers", "t.csv", "--strain", "20.hdf5", "0.hdf5", *shorter
        )
        assert result.exit_code == 0, result.output

    def test_channel(self, run, model, strain, tmp_path):
        with h5py.File(tmp_path / "two.hdf5", "w") as file:
            for name in ("a", "b"):
                file[name] = np.load(strain / "L1.npy")
                file[name].attrs.update({"sample_rate": RATE, "t0": START, "ifo": "L1"})
        (tmp_path / "t.csv").write_text(f"gps,ifo\n{START + 20},L1\n")
        where = ["--triggers", "t.csv", "--strain", "two.hdf5", "-q"]
        assert run("predict", model, *where, "--channel", "b").exit_code == 0
        assert "'a', 'b'" in run("predict", model, *where).stderr
        assert "no data set 'c'" in run("predict", model, *where, "--channel", "c").stderr

    def test_sample_rates_that_differ(self, run, model, strain, triggers, tmp_path):
        write_gwosc(tmp_path / "slow.hdf5", "L1", START, 40, 2048)
        result = run(
            "predict", model, "--triggers", triggers, "--strain", strain / f"H1-{START}.hdf5",
            "slow.hdf5",
        )  # fmt: skip
        assert "sample rates: 2048 and 4096 Hz" in result.stderr


class TestWhatIsNoSource:
    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            ([], 2, "one of SOURCE and --triggers"),
            (["FOLDER", "--triggers", "t.csv"], 2, "one of SOURCE and --triggers"),
            (["FOLDER", "--strain", "x.hdf5"], 2, "--triggers and --strain"),
            (["--triggers", "none.csv"], 2, "'none.csv' does not exist"),
            (["--triggers", "t.csv"], 2, "--triggers and --strain"),
            (["--triggers", "t.csv", "--strain", "no.hdf5"], 1, "'no.hdf5' does not exist"),
            (["--triggers", "t.csv", "--strain", "t.csv"], 1, "is not a strain file"),
            (["--triggers", "t.csv", "--strain", "cut.hdf5"], 1, "'cut.hdf5' is not an HDF5 file"),
            (["--triggers", "t.csv", "--strain", "no.gwf"], 1, "'no.gwf' does not exist"),
            (["--triggers", "bad.csv", "--strain", "x.hdf5"], 1, "no column of GPS times"),
            (["t.csv"], 1, "neither a folder nor an HDF5 file"),
            (["cut.hdf5"], 1, "'cut.hdf5' is not an HDF5 file"),
            (["empty"], 1, "contains no picture named"),
            (["nowhere"], 2, "'nowhere' does not exist"),
        ],
    )
    def test_message(self, run, model, folder, tmp_path, arguments, code, message):
        (tmp_path / "t.csv").write_text(f"gps,ifo\n{START + 5},H1\n")
        (tmp_path / "bad.csv").write_text("when\n3\n")
        (tmp_path / "cut.hdf5").write_text("no HDF5")
        write_gwosc(tmp_path / "x.hdf5", "H1", START, 10, 1024)
        (tmp_path / "empty").mkdir()
        arguments = [str(folder) if word == "FOLDER" else word for word in arguments]
        result = run("predict", model, *arguments)
        assert result.exit_code == code, result.output
        assert message in result.stderr
        assert result.stderr.splitlines()[-1].startswith("Error: ")


def test_times_in_ids():
    np.testing.assert_array_equal(
        gps_of_ids(["1238402214.5", "H1_1126259462", "L1_1126259462.25"]),
        [1238402214.5, 1126259462, 1126259462.25],
    )
    for odd in ("zpdJAmQwGR", "", "12", "12384022140000", "H1-1126259462"):
        assert gps_of_ids(["1238402214.5", odd]) is None
