"""Size of the explorer's page, and the time to write and to draw it.

Pages of 500, 8,500 and 50,000 glitches with four views, which repeat 100 simulated ones, and of
50,000 without images. The table shows the size of a view and of the file and the CPU time to write
it. If Chromium and its driver are installed (``pip install selenium``), it also shows how long a
browser without a GPU takes to draw the map while it is dragged, the time between two frames, and
the time to find the glitch under the pointer.

    python benchmarks/explorer.py [--glitches N ...]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import HERE, Store, table

from skglitch.datasets import make_glitches
from skglitch.display import EmbeddingExplorer

N_DISTINCT, N_CLASSES, N_FRAMES = 100, 22, 60
FRAMES = """
const [n, done] = arguments, drawn = [], between = [];
let last = null;
const step = (now) => {
  if (last !== null) between.push(now - last);
  last = now;
  pan(drawn.length % 2 ? 7 : -7, 3);
  cancelAnimationFrame(drawing);
  const before = performance.now();
  draw();
  drawn.push(performance.now() - before);
  if (drawn.length < n) requestAnimationFrame(step); else done([drawn, between]);
};
requestAnimationFrame(step);
"""
NEAREST = """
const before = performance.now();
for (let k = 0; k < 100; k++) nearest(500 + k, 400, 10);
return (performance.now() - before) / 100;
"""


def repeat(X: np.ndarray, n: int, path: Path) -> np.ndarray:
    """Return a memory map of a file of ``n`` glitches, which repeat those in X."""
    many = np.lib.format.open_memmap(path, "w+", X.dtype, (n, *X.shape[1:]))
    for start in range(0, n, len(X)):
        part = many[start : start + len(X)]
        part[:] = X[: len(part)]
    return many


def open_browser() -> Any:
    """Start Chromium, or return None if it is not installed."""
    if importlib.util.find_spec("selenium") is None:
        return None
    sys.path.insert(0, str(HERE.parent))
    from tests._browser import open_browser

    return open_browser(tempfile.gettempdir())


def run(n: int, X: np.ndarray | None, browser: Any) -> dict[str, str]:
    """Write a page and drag its map."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, N_CLASSES, n)
    points = 10 * rng.normal(size=(N_CLASSES, 2))[labels] + rng.normal(size=(n, 2))
    with tempfile.TemporaryDirectory() as folder:
        # 50,000 glitches are 4.8 GB, too much for memory.
        pictures = None if X is None else repeat(X, n, Path(folder, "X.npy"))
        path = Path(folder, "explorer.html")
        explorer = EmbeddingExplorer(points, labels, X=pictures)
        start = time.process_time()
        explorer.write(path)
        seconds = time.process_time() - start
        row = {
            "glitches": f"{n}",
            "pictures": "no" if X is None else "yes",
            "MB": f"{path.stat().st_size / 1e6:.1f}",
            "CPU s to write": f"{seconds:.1f}",
        }
        if browser is not None:
            browser.get(path.as_uri())
            drawn, between = browser.execute_async_script(FRAMES, N_FRAMES)
            row |= {
                "ms to draw": f"{statistics.median(drawn):.1f}",
                "ms between frames": f"{statistics.median(between):.1f}",
                "ms to find": f"{browser.execute_script(NEAREST):.2f}",
            }
            size = browser.execute_script(
                "return data.pictures ? `${data.pictures.height} x ${data.pictures.width}` : ''"
            )
            row["pixels per view"] = size
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--glitches", type=int, nargs="+", default=[500, 8_500, 50_000])
    options = parser.parse_args()
    X = make_glitches(N_DISTINCT, random_state=0, n_jobs=-1).data
    browser, store = open_browser(), Store("explorer")
    rows = []
    for n, pictures in [*((n, X) for n in options.glitches), (options.glitches[-1], None)]:
        rows.append(run(n, pictures, browser))
        store.add(f"{n} | {'pictures' if pictures is not None else 'no pictures'}", rows[-1])
        print(table(rows[-1:]), flush=True)
    if browser is not None:
        browser.quit()
    print(f"\n{os.cpu_count()} CPUs\n{table(rows)}")


if __name__ == "__main__":
    main()
