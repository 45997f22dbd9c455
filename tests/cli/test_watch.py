"""``skglitch watch`` as a process: kills, signals, full disks, and JSON lines."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from ..watch.conftest import START, classifier, model, put, strain  # noqa: F401
from .test_process import environment, hear_interrupts


def start(folder, model, *arguments, **options):  # noqa: F811
    command = [sys.executable, "-m", "skglitch", "watch", str(folder), "--model", str(model)]
    return subprocess.Popen(
        [*command, "--device", "cpu", "--poll", "0.05", *arguments], env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def feed(tmp_path_factory, put):  # noqa: F811
    folder = tmp_path_factory.mktemp("feed")
    for first in range(0, 330, 22):
        put(folder, first, first + 22)
    return folder


@pytest.fixture(scope="module")
def expected(feed, model):  # noqa: F811
    with start(feed, model, "--once", "-o", "expected.csv") as process:
        assert process.wait(300) == 0, process.stderr.read()
    text = (feed / "expected.csv").read_bytes()
    assert text.count(b"\n") > 25
    return text


def test_killed_at_any_moment(feed, model, expected):  # noqa: F811
    moments = random.Random(0)
    journal = feed / "killed.csv.journal"
    for _ in range(2):
        with start(feed, model, "--once", "-o", "killed.csv") as process:
            before = journal.stat().st_size if journal.exists() else 0
            while process.poll() is None and (
                not journal.exists() or journal.stat().st_size == before
            ):
                time.sleep(0.005)
            time.sleep(moments.uniform(0, 0.2))
            process.kill()
    with start(feed, model, "--once", "-o", "killed.csv") as process:
        assert process.wait(300) == 0, process.stderr.read()
    assert (feed / "killed.csv").read_bytes() == expected


def test_full_disk(feed, model, expected):  # noqa: F811
    def limit():
        # Python ignores SIGXFSZ, and so writes fail.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    with start(feed, model, "--once", "-o", "full.csv", preexec_fn=limit) as process:
        _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "'full.csv' cannot be written (File too large)" in said
    assert expected.startswith((feed / "full.csv").read_bytes())
    with start(feed, model, "--once", "-o", "full.csv") as process:
        assert process.wait(300) == 0, process.stderr.read()
    assert (feed / "full.csv").read_bytes() == expected


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals_end_it(feed, model, number, code):  # noqa: F811
    name = f"ended{code}.csv"
    with start(feed, model, "-o", name, preexec_fn=hear_interrupts) as process:
        while not (feed / name).exists() or not (feed / name).stat().st_size:
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(300) == code, process.stderr.read()
    assert (feed / name).read_bytes().endswith(b"\n")


def test_json_lines_in_stdout(run, feed, model):  # noqa: F811
    result = run("watch", feed, "--model", model, "--device", "cpu", "--once", "-o", "-")
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) > 25
    assert {"ifo", "gps", "snr", "label", "probability", "top_5", "novelty_p_value"} <= set(rows[0])


def test_discover_on_the_table(run, feed, model, expected):  # noqa: F811
    strain = sorted(feed.glob("*.hdf5"))  # noqa: F811
    sources = ["--triggers", feed / "expected.csv", "--on-error", "skip", "--strain", *strain]
    options = ["--false-alarm-probability", "0.5", "--json", "-o", "found", "--device", "cpu"]
    result = run("discover", model, *sources, *options)
    assert result.exit_code == 0, result.output
    labeled = json.loads(result.stdout)
    assert labeled["n_labeled"] == labeled["n_glitches"] > 20
    result = run("discover", model, *sources, *options, "--predicted", "--overwrite")
    assert result.exit_code == 0, result.output
    predicted = json.loads(result.stdout)
    table = pd.read_csv(feed / "expected.csv")
    n_known = (table["novelty_p_value"] >= 0.5).sum()
    assert predicted["n_labeled"] == n_known < predicted["n_glitches"]
    for cluster in predicted["clusters"]:
        assert START < cluster["first_gps"] <= cluster["last_gps"] < START + 330


def test_a_bad_suffix(run, tmp_path, model):  # noqa: F811
    result = run("watch", tmp_path, "--model", model, "-o", "triggers.txt")
    assert result.exit_code == 2
    assert "triggers.txt" in result.output
