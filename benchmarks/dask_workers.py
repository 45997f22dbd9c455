"""Probabilities by Dask workers against plain processes, and a worker that is killed.

The ready-made model predicts glitches with four views, tiled from real strain, in an HDF5 file. All
processes and workers have one thread, and have computed a block before the time begins, so that
torch is imported. ``processes`` is the same without Dask, each process with
its part of the rows. Efficiency is the time of one process over that of n, times n. It is also
given in CPU time, which suffers less from other programs. Rounds alternate, and medians are shown.

In the last part, one of two workers is killed by SIGKILL halfway.

    pip install ".[dask,strain]"
    python benchmarks/dask_workers.py [--glitches 1000] [--block 64] [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import time
from collections import Counter
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import h5py
import numpy as np
from _common import Store, strain_glitches, table
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin

import skglitch
from skglitch.spectrograms import QTransformer


def write_views(path: Path, n_glitches: int) -> None:
    """Write real glitches, each many times, in chunks of one glitch."""
    views = QTransformer(4096).transform(strain_glitches()[0])
    with h5py.File(path, "w") as file:
        shape = (n_glitches, *views.shape[1:])
        data = file.create_dataset("data", shape, np.uint8, chunks=(1, *shape[1:]))
        for start in range(0, n_glitches, len(views)):
            data[start : start + len(views)] = views[: n_glitches - start]


def load_model() -> skglitch.CNNClassifier:
    """Load the ready-made model. Of torch, since OpenVINO would compile it anew in each call."""
    return skglitch.load_pretrained().set_params(engine="torch")


def open_views(path: Path, block: int) -> Any:
    data = h5py.File(path)["data"]
    return da.from_array(data, chunks=(block, *data.shape[1:]))


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


def predict_rows(path: Path, first: int, last: int, block: int, barrier: Any, queue: Any) -> None:
    """Predict a part of the rows block by block, and report seconds of wall time and CPU."""
    classifier = load_model()
    with h5py.File(path) as file:
        classifier.predict_proba(file["data"][:block])
        barrier.wait()
        start, cpu = time.perf_counter(), cpu_seconds()
        for row in range(first, last, block):
            classifier.predict_proba(file["data"][row : min(row + block, last)])
    queue.put((time.perf_counter() - start, cpu_seconds() - cpu))


def by_processes(path: Path, n_glitches: int, block: int, n: int) -> dict[str, float]:
    context = get_context("spawn")
    barrier, queue = context.Barrier(n), context.Queue()
    edges = [block * round(n_glitches / block * part / n) for part in range(n)] + [n_glitches]
    children = [
        context.Process(target=predict_rows, args=(path, first, last, block, barrier, queue))
        for first, last in pairwise(edges)
    ]
    for child in children:
        child.start()
    seconds = [queue.get() for _ in children]
    for child in children:
        child.join()
    return {"seconds": max(wall for wall, _ in seconds), "CPU s": sum(cpu for _, cpu in seconds)}


def start_workers(n: int) -> LocalCluster:
    # glibc keeps freed memory in its main arena, which a thread has only if there is no other.
    dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 1})
    return LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=None)


def warm_up(client: Client, path: Path, block: int, n: int) -> None:
    client.wait_for_workers(n)
    X = open_views(path, block)[: 4 * n * block]
    load_model().predict_proba(X).compute()


def by_workers(path: Path, n_glitches: int, block: int, n: int) -> dict[str, float]:
    with start_workers(n) as cluster, Client(cluster) as client:
        warm_up(client, path, block, n)
        cpu = sum(client.run(cpu_seconds).values())
        start = time.perf_counter()
        load_model().predict_proba(open_views(path, block)).compute()
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "CPU s": sum(client.run(cpu_seconds).values()) - cpu}


class Finished(SchedulerPlugin):
    """Counts how often each block of probabilities was finished."""

    def __init__(self) -> None:
        self.counts: Counter = Counter()

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Count a block of which a worker has the result."""
        if (start, finish) == ("processing", "memory") and "predict_proba" in str(key):
            self.counts[key] += 1


def kill_a_worker(path: Path, n_glitches: int, block: int) -> dict[str, Any]:
    classifier = load_model()
    finished = Finished()
    with start_workers(2) as cluster, Client(cluster) as client:
        warm_up(client, path, block, 2)
        y_prob = classifier.predict_proba(open_views(path, block))
        expected = y_prob.compute()
        cluster.scheduler.add_plugin(finished)
        pid = next(iter(client.run(os.getpid).values()))
        future = client.compute(y_prob)
        while finished.counts.total() < y_prob.numblocks[0] // 2:
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        result = future.result()
    return {
        "blocks": y_prob.numblocks[0],
        "missing": y_prob.numblocks[0] - len(finished.counts),
        "computed twice": finished.counts.total() - len(finished.counts),
        "equal": bool(np.array_equal(result, expected)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--glitches", type=int, default=1000)
    parser.add_argument("--block", type=int, default=64, help="glitches in a block")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", default="dask_workers", help="name of the file of results")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    store = Store(options.results)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "views.h5")
        write_views(path, options.glitches)
        size = (options.glitches, options.block)
        ways = {
            f"{n} {way.__name__[3:]}": (way, n)
            for n in (1, 2)
            for way in (by_processes, by_workers)
        }
        runs: dict[str, list] = {name: [] for name in ways}
        for _ in range(options.repeats):
            for name, (way, n) in ways.items():
                runs[name].append(way(path, *size, n))
        rows = [summarize(name, n, runs) for name, (_, n) in ways.items()]
        store.add("speed", {"glitches": options.glitches, "block": options.block, "runs": runs})
        print(table(rows))
        killed = kill_a_worker(path, *size)
        store.add("killed", killed)
        print(table([killed]))


def summarize(name: str, n: int, runs: dict[str, list]) -> dict[str, str]:
    """Compare with one process in the same round."""
    row = {"": name}
    for what, factor in (("seconds", n), ("CPU s", 1)):
        values = [run[what] for run in runs[name]]
        pairs = zip(runs["1 processes"], values, strict=True)
        ratios = [one[what] / (factor * value) for one, value in pairs]
        row[what] = f"{statistics.median(values):.1f}"
        row[f"efficiency in {what}"] = f"{100 * statistics.median(ratios):.0f} %"
    return row


if __name__ == "__main__":
    main()
