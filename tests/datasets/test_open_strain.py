"""The download of strain against a real server on this machine that answers as GWOSC does."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skglitch.datasets import fetch_open_strain
from skglitch.datasets._open_strain import _Span

from .gwosc_files import write_gwosc

gwosc_api = pytest.importorskip("gwosc.api.v2")

RATE = 4096
START = 1126256640  # of an observing run of three files of 16 s
MIDDLE = START + 24
EVENT = 1187008882


def run_file(start):
    return f"H-H1_GWOSC_O1_4KHZ_R1-{start}-16.hdf5"


class Gwosc:
    """What the server has, how it misbehaves, and what it was asked for."""

    def __init__(self, folder):
        self.folder = folder
        self.run_files = []
        self.event_files = []
        self.break_off = []  # after how many bytes to break off, one answer each
        self.corrupt = 0  # how many files to corrupt
        self.knows_ranges = True
        self.status = {}  # by what the path ends with
        self.asked = []
        self.url = ""

    def put(self, name, into, data=None):
        stem = name.removesuffix(".hdf5")
        start, duration = map(int, stem.split("-")[-2:])
        if data is None:
            # Samples that tell their time.
            data = (start - START) * RATE + np.arange(1.0, duration * RATE + 1)
        write_gwosc(self.folder / name, name[2:4], start, duration, RATE, data)
        into.append((name, start, start + duration))

    def size(self, name):
        return (self.folder / name).stat().st_size

    def answer(self, path, query):
        """Answer a question as version 2 of their interface does."""
        if path == "/api/v2/event-versions":
            low, high = (float(query[f"{name}-gps-time"][0]) for name in ("min", "max"))
            return [
                {
                    "shortName": "GW170817-v3",
                    "gps": EVENT + 0.4,
                    "catalog": "GWTC-1-confident",
                    "version": 3,
                    "detectors": ["H1", "L1"],
                }
            ] * (low <= EVENT + 0.4 <= high)
        if path == "/api/v2/event-versions/GW170817-v3/strain-files":
            assert query["file-format"] == ["hdf"]
            files = self.event_files if query["sample-rate"] == ["4"] else []
            return [
                {
                    "download_url": f"{self.url}/eventapi/json/GW170817/v3/{name}",
                    "gps_start": start,
                    "duration": stop - start,
                    "detector": "H1",
                }
                for name, start, stop in files
            ]
        if path == "/api/v2/runs":
            run = {"name": "O1", "detectors": ["H1", "L1"]}
            return [run | {"gps_start": START, "gps_end": START + 4096}]
        if path == "/api/v2/runs/O1/strain-files":
            assert query["detector"] == ["H1"]
            low, high = int(query["start"][0]), int(query["stop"][0])
            return [
                {"hdf5_url": f"{self.url}/archive/data/O1/{name}", "gwf_url": "-"}
                for name, start, stop in self.run_files
                if start < high and stop > low and query["sample-rate"] == ["4"]
            ]
        return None

    def asked_for(self, name):
        return [ranged for path, ranged in self.asked if path.endswith(name)]


def make_handler(gwosc):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            gwosc.asked.append((url.path, self.headers.get("Range", "")))
            name = url.path.rpartition("/")[2]
            for ending, status in gwosc.status.items():
                if url.path.endswith(ending):
                    self.send(status, b"", {"Retry-After": "0"})
                    return
            if name.endswith(".hdf5"):
                self.send_file((gwosc.folder / name).read_bytes())
                return
            results = gwosc.answer(url.path, parse_qs(url.query))
            if results is None:
                self.send(404, b"")
            else:
                page = {"results": results, "next": None, "num_pages": 1}
                self.send(200, json.dumps(page).encode())

        def send_file(self, content):
            length = len(content)
            ranged = self.headers.get("Range", "")
            start = int(ranged.removeprefix("bytes=")[:-1]) if ranged else 0
            if gwosc.corrupt:
                gwosc.corrupt -= 1
                content = content[: length // 4] + b"\xff" * (length - length // 4)
            if ranged and gwosc.knows_ranges and start >= length:
                self.send(416, b"", {"Content-Range": f"bytes */{length}"})
            elif ranged and gwosc.knows_ranges:
                span = f"bytes {start}-{length - 1}/{length}"
                self.send(206, content[start:], {"Content-Range": span})
            else:
                self.send(200, content)

        def send(self, status, body, headers=None):
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.path.endswith(".hdf5") and gwosc.break_off:
                body = body[: gwosc.break_off.pop(0)]
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    return Handler


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Files are made once; what a test changes is put back."""
    gwosc = Gwosc(tmp_path_factory.mktemp("gwosc"))
    for start in (START, START + 16, START + 32):
        gwosc.put(run_file(start), gwosc.run_files)
    for tag in ("GWOSC_4KHZ_R1", "LOSC_CLN_4_V1"):
        gwosc.put(f"H-H1_{tag}-{EVENT - 8}-16.hdf5", gwosc.event_files)
    gwosc.put(f"H-H1_GWOSC_4KHZ_R1-{EVENT - 16}-32.hdf5", gwosc.event_files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(gwosc))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    gwosc.url = f"http://127.0.0.1:{server.server_port}"
    yield gwosc
    server.shutdown()
    server.server_close()
    thread.join()


