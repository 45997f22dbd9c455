"""What one million glitches cost from strain to labels, neighbors and embeddings, on paper.

Measures the parts with one thread, as CPU time per glitch: 16 s of strain are read from an HDF5
file of 4096 s that is compressed like those of GWOSC, and transformed to four views. The ready-made
model predicts and embeds them, and ten neighbors are searched among 100,000 random embeddings. The
rest is arithmetic: n glitches take ``n * t`` divided by the number of cores.

    pip install ".[dask,fast,strain]"
    python benchmarks/million.py [--disk 1000]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from _common import DATA, Store, in_own_process, table
from distributed import Client, LocalCluster

N = 1_000_000
DURATION = 16.0
BLOCK = 500  # glitches
TASKS = 2  # of a block: to read it, and to compute


def copy_file(source: Path, path: Path, times: int) -> None:
    """Write strain of a file of GWOSC several times in a row."""
    with h5py.File(source) as old, h5py.File(path, "w") as new:
        strain = old["strain/Strain"]
        options = {"chunks": strain.chunks, "compression": strain.compression}
        copy = new.create_dataset("strain/Strain", data=np.tile(strain[:], times), **options)
        copy.attrs.update(dict(strain.attrs) | {"Npoints": len(copy)})
        old.copy("meta", new)


def cpu_ms(function: Callable[[], Any], n: int, repeats: int = 5) -> float:
    """Return the lowest CPU time per glitch in ms, since other programs may run."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(1e3 * (time.process_time() - start) / n)
    return min(times)


def parts() -> dict[str, dict[str, float]]:
    """Measure the parts with one thread."""
    import skglitch
    from skglitch.datasets import StrainFiles
    from skglitch.discovery import SimilarityIndex
    from skglitch.spectrograms import QTransformer

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "H-H1.hdf5")
        copy_file(DATA / "strain_events" / "H-H1_LOSC_4_V2-1126259446-32.hdf5", path, 128)
        read_mb = path.stat().st_size / 1e6 * DURATION / 4096
        files = StrainFiles([path])
        times = 1126259446 + rng.uniform(DURATION, 4096 - DURATION, 64)
        strain = np.stack([files.around(gps, DURATION, "H1") for gps in times])
        reading = cpu_ms(lambda: [files.around(gps, DURATION, "H1") for gps in times], 64)
    transformer, classifier = QTransformer(), skglitch.load_pretrained()
    X = np.concatenate([transformer.transform(strain)] * 2)
    both = {}
    for engine in ("torch", "openvino"):
        classifier.set_params(engine=engine).predict_proba_and_embed(X)  # compiles
        both[engine] = cpu_ms(lambda: classifier.predict_proba_and_embed(X), len(X), 3)
    y_prob, embeddings = classifier.predict_proba_and_embed(X)
    index = SimilarityIndex().fit(rng.normal(size=(100_000, embeddings.shape[1])))
    rows = {
        "read strain": (reading, read_mb),
        "Q transform": (cpu_ms(lambda: transformer.transform(strain), 64), X[0].nbytes / 1e6),
        "network, OpenVINO": (both["openvino"], (y_prob[0].nbytes + embeddings[0].nbytes) / 1e6),
        "neighbors": (cpu_ms(lambda: index.kneighbors(embeddings), len(X), 3), 0.0),
        "network, torch": (both["torch"], 0.0),
    }
    return {name: {"ms": ms, "MB": mb} for name, (ms, mb) in rows.items()}


def task_ms(n_tasks: int = 4000) -> float:
    """Return the wall time of a task that does nothing, by two workers."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        client.gather(client.map(abs, range(100), pure=False))
        start = time.perf_counter()
        client.gather(client.map(abs, range(n_tasks), pure=False))
        return 1e3 * (time.perf_counter() - start) / n_tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--disk", type=float, default=1000, help="MB/s that all slots share")
    parser.add_argument("--results", default="million", help="name of the file of results")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    store = Store(options.results)
    measured = store.get("parts", in_own_process, parts)
    task = store.get("task in ms", task_ms)
    print(table([{"": name} | row for name, row in measured.items()]))
    seconds = sum(row["ms"] for name, row in measured.items() if name != "network, torch") / 1e3
    for cores in (2, 100):
        print(f"{cores} cores: {N * seconds / cores / 3600:.2f} h")
    reading = measured["read strain"]
    print(f"a GPU that takes no time, two cores: {N * reading['ms'] / 2 / 3.6e6:.2f} h")
    print(f"the disk is busy with {options.disk * seconds / reading['MB']:.0f} slots")
    print(f"the scheduler with {BLOCK * seconds / (TASKS * task / 1e3):.0f} slots")


if __name__ == "__main__":
    main()
