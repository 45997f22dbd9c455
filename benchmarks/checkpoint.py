"""Trainings that are killed at random moments, and what checkpoints cost.

A child process trains with ``checkpoint=FOLDER``. SIGKILL ends it at random moments, up to three
times, before it may finish. Its weights are compared with those of a training that nothing ended.
The cost is the time of a training with checkpoints relative to one without, in alternating pairs.

    python benchmarks/checkpoint.py [--rounds 20] [--repeats 3] [--results NAME]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from _common import Store, real_glitches, table

from skglitch import CNNClassifier

SMALL = {"backbone": "test_efficientnet", "weights": None, "max_epochs": 6, "batch_size": 16}
USUAL = {"max_epochs": 2}


def train(folder: Path | None, output: Path | None, settings: dict) -> float:
    """Train on real glitches, write the weights to `output`, and return the seconds of fit."""
    X, y = real_glitches("o3")
    classifier = CNNClassifier(**settings, checkpoint=folder, random_state=0)
    start = time.perf_counter()
    classifier.fit(X, y)
    seconds = time.perf_counter() - start
    if output is not None:
        torch.save(classifier.net_.module_.state_dict(), output)
    return seconds


def is_equal(a: Path, b: Path) -> bool:
    """Return whether the weights in two files are the same, bit for bit."""
    first, second = torch.load(a), torch.load(b)
    return all(torch.equal(first[name], second[name]) for name in first)


def kill_and_compare(n_rounds: int) -> list[dict]:
    """Train in processes that are killed, and say what became of each."""
    rng = np.random.default_rng(0)
    context = get_context("spawn")
    rows: list[dict] = []
    with tempfile.TemporaryDirectory() as place:
        expected = Path(place, "expected")
        whole = context.Process(target=train, args=(None, expected, SMALL))
        start = time.perf_counter()
        whole.start()
        whole.join()
        seconds = time.perf_counter() - start
        for number in range(n_rounds):
            output, folder = Path(place, f"weights {number}"), Path(place, f"run {number}")
            n_kills = 0
            while not output.exists():
                child = context.Process(target=train, args=(folder, output, SMALL))
                child.start()
                # At most three times: later ones are too short to be killed in the middle.
                child.join(rng.uniform(0, seconds) if n_kills < 3 else None)
                if child.is_alive():
                    child.kill()
                    child.join()
                    n_kills += 1
                elif not output.exists():
                    raise RuntimeError(f"The training ended with exit code {child.exitcode}.")
            rows.append({"kills": n_kills, "equal": is_equal(output, expected)})
    return rows


def cost(repeats: int) -> dict:
    """Compare the time of fit with and without checkpoints."""
    ratios, seconds, size = [], [], 0
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            plain = train(None, None, USUAL)
            seconds.append(train(Path(folder), None, USUAL))
            ratios.append(100 * (seconds[-1] / plain - 1))
            size = sum(file.stat().st_size for file in Path(folder).iterdir())
    return {
        "seconds": statistics.median(seconds),
        "cost in %": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
        "MB": size / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="trainings that are killed")
    parser.add_argument("--repeats", type=int, default=3, help="pairs for the cost")
    parser.add_argument("--results", default="checkpoint", help="name of the file of results")
    options = parser.parse_args()
    store = Store(options.results)
    rows = kill_and_compare(options.rounds)
    summary = {
        "trainings": len(rows),
        "kills": sum(row["kills"] for row in rows),
        "equal": sum(row["equal"] for row in rows),
    }
    store.add("killed", summary)
    print(table([summary]))
    price = cost(options.repeats)
    store.add("cost", price)
    print(table([{name: f"{value:.3g}" for name, value in price.items()}]))


if __name__ == "__main__":
    main()