OFFLINE = "http://127.0.0.1:9"


@pytest.fixture
def gwosc(served, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("skglitch.datasets._open_strain._HOST", served.url)
    gwosc_api.JSON_CACHE.clear()
    lists = served.run_files, served.event_files
    served.run_files, served.event_files = map(list, lists)
    served.break_off, served.corrupt, served.knows_ranges = [], 0, True
    served.status, served.asked = {}, []
    yield served
    served.run_files, served.event_files = lists


@pytest.fixture
def fetch(gwosc, tmp_path):
    def fetch_here(gps=MIDDLE, ifo="H1", **options):
        options = {
            "duration": 8.0,
            "data_home": tmp_path / "home",
            "progress": False,
            "delay": 0.0,
        } | options
        return fetch_open_strain(gps, ifo, **options)

    return fetch_here


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / "open_strain"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_is(strain, start, stop):
    """The samples are those of the times."""
    first, last = (round((gps - START) * RATE) for gps in (start, stop))
    assert strain.span == (start, stop)
    assert (strain.data == np.arange(first + 1.0, last + 1.0)).all()


def test_fetch(fetch, folder):
    strain = fetch()
    assert_is(strain, MIDDLE - 4, MIDDLE + 4)
    assert (strain.ifo, strain.sample_rate) == ("H1", 4096)
    assert names(folder) == [run_file(START + 16)]


def test_between_samples_and_seconds(fetch):
    assert_is(
        fetch(MIDDLE + 0.4000001, duration=4.5), MIDDLE - 1.85009765625, MIDDLE + 2.64990234375
    )


def test_second_call_asks_nothing(gwosc, fetch):
    fetch()
    gwosc.asked.clear()
    assert_is(fetch(MIDDLE + 1, duration=2), MIDDLE, MIDDLE + 2)
    assert_is(fetch(download_if_missing=False), MIDDLE - 4, MIDDLE + 4)
    assert gwosc.asked == []


def test_stretch_over_two_and_three_files(gwosc, fetch, folder):
    assert_is(fetch(START + 16), START + 12, START + 20)
    assert names(folder) == [run_file(START), run_file(START + 16)]
    gwosc.asked.clear()
    assert_is(fetch(duration=40.0), START + 4, START + 44)
    assert len(gwosc.asked_for(".hdf5")) == 1
    gwosc.asked.clear()
    assert_is(fetch(duration=48.0), START, START + 48)
    assert gwosc.asked == []


def test_event_takes_the_shortest_file_that_was_not_cleaned(fetch, folder):
    assert_is(fetch(EVENT, duration=4.0), EVENT - 2, EVENT + 2)
    assert names(folder) == [f"H-H1_GWOSC_4KHZ_R1-{EVENT - 8}-16.hdf5"]
    assert_is(fetch(EVENT, duration=32.0), EVENT - 16, EVENT + 16)


def test_gaps_stay(gwosc, fetch):
    data = np.arange(1.0, 16 * RATE + 1)
    data[RATE : 2 * RATE] = np.nan
    gwosc.put(f"H-H1_GWOSC_O1_4KHZ_R1-{START + 48}-16.hdf5", gwosc.run_files, data)
    assert fetch(START + 50, duration=4.0).gaps == [(START + 49, START + 50)]
    with pytest.raises(ValueError, match=r"has no data"):
        fetch(START + 49.5, duration=1.0)


def test_transfer_that_breaks_off_is_continued(gwosc, fetch):
    gwosc.break_off = [1000, 500]
    assert_is(fetch(), MIDDLE - 4, MIDDLE + 4)
    assert gwosc.asked_for(run_file(START + 16)) == ["", "bytes=1000-", "bytes=1500-"]


def test_the_next_call_continues_too(gwosc, fetch, folder):
    gwosc.break_off = [1000]
    name = run_file(START + 16)
    with pytest.raises(OSError, match=rf" 1000 of {gwosc.size(name)} ") as caught:
        fetch(n_retries=0)
    assert f"{gwosc.url}/archive/data/O1/{name}" in str(caught.value)
    assert str(caught.value).endswith(f"put the file at {folder / name}")
    assert names(folder) == [f"{name}.part"]
    assert_is(fetch(), MIDDLE - 4, MIDDLE + 4)
    assert names(folder) == [name]


def test_server_without_ranges_starts_over(gwosc, fetch):
    gwosc.break_off = [1000]
    gwosc.knows_ranges = False
    assert_is(fetch(), MIDDLE - 4, MIDDLE + 4)


def test_part_that_is_as_long_as_the_file_is_dropped(gwosc, fetch, folder):
    name = run_file(START + 16)
    folder.mkdir(parents=True)
    (folder / f"{name}.part").write_bytes(b"x" * gwosc.size(name))
    assert_is(fetch(), MIDDLE - 4, MIDDLE + 4)
    assert [bool(ranged) for ranged in gwosc.asked_for(name)] == [True, False]


def test_corrupted_file_is_noticed_and_removed(gwosc, fetch, folder):
    gwosc.corrupt = 1
    with pytest.raises(OSError, match=r"removed: .*damaged"):
        fetch()
    assert names(folder) == []
    assert_is(fetch(), MIDDLE - 4, MIDDLE + 4)


def test_file_put_by_hand_works_offline(gwosc, fetch, folder, monkeypatch):
    monkeypatch.setattr("skglitch.datasets._open_strain._HOST", OFFLINE)
    folder.mkdir(parents=True)
    (folder / run_file(START)).write_bytes((gwosc.folder / run_file(START)).read_bytes())
    assert_is(fetch(START + 5), START + 1, START + 9)
    assert gwosc.asked == []


def test_file_put_by_hand_that_is_broken_is_kept(gwosc, fetch, folder):
    folder.mkdir(parents=True)
    path = folder / run_file(START + 16)
    path.write_bytes(b"<html>")
    with pytest.raises(ValueError, match=f"Remove {path}"):
        fetch()
    write_gwosc(path, "L1", START + 16, 16, RATE)
    with pytest.raises(ValueError, match="ifo='H1', but"):
        fetch()
    assert path.exists()


def test_offline_says_what_to_put_where(fetch, folder, monkeypatch):
    monkeypatch.setattr("skglitch.datasets._open_strain._HOST", OFFLINE)
    with pytest.raises(OSError, match="H1 at 4096 Hz") as e:
        fetch()
    assert f"put them into {folder} under their own names" in str(e.value)
    assert str(e.value).endswith(f"H-H1_GWOSC_4KHZ_R1-{START}-4096.hdf5")


@pytest.mark.parametrize("status", [403, 503])
def test_interface_that_is_out_of_order(gwosc, fetch, status):
    gwosc.status["/api/v2/runs"] = status
    with pytest.raises(OSError, match=r"queried .* H1"):
        fetch()


@pytest.mark.parametrize("status", [404, 500])
def test_file_that_is_not_there(gwosc, fetch, status):
    gwosc.status[".hdf5"] = status
    with pytest.raises(OSError, match="Cannot download"):
        fetch(n_retries=2)
    assert len(gwosc.asked_for(".hdf5")) == {404: 1, 500: 3}[status]


@pytest.mark.parametrize(
    ("gps", "ifo", "options"),
    [
        (START - 1e6, "H1", {}),
        (START + 1, "H1", {}),
        (START + 4095, "H1", {}),
        (MIDDLE, "V1", {}),
        (MIDDLE, "H1", {"sample_rate": 16384}),
    ],
)
def test_time_without_data(fetch, gps, ifo, options):
    with pytest.raises(ValueError, match=f" all data of {ifo} "):
        fetch(gps, ifo, **options)


def test_hole_between_files(gwosc, fetch):
    del gwosc.run_files[1]
    with pytest.raises(ValueError, match=" all data of"):
        fetch(duration=40.0)


def test_download_if_missing_false(gwosc, fetch, folder):
    with pytest.raises(OSError, match=r"H1 at 4096 Hz .*download_if_missing=False"):
        fetch(download_if_missing=False)
    assert gwosc.asked == []
    assert not folder.exists()


def test_missing_package_is_named(fetch, monkeypatch):
    for name in ("gwosc.locate", "h5py"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError, match=r"skglitch\[strain\]"):
            fetch()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gps": np.nan}, "gps=nan must be"),
        ({"duration": 0}, "duration=0 must be"),
        ({"ifo": "Hanford"}, "ifo='Hanford' must be a detector"),
        ({"ifo": None}, "ifo=None must be a detector"),
        ({"sample_rate": 2048}, "sample_rate=2048 is not one of 4096, 16384"),
        ({"n_retries": -1}, "n_retries=-1 must be"),
        ({"delay": -1.0}, r"delay=-1\.0 must be"),
    ],
)
def test_bad_parameters(gwosc, fetch, options, message):
    with pytest.raises(ValueError, match=message):
        fetch(**options)
    assert gwosc.asked == []


