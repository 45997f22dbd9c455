"""The catalog, the votes and the pictures against a server on this machine."""

import bz2

import numpy as np
import pytest

from skglitch.datasets import (
    Strain,
    fetch_gravity_spy_catalog,
    fetch_gravity_spy_pictures,
    fetch_gravity_spy_votes,
    load_gravity_spy,
    load_triggers,
)
from skglitch.spectrograms import QTransformer

from .zenodo import CATALOG, Zenodo, put_catalog, put_pictures, put_votes, serving


@pytest.fixture
def zenodo(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(Zenodo()) as zenodo:
        put_catalog(zenodo)
        monkeypatch.setattr("skglitch._download.ZENODO", zenodo.url)
        yield zenodo


@pytest.fixture
def fetch(zenodo, tmp_path):
    def fetch_here(function=fetch_gravity_spy_catalog, **options):
        options = {"progress": False, "delay": 0.0} | options
        return function(tmp_path / "home", **options)

    return fetch_here


def test_catalog(zenodo, fetch):
    catalog = fetch()
    assert len(catalog.frame) == 16
    assert catalog.frame["run"].value_counts().to_dict() == dict.fromkeys(
        ("O1", "O2", "O3a", "O3b"), 4
    )
    assert catalog.frame.index.tolist() == list(range(16))
    assert catalog.target_names.tolist() == ["Blip", "Chirp"]
    assert catalog.frame["event_time"][0] == 7.25
    assert [name for name, _ in zenodo.asked].count(CATALOG) == 1
    zenodo.asked.clear()
    fetch(download_if_missing=False)
    assert zenodo.asked == []


def test_only_the_tables_that_are_needed_are_downloaded(zenodo, fetch):
    frame = fetch(runs=["O3b", "O1"], ifos=["L1"]).frame
    assert frame["run"].tolist() == ["O3b"] * 2 + ["O1"] * 2
    assert [name for name, _ in zenodo.asked] == [CATALOG, "L1_O3b.csv", "L1_O1.csv"]
    with pytest.raises(OSError, match=r"H1_O1\.csv.*download_if_missing=False"):
        fetch(download_if_missing=False)


def test_a_table_that_lacks_labels(fetch, tmp_path):
    folder = tmp_path / "home" / "gravity_spy_catalog"
    folder.mkdir(parents=True)
    for content in ("event_time,ml_label\n1.0,Blip\n", "", "a,b\n1,2,3\n4,5,6,7\n"):
        (folder / "H1_O1.csv").write_text(content)
        with pytest.raises(ValueError, match=r"H1_O1\.csv"):
            fetch(runs=["O1"], ifos=["H1"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runs": "O1"}, "runs='O1'"),
        ({"runs": ["O3"]}, r"runs=\['O3'\].*'O3a'"),
        ({"ifos": []}, r"ifos=\[\]"),
    ],
)
def test_bad_parameters_of_the_catalog(fetch, zenodo, options, message):
    with pytest.raises(ValueError, match=message):
        fetch(**options)
    assert zenodo.asked == []


def test_rows_of_the_catalog_are_triggers(fetch):
    frame = fetch(ifos=["H1"], runs=["O1"]).frame[::-1]
    strain = Strain(np.random.default_rng(0).normal(size=16 * 4096), 4096, t0=0, ifo="H1")
    transformer = QTransformer(sample_rate=4096, durations=(0.5,), size=(6, 8))
    bunch = load_triggers(frame, strain, transformer, duration=8.0)
    assert bunch.data.shape == (2, 1, 6, 8)
    assert bunch.gps.tolist() == [8.5, 7.25]
    assert bunch.target.tolist() == ["Chirp", "Blip"]


@pytest.mark.parametrize("name", ["gravityspy_id", "Subject_id"])
def test_votes(zenodo, fetch, name):
    rows = [
        "b2,Blip,u1",
        "a1,Whistle,u2",
        "a1,Blip,u1",
        "a1,Whistle,u3",
        "a1,Whistle,u4",
        ",Blip,u1",
    ]
    put_votes(zenodo, "\n".join([f"{name},Label,User", *rows]))
    votes = fetch(fetch_gravity_spy_votes)
    assert votes.frame.to_dict("index") == {
        "a1": {"Blip": 0.25, "Whistle": 0.75},
        "b2": {"Blip": 1.0, "Whistle": 0.0},
    }
    assert votes.frame.index.name == name
    assert votes.n_votes.tolist() == [4, 1]
    assert votes.target_names.tolist() == ["Blip", "Whistle"]


def test_votes_of_another_form(zenodo, fetch):
    put_votes(zenodo, "subject,choice\n17,Blip\n17,Tomte\n")
    with pytest.raises(ValueError, match=r"pass glitch and label\..* subject, choice"):
        fetch(fetch_gravity_spy_votes)
    votes = fetch(fetch_gravity_spy_votes, glitch="subject", label="choice")
    assert votes.frame.loc["17"].tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="label='x'"):
        fetch(fetch_gravity_spy_votes, glitch="subject", label="x")


