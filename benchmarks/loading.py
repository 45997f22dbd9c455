"""Pictures per second that one core loads: skglitch, torchvision and, if installed, fastai.

200 real pictures are linked under other names. All libraries load the same pictures in turn, part
by part, in one process with one thread, and resize them to 140 x 170 pixels. torchvision and fastai
are used as in their tutorials, and torchvision also with pictures cropped to the spectrogram. The
second time, skglitch has the pictures in its cache.

    python benchmarks/loading.py [--pictures 8000] [--results NAME]
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _common import DATA, Store, table

SIZE, N_PARTS = (140, 170), 4
BOX = (105, 66, 671, 532)


def link(folder: Path, n: int) -> None:
    """Make a folder of n pictures, a link for each."""
    pictures = sorted((DATA / "gravity_spy_o1").glob("*/*.png"))
    for number in range(n):
        picture = pictures[number % len(pictures)]
        ifo, name = picture.name.split("_", 1)
        path = folder / picture.parent.name / f"{ifo}_{number // len(pictures)}{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(picture)


def with_skglitch(folder: Path) -> int:
    """Decode pictures, or take them from the cache."""
    from skglitch.datasets import load_gravity_spy

    cache = folder.with_name(f"{folder.name} cache")
    X, _ = load_gravity_spy(folder, cache=cache, n_jobs=1, return_X_y=True, progress=False)
    return X.shape[0] * X.shape[1]


def with_torchvision(folder: Path, *, crop: bool = False) -> int:
    """Load batches of an ImageFolder."""
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    steps: list[Any] = [v2.ToImage(), v2.Resize(SIZE), v2.ToDtype(torch.float32, scale=True)]
    if crop:
        steps.insert(0, v2.Lambda(lambda image: image.crop(BOX)))
    batches = DataLoader(ImageFolder(str(folder), v2.Compose(steps)), batch_size=32)
    return sum(len(images) for images, _ in batches)


def with_fastai(folder: Path) -> int:
    """Load batches of ImageDataLoaders."""
    from fastai.vision.all import ImageDataLoaders, Resize

    loaders = ImageDataLoaders.from_folder(
        folder,
        valid_pct=0.5,
        item_tfms=Resize(SIZE, method="squish"),
        bs=32,
        num_workers=0,
        device=torch.device("cpu"),
    )
    train = loaders.train.new(shuffle=False, drop_last=False)
    return sum(len(images) for half in (train, loaders.valid) for images, _ in half)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=8000)
    parser.add_argument("--results", default="loading", help="name of the file of results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    loaders: dict[str, Callable] = {
        "skglitch": with_skglitch,
        "torchvision": with_torchvision,
        "torchvision, cropped": lambda folder: with_torchvision(folder, crop=True),
    }
    if importlib.util.find_spec("fastai"):
        loaders["fastai"] = with_fastai
    seconds = dict.fromkeys([*loaders, "skglitch, second time"], 0.0)
    with tempfile.TemporaryDirectory() as place:
        parts = [Path(place, f"part {number}") for number in range(N_PARTS)]
        warm_up = Path(place, "first")
        link(warm_up, 40)
        for load in loaders.values():
            load(warm_up)
        for part in parts:
            link(part, options.pictures // N_PARTS)
            for name, load in loaders.items():
                start = time.process_time()
                if load(part) != options.pictures // N_PARTS:
                    raise RuntimeError(f"{name} did not load all pictures.")
                seconds[name] += time.process_time() - start
            print({name: f"{value:.1f}" for name, value in seconds.items()}, flush=True)
        for part in parts:
            start = time.process_time()
            with_skglitch(part)
            seconds["skglitch, second time"] += time.process_time() - start
    rows = [
        {"library": name, "seconds": value, "pictures per second": options.pictures / value}
        for name, value in seconds.items()
    ]
    Store(options.results).add("loading", {"pictures": options.pictures, "rows": rows})
    shown = [{k: v if isinstance(v, str) else f"{v:.3g}" for k, v in row.items()} for row in rows]
    print(table(shown))


if __name__ == "__main__":
    main()
