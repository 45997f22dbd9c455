"""Time, memory and recall of similarity search, against scikit-learn's NearestNeighbors.

The embeddings are synthetic: 200 clusters in 64 dimensions, mapped to 1,280 features, with noise,
rectified like the features of a net. Each run has its own process. The peak memory includes the
input. A query asks for the 10 nearest neighbors of a glitch that is not in the index. Times are
medians, for a single query and per query in a call with 256.

    OMP_NUM_THREADS=1 python benchmarks/similarity.py [--sizes 10000 100000]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import Store, in_own_process, median_seconds, peak_memory_mb, table
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
    """Simulate features of a net."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((200, 64), dtype=np.float32)
    directions = rng.standard_normal((64, N_FEATURES), dtype=np.float32) / 8
    X = np.empty((n_samples, N_FEATURES), dtype=np.float32)
    for start in range(0, n_samples, 10_000):
        n = min(10_000, n_samples - start)
        points = centers[rng.integers(0, 200, n)]
        points = points + 0.7 * rng.standard_normal((n, 64), dtype=np.float32)
        noise = 0.3 * rng.standard_normal((n, N_FEATURES), dtype=np.float32)
        np.maximum(points @ directions + noise, 0, out=X[start : start + n])
    return X


def run(method: str, n_samples: int) -> dict:
    """Measure one method at one size."""
    X = embeddings(n_samples + N_QUERIES)
    X, queries = X[:n_samples], X[n_samples:]
    before = peak_memory_mb()
    index = METHODS[method]()
    build = median_seconds(lambda: index.fit(X), 1)
    built = peak_memory_mb()
    one = median_seconds(lambda: index.kneighbors(queries[:1], N_NEIGHBORS), 9)
    many = median_seconds(lambda: index.kneighbors(queries, N_NEIGHBORS), 3) / N_QUERIES
    result = {
        "build [s]": build,
        "single query [ms]": 1e3 * one,
        "per query of 256 [ms]": 1e3 * many,
        "MB before fit": before,
        "MB after fit": built,
        "peak MB": peak_memory_mb(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }
    found = index.kneighbors(queries, N_NEIGHBORS, return_distance=False)
    result["rows"] = found.tolist()
    if method != "scikit-learn":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "index.skglitch"
            result["save [s]"] = median_seconds(lambda: skglitch.save(index, file), 1)
            del index
            result["load [s]"] = median_seconds(lambda: skglitch.load(file), 1)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    options = parser.parse_args()
    store = Store("similarity")
    rows = []
    for size in options.sizes:
        keys = {method: f"{method} | {size}" for method in METHODS}
        if any(key not in store.runs for key in keys.values()):
            results = {method: in_own_process(run, method, size) for method in METHODS}
            neighbors = {method: result.pop("rows") for method, result in results.items()}
            for method, result in results.items():
                pairs = zip(neighbors[method], neighbors["scikit-learn"], strict=True)
                hits = [len(set(a) & set(b)) for a, b in pairs]
                store.add(
                    keys[method], result | {"recall@10": sum(hits) / (N_NEIGHBORS * len(hits))}
                )
        reference = store.runs[keys["scikit-learn"]]
        for method, key in keys.items():
            result = store.runs[key]
            row = {"glitches": size, "method": method}
            row |= {k: f"{v:.3g}" if isinstance(v, float) else v for k, v in result.items()}
            for task in ("single query", "per query of 256"):
                ratio = reference[f"{task} [ms]"] / result[f"{task} [ms]"]
                row[f"speedup, {task}"] = f"{ratio:.1f}"
            row.setdefault("save [s]", "")
            row.setdefault("load [s]", "")
            rows.append(row)
            print(row, flush=True)
    columns = list(rows[0])
    print("\n" + table({column: row[column] for column in columns} for row in rows))


if __name__ == "__main__":
    main()
