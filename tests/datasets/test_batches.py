"""Jobs that die in the middle, and go on as if nothing had happened."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np
import pytest
from joblib.hashing import hash as hash_of

from skglitch.datasets import Strain, StrainFiles, load_triggers, make_glitches
from skglitch.datasets import _make_glitches as module

from .gwosc_files import write_gwosc

QUICK = {"classes": ["Blip", "Tomte"], "durations": (0.5,), "size": (8, 10), "duration": 4.0}
QUICK |= {"sample_rate": 1024.0, "device": "cpu", "return_strain": True}
T0 = 1126259446


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 2)


def make(folder, **options):
    return make_glitches(6, **{"random_state": 0, "checkpoint": folder} | QUICK | options)


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for name in a:
        if isinstance(a[name], np.ndarray):
            assert a[name].dtype == b[name].dtype
            np.testing.assert_array_equal(a[name], b[name])
        else:
            assert a[name] == b[name]


class Crash(Exception):
    pass


def crash_after(monkeypatch, n_batches):
    """Let the simulation crash in a later batch."""
    simulate, n_calls = module._simulate, 0

    def simulate_or_crash(*args):
        nonlocal n_calls
        n_calls += 1
        if n_calls > 2 * n_batches:
            raise Crash
        return simulate(*args)

    monkeypatch.setattr(module, "_simulate", simulate_or_crash)


@pytest.mark.parametrize("n_batches", [0, 1, 2])
def test_glitches_are_not_made_twice(n_batches, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        crash_after(patch, n_batches)
        with pytest.raises(Crash):
            make(tmp_path)
    with monkeypatch.context() as patch:
        crash_after(patch, 3 - n_batches)
        bunch = make(tmp_path)
    assert_equal(bunch, make(None))
    # Also when all is done.
    with monkeypatch.context() as patch:
        crash_after(patch, 0)
        assert_equal(make(str(tmp_path)), bunch)
    assert isinstance(bunch.data, np.memmap)
    np.testing.assert_array_equal(np.load(tmp_path / "data.npy"), bunch.data)


@pytest.mark.parametrize("n_bytes", [1, 20, 200])
def test_a_batch_that_was_being_written_is_made_again(n_bytes, tmp_path):
    expected = make(tmp_path)
    log = tmp_path / "batches.jsonl"
    log.write_bytes(log.read_bytes()[:-n_bytes])
    for name in ("data", "strain"):
        file = tmp_path / f"{name}.npy"
        file.write_bytes(file.read_bytes()[:-3])
    assert_equal(make(tmp_path), expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("random_state", 1),
        ("norm", "mean"),
        ("size", (8, 12)),
        ("weights", {"Blip": 1, "Tomte": 2}),
        ("noise", "aligo"),
        ("noise", np.random.default_rng(0).normal(size=8192)),
        ("return_strain", False),
    ],
)
def test_other_parameters_are_refused(name, value, tmp_path):
    make(tmp_path)
    shown = hash_of(value) if isinstance(value, np.ndarray) else json.loads(json.dumps(value))
    with pytest.raises(ValueError, match=r"checkpoint=.* was made with ") as error:
        make(tmp_path, **{name: value})
    assert f" {name}=" in str(error.value)
    assert f" and not {shown!r}" in str(error.value)


def test_what_does_not_change_the_result_is_free(tmp_path):
    expected = make(tmp_path)
    assert_equal(make(tmp_path, n_jobs=1, progress=True), expected)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)], ids=str)
def test_a_seed_is_needed(random_state, tmp_path):
    with pytest.raises(ValueError, match=r"checkpoint=.*random_state=(None|RandomState)"):
        make(tmp_path, random_state=random_state)


def test_a_full_disk_is_an_error_after_which_it_goes_on(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            make(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_equal(make(tmp_path), make(None))


def test_a_file_that_was_removed_is_named(tmp_path, monkeypatch):
    crash_after(monkeypatch, 1)
    with pytest.raises(Crash):
        make(tmp_path)
    (tmp_path / "data.npy").unlink()
    monkeypatch.undo()
    monkeypatch.setattr(module, "_BATCH", 2)
    with pytest.raises(FileNotFoundError, match=r"data\.npy"):
        make(tmp_path)


SCRIPT = """
import sys
from tests.datasets import test_batches
test_batches.module._BATCH = 2
test_batches.make(sys.argv[1], n_jobs=int(sys.argv[2]))
"""


def test_a_killed_process_loses_no_finished_batch(tmp_path):
    log = tmp_path / "batches.jsonl"
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), "1"]) as process:
        while process.poll() is None:
            if log.exists() and log.read_bytes().count(b"\n") > 1:
                process.kill()
            time.sleep(0.001)
    finished = log.read_bytes().splitlines(keepends=True)[:2]
    assert_equal(make(tmp_path), make(None))
    assert log.read_bytes().splitlines(keepends=True)[:2] == finished


def test_two_processes_do_not_write_to_one_folder(tmp_path):
    make(tmp_path)
    script = f"""
