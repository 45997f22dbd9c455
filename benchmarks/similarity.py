"""Time, memory and recall of similarity search, against scikit-learn's NearestNeighbors.

The embeddings are synthetic: 200 clusters in 64 dimensions, mapped to 1,280 features, with noise,
rectified like the features of a net. Each run has its own process. The peak memory includes the
input. A query asks for the 10 nearest neighbors of a glitch that is not in the index. Times are
medians, for a single query and per query in a call with 256.

    OMP_NUM_THREADS=1 python benchmarks/similarity.py [--sizes 10000 100000]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import Store, peak_memory_mb, table
from sklearn.neighbors import NearestNeighbors

import skglitch
from skglitch.discovery import SimilarityIndex

METHODS: dict[str, Callable[[], Any]] = {
    "scikit-learn": lambda: NearestNeighbors(metric="cosine", algorithm="brute"),
    "exact": lambda: SimilarityIndex("exact"),
    "approximate": lambda: SimilarityIndex("approximate"),
}
N_FEATURES, N_QUERIES, N_NEIGHBORS = 1280, 256, 10


def embeddings(n_samples: int) -> np.ndarray:
    """Made-up features of a net, the queries at the end."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((200, 64), dtype=np.float32)
    directions = rng.standard_normal((64, N_FEATURES), dtype=np.float32) / 8
    X = np.empty((n_samples, N_FEATURES), dtype=np.float32)
    for start in range(0, n_samples, 10_000):
        n = min(10_000, n_samples - start)
        places = centers[rng.integers(0, 200, n)]
        places = places + 0.7 * rng.standard_normal((n, 64), dtype=np.float32)
        noise = 0.3 * rng.standard_normal((n, N_FEATURES), dtype=np.float32)
        np.maximum(places @ directions + noise, 0, out=X[start : start + n])
    return X


def seconds(function: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def run(method: str, n_samples: int) -> dict:
    """One method at one size, in this process."""
    X = embeddings(n_samples + N_QUERIES)
    X, queries = X[:n_samples], X[n_samples:]
    before = peak_memory_mb()
    index = METHODS[method]()
    build = seconds(lambda: index.fit(X), 1)
    built = peak_memory_mb()
    one = seconds(lambda: index.kneighbors(queries[:1], N_NEIGHBORS), 9)
    many = seconds(lambda: index.kneighbors(queries, N_NEIGHBORS), 3) / N_QUERIES
    result = {
        "build [s]": build,
        "one query [ms]": 1e3 * one,
        "each of 256 [ms]": 1e3 * many,
        "MB given": before,
        "MB built": built,
        "MB at most": peak_memory_mb(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }
    found = index.kneighbors(queries, N_NEIGHBORS, return_distance=False)
    result["rows"] = found.tolist()
    if method != "scikit-learn":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "index.skglitch"
            result["save [s]"] = seconds(lambda: skglitch.save(index, file), 1)
            del index
            result["load [s]"] = seconds(lambda: skglitch.load(file), 1)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run(options.one[0], int(options.one[1]))))
        return
    store = Store("similarity")
    rows = []
    for size in options.sizes:
        truth = peer = None
        for method in METHODS:
            key = f"{method} | {size}"
            if key not in store:
                command = [sys.executable, __file__, "--one", method, str(size)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                result = json.loads(done.stdout)
                found = result.pop("rows")
                if method == "scikit-learn":
                    truth = found
                # Where the peer was measured before, the truth has to be found again.
                truth = (
                    truth
                    or json.loads(
                        subprocess.run(
                            [*command[:-2], "scikit-learn", str(size)],
                            check=True,
                            capture_output=True,
                            text=True,
                        ).stdout
                    )["rows"]
                )
                hits = [len(set(a) & set(b)) for a, b in zip(found, truth, strict=True)]
                result["recall@10"] = sum(hits) / (N_NEIGHBORS * len(hits))
                store.add(key, result)
            result = store.runs[key]
            peer = peer or result
            row = {"glitches": size, "method": method}
            row |= {k: f"{v:.3g}" if isinstance(v, float) else v for k, v in result.items()}
            for what in ("one query", "each of 256"):
                ratio = peer[f"{what} [ms]"] / result[f"{what} [ms]"]
                row[f"times as fast, {what}"] = f"{ratio:.1f}"
            row.setdefault("save [s]", "")
            row.setdefault("load [s]", "")
            rows.append(row)
            print(row, flush=True)
    columns = list(rows[0])
    print("\n" + table({column: row[column] for column in columns} for row in rows))


if __name__ == "__main__":
    main()
