"""Every reader returns a value or its own error with the name of the file, whatever is in it."""

from __future__ import annotations

import ctypes
import sys
import time
from pathlib import Path

import pytest

from ._readers import READERS, Reader
from ._run import Child

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux does"),
]


@pytest.fixture(scope="module")
def child():
    child = Child()
    yield child
    child.close()


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_damaged_files_are_read_or_refused_by_name(reader, child):
    outcomes = list(child.run(reader, range(reader.n_quick)))

    failures = {(outcome.kind, outcome.place): outcome for outcome in outcomes if outcome.failed}
    assert not failures, "\n".join(map(str, failures.values()))
    kinds = {outcome.kind for outcome in outcomes}
    assert kinds == ({"value"} if reader.tolerant else {"value", "own error"})


def make_file() -> dict[str, bytes]:
    return {"intact.txt": b"intact"}


def misbehave(path: Path) -> None:
    content = path.read_bytes()
    if content != b"intact":
        actions = (
            lambda: time.sleep(60),
            lambda: ctypes.string_at(0),
            lambda: b"a" * (1 << 27),
            lambda: (path / "none").read_bytes(),
        )
        actions[content[0] % 5]()


def choose(rng, content: bytes) -> bytes:
    return bytes([rng.randrange(256)])


def test_hangs_crashes_memory_and_errors_of_others_are_noticed():
    reader = Reader("bad", make_file, misbehave, {".txt": (choose,) * 9})
    child = Child(time_limit=0.5, wait_limit=1.0)
    outcomes = list(child.run(reader, (0, 1, 2, 5)))
    child.close()

    assert [outcome.kind for outcome in outcomes] == ["memory", "foreign error", "crash", "hang"]
    assert outcomes[2].place == "SIGSEGV"
