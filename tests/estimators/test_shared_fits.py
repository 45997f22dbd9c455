"""Fits that two processes share: the same as in one, and the same errors in both."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from ._shared_fits import EQUAL_IN_BOTH, ERRORS, SAME

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return the folder, the results of both processes, and what they have printed."""
    folder = tmp_path_factory.mktemp("shared")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", f"{__package__}._shared_fits", str(folder)]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    place |= {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **place, "RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    try:
        printed = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(printed)
    return folder, [joblib.load(folder / f"{rank}.joblib") for rank in "01"], printed


@pytest.mark.parametrize("name", SAME)
def test_two_processes_do_what_one_does(name, shared, tmp_path):
    _, (first, second), _ = shared
    expected = SAME[name](0, tmp_path)
    for key, values in expected.items():
        np.testing.assert_allclose(first[name][key], values, atol=2e-4, rtol=1e-4)
        np.testing.assert_array_equal(second[name][key], first[name][key])


@pytest.mark.parametrize("name", EQUAL_IN_BOTH)
def test_weights_are_equal(name, shared):
    _, (first, second), _ = shared
    np.testing.assert_array_equal(second[name]["weights"], first[name]["weights"])


MESSAGES = {
    "diverged": "ValueError: The train loss became (nan|inf)",
    "bad data": "ValueError: .*NaN",
    "other data": r"ValueError: X and y .*\(26, 1, 32, 32\), \(25, 1, 32, 32\)",
    "callback": "RuntimeError: process 1 has failed",
    "unsendable": "(OS|Runtime)Error: .*no space",
    "interrupt": "RuntimeError: The training was interrupted",
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_ends_both(name, shared):
    _, results, _ = shared
    for result in results:
        with pytest.raises(ValueError, match=MESSAGES[name]):
            raise ValueError(result[name])


def test_only_the_first_process_writes(shared):
    folder, _, printed = shared
    names = sorted(path.name for path in folder.glob("checkpoints*"))
    assert names == ["checkpoints of 0", "checkpoints of 0, each epoch"]
    assert ["fit: 100%" in text for text in printed] == [True, False]
