"""The command as a process: exit codes, Ctrl-C, and what is imported for --help."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import skglitch
from skglitch.cli._main import main

from .conftest import TINY

ROOT = Path(skglitch.__file__).parents[1]


def environment():
    # One thread: two that share a busy processor wait for each other most of the time.
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run_process(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "skglitch", *map(str, arguments)],
        capture_output=True, text=True, env=environment(), cwd=folder, timeout=120, check=False,
    )  # fmt: skip


def test_fit_and_a_failure_as_a_process(folder, tmp_path):
    done = run_process("fit", folder, *TINY, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n_train"] == 8
    assert (tmp_path / "model.skglitch").is_file()
    (tmp_path / "text").write_text("no model")
    failed = run_process("predict", "text", folder, folder=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: ")
    assert failed.stderr.count("\n") == 1
    assert run_process("predict", "none", folder, folder=tmp_path).returncode == 2


@pytest.mark.parametrize(
    "arguments", [["--help"], ["fit", "--help"], ["predict", "-h"], ["embed", "-h"], ["--version"]]
)
def test_help_imports_nothing_heavy(arguments):
    script = (
        "import sys\nfrom skglitch.cli import main\n"
        f"try:\n    main({arguments!r}, prog_name='skglitch')\nexcept SystemExit as end:\n"
        "    assert end.code == 0, end.code\n"
        "heavy = {'torch', 'sklearn', 'numpy', 'scipy', 'PIL', 'skorch', 'timm', 'matplotlib'}\n"
        "assert heavy.isdisjoint(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, env=environment(), timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = skglitch.__version__ if "--version" in arguments else "Usage: skglitch"
    assert expected in done.stdout


def test_help_takes_less_than_half_a_second():
    def measure():
        started = time.perf_counter()
        assert run_process("--help", folder=".").returncode == 0
        return time.perf_counter() - started

    # The best of a few: the machine may be busy with something else.
    assert min(measure() for _ in range(5)) < 0.5


def test_every_command_has_help():
    for command in main.commands.values():
        assert command.help
        for option in command.params:
            if option.param_type_name == "option":
                assert option.help, f"{command.name} {option.name}"


def wait_for(pattern, path, process, seconds=90):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and process.poll() is None:
        if re.search(pattern, path.read_text(errors="replace")):
            return
        time.sleep(0.05)
    pytest.fail(f"{pattern!r} did not come up in: {path.read_text(errors='replace')[-2000:]}")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_in_fit_saves_the_net_so_far(folder, tmp_path):
    command = [sys.executable, "-m", "skglitch", "fit", str(folder), *TINY]
    command += ["--max-epochs", "100000", "--json"]
    errors = tmp_path / "stderr"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment(),
            cwd=tmp_path,
        ) as process,
    ):  # fmt: skip
        try:
            wait_for(r"[1-9]\d*/100000", errors, process)
            process.send_signal(signal.SIGINT)
            stdout, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    told = errors.read_text()
    assert process.returncode == 130, told
    assert "Warning: Training was interrupted in epoch" in told
    assert "The net so far is saved as model.skglitch" in told
    result = json.loads(stdout)
    assert result["interrupted"] is True
    assert result["top_k"]["n_samples"] == 2
    model = skglitch.load(tmp_path / "model.skglitch")
    assert 1 <= len(model.history_) == result["epochs"] < 100000
    assert model.net_.interrupted_


def test_ctrl_c_elsewhere_is_130_and_writes_nothing(run, folder, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skglitch.datasets.load_gravity_spy", interrupted)
    result = run("fit", folder, *TINY)
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr
    assert list(tmp_path.iterdir()) == []