def test_votes_that_are_damaged(zenodo, fetch, tmp_path):
    folder = tmp_path / "home" / "gravity_spy_votes"
    folder.mkdir(parents=True)
    for content in (b"", b"BZh9xyz", bz2.compress(b"a" * 100)[:-5]):
        (folder / "classifications.csv.bz2").write_bytes(content)
        with pytest.raises(ValueError, match=r"classifications\.csv\.bz2"):
            fetch(fetch_gravity_spy_votes)


@pytest.fixture
def frame(zenodo, fetch, small_tree):
    """Four glitches whose pictures the server has."""
    frame = fetch(runs=["O1"]).frame
    put_pictures(zenodo, frame, next(small_tree.rglob("*.png")).read_bytes())
    zenodo.asked.clear()
    return frame


def fetch_pictures(frame, folder, **options):
    options = {"delay": 0.0, "progress": False} | options
    return fetch_gravity_spy_pictures(frame, folder, **options)


def test_pictures(zenodo, frame, tmp_path):
    pictures = fetch_pictures(frame[frame["ifo"] == "L1"], tmp_path / "pictures")
    assert pictures.skipped == {}
    bunch = load_gravity_spy(pictures.folder, size=(6, 8), cache=False)
    assert bunch.data.shape == (2, 4, 6, 8)
    assert bunch.target.tolist() == ["Blip", "Chirp"]
    assert bunch.ids.tolist() == ["l10a", "l10b"]
    asked = dict(zenodo.asked)
    assert asked.keys() == {f"l10{i}_{k}.png" for i in "ab" for k in range(1, 5)}
    zenodo.asked.clear()
    fetch_pictures(frame, tmp_path / "pictures", durations=(4.0, 0.5))
    assert {name for name, _ in zenodo.asked} == {f"h10{i}_{k}.png" for i in "ab" for k in (1, 4)}


def test_pictures_without_labels(frame, tmp_path):
    fetch_pictures(frame[:1], tmp_path, label=None, durations=(1.0,))
    assert (tmp_path / "H1_h10a_spectrogram_1.0.png").is_file()


def test_pictures_that_the_server_lacks(zenodo, frame, tmp_path):
    folder = tmp_path / "pictures"
    del zenodo.files["h10a_2.png"]
    zenodo.files["h10b_4.png"] = b"<html>"
    frame.loc[2, "url3"] = np.nan
    with pytest.raises(ValueError, match=r"row 2: url3=''"):
        fetch_pictures(frame, folder)
    with pytest.raises(OSError, match=r"row 0: .*h10a_2.png"):
        fetch_pictures(frame[:2], folder, n_jobs=1)
    with pytest.warns(UserWarning, match=r"3 of 4 rows(.|\n)*row 0: .*h10a_2(.|\n)*row 1: .*PNG"):
        pictures = fetch_pictures(frame, folder, on_error="skip")
    assert sorted(pictures.skipped) == [0, 1, 2]
    assert len(list(folder.rglob("*.png"))) == 3 + 3 + 0 + 4
    assert not list(folder.rglob("*.part"))
    zenodo.asked.clear()
    zenodo.files["h10a_2.png"] = zenodo.files["h10a_1.png"]
    fetch_pictures(frame[:1], folder)
    assert [name for name, _ in zenodo.asked] == ["h10a_2.png"]


def test_a_picture_that_breaks_off_is_continued(zenodo, frame, tmp_path):
    zenodo.break_off = [100]
    fetch_pictures(frame[:1], tmp_path, durations=(1.0,))
    assert zenodo.asked[-1] == ("h10a_2.png", "bytes=100-")


@pytest.mark.parametrize(
    ("column", "value"), [("gravityspy_id", "../x"), ("ml_label", ".."), ("ifo", "")]
)
def test_tables_cannot_write_outside_of_the_folder(frame, tmp_path, column, value):
    frame.loc[1, column] = value
    with pytest.raises(ValueError, match=f"row 1: {column}={value!r}"):
        fetch_pictures(frame, tmp_path / "pictures")
    assert not (tmp_path / "pictures").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"durations": (8.0,)}, r"durations=\(8\.0,\)"),
        ({"label": "class"}, "'class'"),
        ({"on_error": "warn"}, "on_error='warn'"),
        ({"n_retries": -1}, "n_retries=-1"),
    ],
)
def test_bad_parameters_of_the_pictures(frame, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        fetch_pictures(frame, tmp_path, **options)
