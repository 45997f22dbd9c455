"""Watches that are killed at random moments, and the time from a file to its rows.

``skglitch watch --once`` is killed 20 times over half an hour of simulated noise with glitches, in
files of 32 s, and then may finish. Its table is compared with that of a process that nothing
ended. The time of a file is from the start of reading it to the end of writing its rows.

    python benchmarks/watch.py [--kills 20] [--duration 1800]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Event
from typing import Any

import h5py
import numpy as np
from _common import table

import skglitch
from skglitch.watch import GrowingTable, Watch

RATE, START, LENGTH = 4096, 1_238_166_018, 32


def write_files(folder: Path, duration: int) -> None:
    """Write white noise with a burst every 20 s."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=duration * RATE)
    times = np.arange(-RATE // 2, RATE // 2) / RATE
    for gps in range(10, duration - 1, 20):
        burst = np.exp(-((times / 0.02) ** 2)) * np.sin(2 * np.pi * rng.uniform(50, 500) * times)
        data[gps * RATE : (gps + 1) * RATE] += 2 * burst
    for first in range(0, duration, LENGTH):
        with h5py.File(folder / f"H-H1_SIM-{START + first}-{LENGTH}.hdf5", "w") as file:
            file["H1:STRAIN"] = 1e-21 * data[first * RATE : (first + LENGTH) * RATE]
            file["H1:STRAIN"].attrs.update(sample_rate=RATE, t0=START + first)


class Timed(GrowingTable):
    """A table that notes when rows are written."""

    def append(self, rows: Any, step: dict[str, Any]) -> None:
        """Write rows."""
        super().append(rows, step)
        ends.append((time.perf_counter(), len(rows)))


ends: list[tuple[float, int]] = []


def run(folder: Path, name: str, seconds: float | None = None) -> bool:
    """Watch in a process, which is killed after some time. Return whether it ended before."""
    command = [sys.executable, "-m", "skglitch", "watch", str(folder), "--model", "pretrained"]
    process = subprocess.Popen([*command, "--once", "-q", "-o", str(folder / name)])
    try:
        if process.wait(seconds):
            raise RuntimeError(f"The watch ended with exit code {process.returncode}.")
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--duration", type=int, default=1800, help="in s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_files(folder, options.duration)
        ends.append((time.perf_counter(), 0))
        growing = Timed(folder / "timed.csv", {})
        Watch(folder, skglitch.load_pretrained(), growing).run(once=True, poll=1.0, stop=Event())
        times = np.diff([end for end, _ in ends[1:]])
        has_rows = np.array([n_rows > 0 for _, n_rows in ends[2:]])
        print(f"{sum(n_rows for _, n_rows in ends)} rows, {len(times)} files and the end")
        rows = [
            {"files": name, "n": len(t), "p50 [s]": np.median(t), "p99 [s]": np.quantile(t, 0.99)}
            for name, t in (("with rows", times[has_rows]), ("without", times[~has_rows]))
        ]
        print(table(rows))
        start = time.perf_counter()
        run(folder, "expected.csv")
        seconds = time.perf_counter() - start
        rng = np.random.default_rng(0)
        n_kills = 0
        n_equal = 0
        expected = (folder / "expected.csv").read_bytes()
        for number in range(options.kills):
            # The second process goes on to the end.
            n_kills += not run(folder, f"{number}.csv", rng.uniform(0.1, 1) * seconds)
            run(folder, f"{number}.csv")
            n_equal += (folder / f"{number}.csv").read_bytes() == expected
        print(f"{n_kills} kills, {n_equal} of {options.kills} tables equal")


if __name__ == "__main__":
    main()
