"""The command as a process: exit codes, Ctrl-C, and what is imported for --help."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import skglitch
from skglitch.cli import main

from .conftest import TINY

ROOT = Path(skglitch.__file__).parents[1]


def environment():
    # One thread: two that share a busy processor wait for each other most of the time.
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def hear_interrupts():
    # Processes that a shell starts in the background ignore them, and so do theirs.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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


def test_a_killed_fit_goes_on_when_it_is_run_again(folder, tmp_path):
    fit = ["fit", folder, *TINY, "--max-epochs", "6", "-o"]
    assert run_process(*fit, "expected.skglitch", folder=tmp_path).returncode == 0
    command = [sys.executable, "-m", "skglitch", *map(str, fit), "model.skglitch"]
    kept = tmp_path / "model.skglitch.checkpoint"
    with subprocess.Popen(command, env=environment(), cwd=tmp_path) as process:
        while not list(kept.glob("*.checkpoint")) and process.poll() is None:
            time.sleep(0.001)
        process.kill()
    assert not (tmp_path / "model.skglitch").exists()
    done = run_process(*fit, "model.skglitch", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not kept.exists()
    models = [skglitch.load(tmp_path / f"{name}.skglitch") for name in ("model", "expected")]
    assert models[0].checkpoint is None
    losses = [model.history_[:, "train_loss"] for model in models]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 6


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([name, "--help"] for name in main.commands)]
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


def test_help_takes_less_than_a_second():
    def measure():
        started = time.perf_counter()
        assert run_process("discover", "--help", folder=".").returncode == 0
        return time.perf_counter() - started

    # The best of a few: the machine may be busy with something else.
    assert min(measure() for _ in range(5)) < 1


def test_every_command_has_help():
    for command in main.commands.values():
        assert command.help
        # Cut off in the list of commands otherwise.
        assert not command.get_short_help_str(limit=60).endswith("...")
        for option in command.params:
            if option.param_type_name == "option":
                assert option.help, f"{command.name} {option.name}"


def test_options_mean_the_same_everywhere():
    seen = {}
    for command in main.commands.values():
        assert {"config", "quiet", "debug"} <= {option.name for option in command.params}
        for option in command.params:
            if option.param_type_name == "option" and option.name != "output":
                summary = (option.opts, option.type.name, option.is_flag, option.multiple)
                assert seen.setdefault(option.name, summary) == summary, (
                    f"{command.name} {option.name}"
                )


def print_completion(shell):
    return subprocess.run(
        [sys.executable, "-m", "skglitch"], capture_output=True, text=True, timeout=60,
        env=environment() | {"_SKGLITCH_COMPLETE": f"{shell}_source"}, check=False,
    )  # fmt: skip


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_script(self, shell):
        done = print_completion(shell)
        assert done.returncode == 0, done.stderr
        assert f"_SKGLITCH_COMPLETE={shell}_complete" in done.stdout

    @pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
    def test_bash_reads_the_script(self):
        script = print_completion("bash").stdout
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("line", "offered"),
        [
            ("skglitch ", {"demo", "fit", "predict", "embed", "discover"}),
            ("skglitch fit --max", {"--max-epochs"}),
            ("skglitch predict m x --missing ", {"raise", "skip", "fill"}),
            ("skglitch discover --format p", {"parquet"}),
        ],
    )
    def test_words_are_offered_without_importing_anything_heavy(self, line, offered):
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        script = (
            "import atexit, sys\n"
            "heavy = {'torch', 'sklearn', 'numpy', 'scipy', 'PIL'}\n"
            "atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
            "from skglitch.cli import main\n"
            "main(prog_name='skglitch')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60,
            env=environment() | words | {"_SKGLITCH_COMPLETE": "bash_complete"}, check=False,
        )  # fmt: skip
        assert done.stderr == "[]\n"
        assert offered <= {line.partition(",")[2] for line in done.stdout.splitlines()}


def test_a_reader_that_has_seen_enough():
    command = [sys.executable, "-m", "skglitch", "--help"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        process.stdout.close()
        summary = process.stderr.read().decode()
    assert "Traceback" not in summary
    assert "Error" not in summary


def test_models_of_other_versions(run, model, folder, tmp_path):
    with zipfile.ZipFile(model) as old, zipfile.ZipFile(tmp_path / "new.skglitch", "w") as new:
        schema = json.loads(old.read("schema.json"))
        new.writestr("schema.json", json.dumps(schema | {"protocol": schema["protocol"] + 1}))
    result = run("predict", "new.skglitch", folder)
    assert result.exit_code == 1
    assert "newer skglitch" in result.stderr
    assert "pip install -U skglitch" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fti"], "No such command 'fti'"),
        (["--nope"], "No such option"),
        (["fit", "--nope"], "No such option"),
        (["fit", "a", "b"], "does not exist"),
        (["predict"], "Missing argument 'MODEL'"),
        (["explore"], "Missing argument"),
        (["embed", "x", "."], "Missing option '--output' / '-o'"),
        (["fit", ".", "--missing", "guess"], "is not one of 'raise', 'skip', 'fill'"),
        (["demo", "--samples", "many"], "'many' is not a valid integer"),
    ],
)
def test_mistakes_in_the_command_line(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "--help" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "empty"],
        ["predict", "empty/../text", "empty"],
        ["embed", "test_efficientnet", "empty", "-o", "e.npz"],
        ["discover", "test_efficientnet", "empty"],
    ],
)
def test_debug_shows_the_traceback_of_every_command(run, tmp_path, arguments):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no model")
    plain = run(*arguments)
    assert isinstance(plain.exception, SystemExit)
    assert plain.stderr.splitlines()[-1].startswith("Error: ")
    result = run(*arguments, "--debug")
    assert result.exit_code == 1
    assert isinstance(result.exception, ValueError)


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
            cwd=tmp_path, preexec_fn=hear_interrupts,
        ) as process,
    ):  # fmt: skip
        try:
            wait_for(r"[1-9]\d*/100000", errors, process)
            process.send_signal(signal.SIGINT)
            stdout, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    summary = errors.read_text()
    assert process.returncode == 130, summary
    assert "Warning: Training was interrupted in epoch" in summary
    assert "The current network is saved as model.skglitch" in summary
    result = json.loads(stdout)
    assert result["interrupted"] is True
    assert result["top_k"][0]["n_samples"] == 2
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