def test_real_file(real_data, folder, fetch):
    """A file of theirs, put by hand, under the name that it has there."""
    folder.mkdir(parents=True)
    name = "H-H1_LOSC_4_V2-1126259446-32.hdf5"
    (folder / name).symlink_to(real_data / "strain_events" / name)
    strain = fetch(1126259462.4)
    assert strain.ifo == "H1"
    assert len(strain.data) == 8 * 4096
    with h5py.File(folder / name) as file:
        first = round((1126259458.4 - 1126259446) * 4096)
        assert (strain.data == file["strain/Strain"][first : first + 8 * 4096]).all()


class TestChoice:
    @given(
        files=st.sets(
            st.tuples(st.integers(0, 12), st.integers(1, 8), st.sampled_from(["R1", "R2"])),
            max_size=8,
        ),
        start=st.integers(0, 12),
        duration=st.integers(1, 8),
    )
    def test_covers_whenever_one_release_can(self, files, start, duration):
        stretch = set(range(start, start + duration))
        chosen = _Span("H1", 4096, start, start + duration).choose(
            [f"H-H1_GWOSC_4KHZ_{version}-{begin}-{n}.hdf5" for begin, n, version in files]
        )
        held = {
            version: {s for begin, n, v in files if v == version for s in range(begin, begin + n)}
            for version in ("R1", "R2")
        }
        possible = any(stretch <= seconds for seconds in held.values())
        assert (chosen is not None) == possible
        if chosen:
            assert stretch <= {s for file in chosen for s in range(file.start, file.stop)}
            assert len({file.release for file in chosen}) == 1
            starts = [file.start for file in chosen]
            assert starts == sorted(starts)
            alone = [n for begin, n, _ in files if {*stretch} <= {*range(begin, begin + n)}]
            if alone:
                assert [file.stop - file.start for file in chosen] == [min(alone)]

    @pytest.mark.parametrize(
        "name",
        [
            "H-H1_LOSC_4_V2-0-32.hdf5",
            "H-H1_GWOSC_4KHZ_R1-0-32.hdf5",
            "H-H1_GWOSC_O3a_4KHZ_R1-0-4096.hdf5",
            "H-H1_GWOSC_O4Discovery_4KHZ_R1-0-4096.hdf5",
            "H-H1_LOSC_CLN_4_V1-0-2048.hdf5",
        ],
    )
    def test_knows_names(self, name):
        chosen = _Span("H1", 4096, 1, 9).choose([name])
        assert [file.name for file in chosen] == [name]
        assert _Span("L1", 4096, 1, 9).choose([name]) is None
        assert _Span("H1", 16384, 1, 9).choose([name]) is None

    @pytest.mark.parametrize(
        "name",
        [
            "H-H1_GWOSC_4KHZ_R1-0-32.hdf5.part",
            "../H-H1_GWOSC_4KHZ_R1-0-32.hdf5",
            "H-H1_GWOSC_4KHZ_R1-0-32.gwf",
            "x",
        ],
    )
    def test_knows_no_others(self, name):
        assert _Span("H1", 4096, 1, 9).choose([name]) is None

    def test_newest_version(self):
        names = [f"H-H1_GWOSC_4KHZ_R{version}-0-32.hdf5" for version in (2, 10, 1)]
        assert _Span("H1", 4096, 1, 9).choose(names)[0].name == names[1]
