"""The download against a real server on this machine, with files of the real form."""

import numpy as np
import pytest

from skglitch.datasets import fetch_gravity_spy

from .zenodo import ARCHIVE, METADATA, Zenodo, pack, put_training_set, serving

# Not in the order of the pictures.
TABLE = """\
event_time,ifo,gravityspy_id,label,sample_type
1134216192.931640,L1,c3,Koi_Fish,validation
1127425468.976318,H1,a1,Blip,train
1132636755.365234,L1,b2,Blip,test
"""


@pytest.fixture
def zenodo(small_tree, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    zenodo = Zenodo()
    # macOS leaves such twins in archives; noise makes this one long enough to break off.
    noise = np.random.default_rng(0).bytes(20_000)
    archive = pack(small_tree, [("TrainingSet/Blip/._H1_a1.png", noise)])
    put_training_set(zenodo, archive, TABLE)
    with serving(zenodo):
        monkeypatch.setattr("skglitch._download.ZENODO", zenodo.url)
        yield zenodo


@pytest.fixture
def fetch(zenodo, tmp_path):
    def fetch_here(**options):
        options = {
            "durations": (1.0, 4.0),
            "size": (6, 8),
            "progress": False,
            "delay": 0.0,
        } | options
        return fetch_gravity_spy(tmp_path / "home", **options)

    return fetch_here


@pytest.fixture
def shelf(tmp_path):
    return tmp_path / "home" / "gravity_spy"


def asked_for(zenodo, name):
    return [ranged for asked, ranged in zenodo.asked if asked == name]


LEVELS = [[10, 20], [30, 40], [50, 60], [70, 80]]


def test_fetch(zenodo, fetch, shelf):
    bunch = fetch()
    assert bunch.data[..., 0, 0].tolist() == LEVELS
    assert bunch.target.tolist() == ["Blip", "Blip", "Koi_Fish", "Koi_Fish"]
    assert bunch.frame["sample_type"].tolist()[:3] == ["train", "test", "validation"]
    assert bunch.frame["gravityspy_id"].tolist() == bunch.ids.tolist()
    assert bunch.frame["event_time"][0] == 1127425468.976318
    assert bunch.frame.iloc[3, 1:].isna().all()
    assert sorted(p.name for p in shelf.iterdir()) == [METADATA, "trainingsetv1d1"]
    assert len(list((shelf.parent / "gravity_spy_cache").glob("*.npy"))) == 1


def test_second_call_asks_nothing(zenodo, fetch):
    fetch()
    zenodo.asked.clear()
    bunch = fetch()
    assert zenodo.asked == []
    assert bunch.data[..., 0, 0].tolist() == LEVELS
    assert bunch.frame["sample_type"][1] == "test"


def test_return_X_y(fetch):
    X, y = fetch(return_X_y=True)
    assert X.shape == (4, 2, 6, 8)
    assert y.tolist() == ["Blip", "Blip", "Koi_Fish", "Koi_Fish"]


def test_transfer_that_breaks_off_is_continued(zenodo, fetch):
    zenodo.break_off = [1000, 500]
    assert fetch().data[..., 0, 0].tolist() == LEVELS
    assert asked_for(zenodo, ARCHIVE) == ["", "bytes=1000-", "bytes=1500-"]


def test_the_next_call_continues_too(zenodo, fetch, shelf):
    zenodo.break_off = [1000]
    with pytest.raises(OSError, match=r" 1000 of \d+ bytes") as caught:
        fetch(n_retries=0)
    assert f"{zenodo.url}/records/1476551/files/{ARCHIVE}?download=1" in str(caught.value)
    assert str(shelf / ARCHIVE) in str(caught.value)
    assert (shelf / f"{ARCHIVE}.part").stat().st_size == 1000
    assert fetch().data[..., 0, 0].tolist() == LEVELS
    assert asked_for(zenodo, ARCHIVE) == ["", "bytes=1000-"]


def test_server_without_ranges_starts_over(zenodo, fetch):
    zenodo.break_off = [1000]
    zenodo.knows_ranges = False
    assert fetch().data[..., 0, 0].tolist() == LEVELS


def test_corrupted_file_is_noticed_and_had_again(zenodo, fetch):
    zenodo.corrupt = 1
    assert fetch().data[..., 0, 0].tolist() == LEVELS
    assert asked_for(zenodo, ARCHIVE) == ["", ""]


def test_file_that_stays_corrupted_is_an_error(zenodo, fetch, shelf):
    zenodo.corrupt = 10
    with pytest.raises(OSError, match="checksum md5:"):
        fetch(n_retries=1)
    assert list(shelf.iterdir()) == []


def test_part_of_something_else_is_noticed(zenodo, fetch, shelf):
    shelf.mkdir(parents=True)
    (shelf / f"{ARCHIVE}.part").write_bytes(b"x" * 1000)
    assert fetch().data[..., 0, 0].tolist() == LEVELS
    assert asked_for(zenodo, ARCHIVE) == ["bytes=1000-", ""]


def test_part_that_is_too_long_is_dropped(zenodo, fetch, shelf):
    shelf.mkdir(parents=True)
    (shelf / f"{ARCHIVE}.part").write_bytes(b"x" * (len(zenodo.files[ARCHIVE]) + 1))
    assert fetch().data[..., 0, 0].tolist() == LEVELS


def test_offline_says_what_to_put_where(fetch, shelf, monkeypatch):
    monkeypatch.setattr("skglitch._download.ZENODO", "http://127.0.0.1:9")
    with pytest.raises(OSError, match=r"127\.0\.0\.1:9") as caught:
        fetch(n_retries=0)
    message = str(caught.value)
    assert f"http://127.0.0.1:9/records/1476551/files/{ARCHIVE}?download=1" in message
    assert message.endswith(f"put the file at {shelf / ARCHIVE}")


def test_file_put_by_hand_works_offline(zenodo, fetch, shelf, monkeypatch):
    monkeypatch.setattr("skglitch._download.ZENODO", "http://127.0.0.1:9")
    shelf.mkdir(parents=True)
    (shelf / ARCHIVE).write_bytes(zenodo.files[ARCHIVE])
    with pytest.warns(UserWarning, match="frame is None"):
        bunch = fetch(n_retries=0)
    assert bunch.frame is None
    assert bunch.data[..., 0, 0].tolist() == LEVELS
    assert (shelf / ARCHIVE).exists()


@pytest.mark.parametrize("status", [404, 500])
def test_answers_that_are_errors(zenodo, fetch, status):
    zenodo.status[ARCHIVE] = status
    with pytest.raises(OSError, match=r"127\.0\.0\.1"):
        fetch(n_retries=2)
    # What is not there will not be there a moment later.
    assert len(asked_for(zenodo, ARCHIVE)) == {404: 1, 500: 3}[status]


def test_answer_that_is_no_record(zenodo, fetch):
    zenodo.described.clear()
    zenodo.described["x"] = {"key": "x"}
    with pytest.raises(OSError, match=r"records/1476551.*KeyError"):
        fetch()


def test_record_without_the_file(zenodo, fetch):
    del zenodo.described[ARCHIVE]
    with pytest.raises(OSError, match=f"{ARCHIVE}.* {METADATA}"):
        fetch()


def test_download_if_missing_false(zenodo, fetch):
    with pytest.raises(OSError, match="download_if_missing=False"):
        fetch(download_if_missing=False)
    assert zenodo.asked == []
    fetch(return_X_y=True)
    zenodo.asked.clear()
    assert fetch(download_if_missing=False).frame is None
    assert zenodo.asked == []


def test_archive_cannot_leave_its_folder(zenodo, fetch, shelf, small_tree):
    zenodo.put(ARCHIVE, pack(small_tree, [("../../escaped.txt", b"x")]))
    with pytest.raises(ValueError, match=rf"{ARCHIVE}.*unpacked"):
        fetch()
    assert not list(shelf.parent.parent.rglob("escaped.txt"))
    assert [p.name for p in shelf.iterdir()] == [ARCHIVE]


def test_archive_with_a_link(zenodo, fetch, shelf, small_tree):
    zenodo.put(ARCHIVE, pack(small_tree, link="../../.."))
    with pytest.raises(ValueError, match="TrainingSet/link"):
        fetch()
    assert [p.name for p in shelf.iterdir()] == [ARCHIVE]


def test_archive_whose_content_does_not_fit_its_checksum(zenodo, fetch, shelf):
    content = zenodo.files[ARCHIVE]
    shelf.mkdir(parents=True)
    (shelf / ARCHIVE).write_bytes(content[:-8] + bytes([content[-8] ^ 1]) + content[-7:])
    with pytest.raises(ValueError, match=rf"{ARCHIVE}.*unpacked"):
        fetch()
    assert [p.name for p in shelf.iterdir()] == [ARCHIVE]


def test_archive_that_is_cut_short_leaves_nothing_unpacked(zenodo, fetch, shelf):
    zenodo.put(ARCHIVE, zenodo.files[ARCHIVE][:-3000])
    with pytest.raises(ValueError, match=rf"{ARCHIVE}.*unpacked"):
        fetch()
    assert [p.name for p in shelf.iterdir()] == [ARCHIVE]


def test_damaged_table_costs_the_split_only(zenodo, fetch):
    zenodo.put(METADATA, b"id,other\n1,2\n")
    with pytest.warns(UserWarning, match="frame is None"):
        bunch = fetch()
    assert bunch.frame is None
    assert isinstance(bunch.data, np.ndarray)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 3}, "size=3"),
        ({"missing": "drop"}, "missing='drop'"),
        ({"n_retries": -1}, "n_retries=-1"),
        ({"delay": -1.0}, r"delay=-1\.0"),
    ],
)
def test_bad_parameters(fetch, zenodo, options, message):
    with pytest.raises(ValueError, match=message):
        fetch(**options)
    assert zenodo.asked == []