from filelock import FileLock
with FileLock({str(tmp_path / "lock")!r}):
    print("locked", flush=True)
    input()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(TimeoutError, match="lock"):
            make(tmp_path)
        process.communicate(b"\n")
    make(tmp_path)


class Middle:
    """A transformer that returns the sample in the middle, and counts the samples."""

    sample_rate = 16

    def __init__(self, crash_at=100, refuse=0.0):
        self.crash_at, self.refuse = crash_at, refuse
        self.n_seen = 0

    def transform(self, X):
        if (X[:, 8] == self.refuse).any():
            raise ValueError("I do not like this strain")
        self.n_seen += len(X)
        if self.n_seen > self.crash_at:
            raise Crash
        return X[:, None, None, [8]]


def load(folder, transformer, n=10, **options):
    strain = Strain(np.arange(1.0, 1025), 16, T0, "H1")
    table = [{"gps": T0 + 5.0 * row + 3, "label": f"{row % 2}"} for row in range(n)]
    settings = {"table": table, "strain": strain, "duration": 1.0, "batch_size": 3}
    settings |= {"checkpoint": folder, "return_strain": True, "progress": False}
    return load_triggers(transformer=transformer, **settings | options)


@pytest.mark.parametrize("n_seen", [0, 3, 8])
def test_triggers_are_not_transformed_twice(n_seen, tmp_path):
    with pytest.raises(Crash):
        load(tmp_path, Middle(n_seen))
    transformer = Middle()
    bunch = load(tmp_path, transformer)
    assert transformer.n_seen == 10 - n_seen // 3 * 3
    assert_equal(bunch, load(None, Middle()))
    assert_equal(load(tmp_path, Middle(0)), bunch)
    assert isinstance(bunch.data, np.memmap)


def test_rows_that_were_left_out_are_known_afterwards(tmp_path):
    refuse = float(16 * (5 * 4 + 3) + 1)
    with pytest.raises(Crash):
        load(tmp_path, Middle(7, refuse), on_error="skip")
    with pytest.warns(UserWarning, match="row 4"):
        bunch = load(tmp_path, Middle(refuse=refuse), on_error="skip")
    with pytest.warns(UserWarning, match="row 4"):
        assert_equal(bunch, load(None, Middle(refuse=refuse), on_error="skip"))
    assert bunch.rows.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert list(bunch.skipped) == [4]
    with pytest.raises(ValueError, match=r"row 4 .*I do not like"):
        load(tmp_path, Middle())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("table", {"n": 9}),
        ("table", {"label": None}),
        ("duration", {"duration": 2.0}),
        ("strain", {"strain": Strain(np.ones(1024), 16, T0, "H1")}),
        ("strain", {"strain": lambda gps, ifo: None, "ifo": "H1"}),
        ("return_strain", {"return_strain": False}),
    ],
)
def test_other_triggers_and_strain_are_refused(name, options, tmp_path):
    load(tmp_path, Middle())
    with pytest.raises(ValueError, match=f"checkpoint=.* was made with .*{name}="):
        load(tmp_path, Middle(), **options)


def test_files_are_known_by_path_and_time(tmp_path):
    path, folder = tmp_path / "H1.hdf5", tmp_path / "kept"
    for n_seconds in (32, 64):
        noise = np.random.default_rng(0).normal(size=16 * n_seconds)
        write_gwosc(path, "H1", T0, n_seconds, 16, noise)
        if n_seconds == 32:
            load(folder, Middle(), n=5, strain=StrainFiles([path]))
            load(folder, Middle(0), n=5, strain=path)
    with pytest.raises(ValueError, match="made with strain="):
        load(folder, Middle(), n=5, strain=path)
