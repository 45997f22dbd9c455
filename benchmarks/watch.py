"""skglitch watch: latency, kills, and seconds of data per second of a core.

Strain is white noise with a burst every 20 s. ``latency`` replays an hour in files of 4 s, in a
process with two threads. It is the time from the arrival of the file with the last sample that a
trigger needs to its row in the table, which includes the wait until the file is settled and seen.
``kills`` ends ``skglitch watch --once`` 20 times over 640 s in files of 32 s, at random
moments, and compares the tables with that of a process that nothing ended. ``throughput`` is
``skglitch watch --once`` in a process with one thread, over files of 32 s, without its start.

    pip install ".[test]"
    python benchmarks/watch.py [latency] [kills] [throughput] [--format gwf] [--quick]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from _common import in_own_process, peak_memory_mb, table

START = 1_238_166_018


def write_files(folder: Path, duration: int, length: int, rate: int, suffix: str) -> None:
    """Write files of noise with bursts."""
    rng = np.random.default_rng(0)
    times = np.arange(-rate // 2, rate // 2) / rate
    for first in range(0, duration, length):
        data = rng.normal(size=length * rate)
        for gps in range(first, first + length):
            if gps % 20 == 10:
                phase = 2 * np.pi * rng.uniform(50, 500) * times
                burst = 2 * np.exp(-((times / 0.02) ** 2)) * np.sin(phase)
                data[(gps - first) * rate : (gps - first + 1) * rate] += burst
        path = folder / f"H-H1_SIM-{START + first}-{length}.{suffix}"
        if suffix == "gwf":
            from gwpy.timeseries import TimeSeries

            options = {"t0": START + first, "sample_rate": rate, "name": "H1:STRAIN"}
            TimeSeries(1e-21 * data, channel="H1:STRAIN", **options).write(path)
            continue
        import h5py

        with h5py.File(path, "w") as file:
            file["H1:STRAIN"] = 1e-21 * data
            file["H1:STRAIN"].attrs.update(sample_rate=rate, t0=START + first)


class Recorder:
    """In the place of a page: notes the latency of each file, and whether it had rows."""

    def __init__(self) -> None:
        self.found: list[tuple[int, float, float]] = []
        self.messages: list[str] = []
        self.cpu = time.process_time()

    def add(self, rows: Any, _views: Any, waited: float | None = None) -> None:
        """Note the number of rows of a file, the time since it arrived, and that of the CPU."""
        if waited is not None:
            self.found.append((len(rows), waited, time.process_time() - self.cpu))
        self.cpu = time.process_time()

    def note(self, message: str) -> None:
        """Note a message."""
        self.messages.append(message)

    def write(self, _detectors: Any) -> None:
        """Write nothing."""


def watch(folder: str, n_threads: int, page: Any = None, speed: float | None = None) -> dict:
    """Watch the files of a folder once, in this process."""
    import skglitch
    from skglitch.watch import GrowingTable, Watch

    torch.set_num_threads(n_threads)
    growing = GrowingTable(Path(folder) / "table.csv", {})
    watcher = Watch(Path(folder), skglitch.load_pretrained(), growing, page=page, speed=speed)
    memory = peak_memory_mb()
    start, cpu_start = time.perf_counter(), time.process_time()
    watcher.run(once=True, poll=0.1, stop=Event())
    return {
        "seconds": time.perf_counter() - start,
        "CPU seconds": time.process_time() - cpu_start,
        "rows": len(growing.read()),
        "memory [MB]": peak_memory_mb(),
        "memory before [MB]": memory,
    }


def latency(duration: int, speed: float, suffix: str) -> None:
    """Replay files of 4 s."""
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), duration, 4, 4096, suffix)
        recorder = Recorder()
        result = watch(folder, 2, recorder, speed)
    print(f"{duration} s, {speed:g} times faster, {result['rows']} rows, {recorder.messages}")
    rows = []
    for name, is_kind in (("with rows", True), ("without", False)):
        found = [numbers[1:] for numbers in recorder.found if (numbers[0] > 0) == is_kind]
        for kind, seconds in zip(("latency", "CPU"), np.transpose(found), strict=True):
            numbers = np.quantile(seconds, [0.5, 0.99, 1]).round(3).tolist()
            row = zip(("p50 [s]", "p99 [s]", "max [s]"), numbers, strict=True)
            rows.append({"files": name, "n": len(seconds), "time": kind, **dict(row)})
    print(table(rows))


def throughput(duration: int, suffix: str) -> None:
    """Watch with one thread."""
    os.environ["OMP_NUM_THREADS"] = "1"
    rows = []
    for rate in (4096, 16384):
        with tempfile.TemporaryDirectory() as folder:
            write_files(Path(folder), duration, 32, rate, suffix)
            result = in_own_process(watch, folder, 1)
        row = {"rate [Hz]": rate, "data [s]": duration, "rows": result["rows"]}
        row["data per s"] = round(duration / result["seconds"], 1)
        row["data per CPU s"] = round(duration / result["CPU seconds"], 1)
        row |= {name: round(result[name]) for name in ("memory [MB]", "memory before [MB]")}
        rows.append(row)
    print(table(rows))


def run(folder: Path, name: str, seconds: float | None = None) -> float | None:
    """Watch in a process, and return the time that it takes; kill it after some, with None."""
    command = [sys.executable, "-m", "skglitch", "watch", str(folder), "--model", "pretrained"]
    process = subprocess.Popen([*command, "--once", "-q", "-o", str(folder / name)])
    # From when it begins to work, since it takes longer to start.
    while process.poll() is None and not (folder / f"{name}.journal").exists():
        time.sleep(0.01)
    start = time.perf_counter()
    try:
        if process.wait(seconds):
            raise RuntimeError(f"The watch ended with exit code {process.returncode}.")
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
    return time.perf_counter() - start


def kills(duration: int, n: int, suffix: str) -> None:
    """Kill processes at random moments, and compare their tables."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_files(folder, duration, 32, 4096, suffix)
        seconds = run(folder, "expected.csv") or 0.0
        expected = (folder / "expected.csv").read_bytes()
        rng = np.random.default_rng(0)
        n_equal = 0
        for number in range(n):
            while run(folder, f"{number}.csv", rng.uniform(0, 1) * seconds) is not None:
                for path in folder.glob(f"{number}.csv*"):  # it had ended before
                    path.unlink()
            # The second process goes on to the end.
            run(folder, f"{number}.csv")
            n_equal += (folder / f"{number}.csv").read_bytes() == expected
        n_rows = expected.count(b"\n") - 1
        print(f"{n_equal} of {n} tables equal after a kill each, each of {n_rows} rows")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ("latency", "kills", "throughput")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(names)}; by default all")
    parser.add_argument("--format", choices=["hdf5", "gwf"], default="hdf5")
    parser.add_argument("--speed", type=float, default=12.0, help="of the replay")
    parser.add_argument("--quick", action="store_true", help="little data")
    options = parser.parse_args()
    options.parts = options.parts or names
    if set(options.parts) - set(names):
        parser.error(f"parts must be of {', '.join(names)}.")
    if "latency" in options.parts:
        latency(400 if options.quick else 3600, options.speed, options.format)
    if "throughput" in options.parts:
        throughput(320 if options.quick else 1280, options.format)
    if "kills" in options.parts:
        kills(320 if options.quick else 640, 3 if options.quick else 20, options.format)


if __name__ == "__main__":
    main()
