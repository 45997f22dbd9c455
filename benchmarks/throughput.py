"""Images per second, compared with the training loop of PyTorch tutorials.

The loop and skglitch get the same net, batches of the same size and the same number of threads. The
loop computes in float32 with the default memory layout. The times are medians of a training step
(forward, backward, AdamW) and of a batch of embeddings. Both alternate, so that other load on the
machine affects them equally.

``--engines`` compares ``transform`` and ``predict_proba`` with the loop by engine and precision,
and measures the time from 16 s of strain to the label of one glitch. ``ONEDNN_MAX_CPU_ISA`` in the
environment emulates an older CPU: ``AVX512_CORE_VNNI`` has no bfloat16.

The overhead of ``CNNClassifier.fit`` is its time relative to a hand-written loop with the same
settings. The cost of bfloat16 is the change of embeddings and of their nearest neighbors.

    python benchmarks/throughput.py [--backbones NAME ...] [--repeats 5] [--speed-only]
        [--engines] [--results NAME]
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import numpy as np
import torch
from _common import (
    Store,
    in_own_process,
    median_seconds,
    peak_memory_mb,
    real_glitches,
    strain_glitches,
    table,
)
from sklearn.neighbors import NearestNeighbors
from torch import nn

from skglitch import CNNClassifier, TruncatedCNNTransformer, _device, load_pretrained
from skglitch._backbones import make_backbone
from skglitch._device import (
    autocast,
    choose_device,
    choose_precision,
    computing,
    has_fast_bfloat16,
    kept_memory,
    to_channels_last,
)
from skglitch._training import GlitchNet, ViewEncoder, ViewLayout
from skglitch._training._data import EvenBatches
from skglitch._training._folding import folded_norms
from skglitch._training._module import measure_batch_norm
from skglitch.spectrograms import QTransformer

BATCH, SIZE, N_CLASSES = 32, (140, 170), 22
PAPER = ["inception_v3", "bn_inception", "resnet50", "vgg16", "vgg19", "merged_view_cnn"]
BACKBONES = ["efficientnet_lite0", "squeezenet1_1", "resnet18", *PAPER]
LOOP, STEPS, EPOCHS = "textbook loop", 3, 4
TASKS = ("train", "embed")
ENGINES = {
    "torch float32": ("torch", "float32"),
    "torch bfloat16": ("torch", "bfloat16"),
    "OpenVINO float32": ("openvino", "float32"),
    "OpenVINO bfloat16": ("openvino", "bfloat16"),
    "OpenVINO int8": ("openvino", "int8"),
}
CPU = torch.device("cpu")


def make_net(backbone: str) -> GlitchNet:
    """Return a net for one gray view and 22 classes; its weights do not affect the speed."""
    cut = make_backbone(backbone, weights=None)
    return GlitchNet(ViewEncoder(cut, ViewLayout("mosaic", (0,))), N_CLASSES)


def textbook(
    backbone: str,
    *,
    batch: int = BATCH,
    size: tuple[int, int] = SIZE,
    device: torch.device = CPU,
) -> tuple[Callable, Callable]:
    """Return steps in float32 and default layout on normalized images, without a data loader."""
    cut = make_backbone(backbone, weights=None)
    net = nn.Sequential(cut.net, nn.Linear(cut.width, N_CLASSES))
    net.to(device=device, memory_format=torch.contiguous_format)
    images = torch.randn(batch, cut.in_channels, *cut.input_size(*size))
    targets = torch.randint(0, N_CLASSES, (batch,))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)

    def train() -> None:
        net.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images.to(device)), targets.to(device)).backward()
        optimizer.step()

    def embed() -> None:
        net.eval()
        with torch.no_grad():
            cut.net(images.to(device)).cpu()

    return train, embed


@contextlib.contextmanager
def number_format(device: torch.device, precision: str) -> Iterator[torch.dtype]:
    """Context in which torch itself computes in a precision, and its dtype."""
    dtype = getattr(torch, precision, torch.float32)  # there is no dtype of TF32
    on = dtype != torch.float32
    with computing(device, precision), torch.autocast(device.type, dtype, enabled=on):
        yield dtype


def matrix_rate(device: torch.device, precision: str, n: int, seconds: float) -> float:
    """Return the floating-point operations per second of a product of matrices of n x n."""
    a, b = torch.randn(2, n, n, device=device)
    with number_format(device, precision) as dtype:
        a, b = a.to(dtype), b.to(dtype)
        return 2 * n**3 / seconds_per_call(lambda: a @ b, device, seconds)


def seconds_per_call(function: Callable, device: torch.device, seconds: float) -> float:
    """Call a function for some seconds after warming up, and wait for the device."""
    wait = torch.get_device_module(device).synchronize
    for _ in range(3):
        function()
    wait()
    start, n_calls = time.perf_counter(), 0
    while n_calls < 3 or time.perf_counter() - start < seconds:
        function()
        n_calls += 1
        if n_calls % 10 == 0:
            wait()
    wait()
    return (time.perf_counter() - start) / n_calls


def ours(backbone: str, precision: str) -> tuple[Callable, Callable]:
    """Return the same steps of skglitch, starting from uint8 images."""
    device = choose_device("cpu")
    dtype = choose_precision(precision, device)
    net = to_channels_last(make_net(backbone), device)
    images = torch.randint(0, 255, (BATCH, 1, *SIZE), dtype=torch.uint8)
    targets = torch.randint(0, N_CLASSES, (BATCH,))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True)
    net.fix_batch_norm()
    net.eval()
    fit = contextlib.ExitStack()

    def train() -> None:
        if not net.training:
            net.train()
            fit.enter_context(folded_norms(net.encoder.backbone.net))
        with autocast(device, dtype):
            logits = net(images)
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits.float(), targets).backward()
        optimizer.step()

    def embed() -> None:
        net.eval()
        with torch.inference_mode(), autocast(device, dtype):
            net.encoder(images)

    return train, embed


def rates(
    functions: dict[str, Callable], repeats: int, n_images: int = BATCH, steps: int = STEPS
) -> dict[str, float]:
    """Return the images per second of each function, alternating after a few steps."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            with context(name):
                function()  # warm up
                for _ in range(steps):
                    start = time.perf_counter()
                    function()
                    seconds[name].append(time.perf_counter() - start)
    return {name: n_images / statistics.median(values) for name, values in seconds.items()}


def context(how: str) -> AbstractContextManager:
    """Return the context of a whole fit or transform in skglitch."""
    return contextlib.nullcontext() if how == LOOP else kept_memory(CPU)


def compare(backbone: str, repeats: int) -> dict:
    """Return the rates of the loop and of both precisions, for training and embedding."""
    result = {}
    for task in TASKS:
        functions = {how: steps(backbone, how, task) for how in (LOOP, "float32", "bfloat16")}
        result[task] = rates(functions, repeats)
    return result


def steps(backbone: str, how: str, task: str) -> Callable:
    """Return a function that takes one step."""
    pair = textbook(backbone) if how == LOOP else ours(backbone, how)
    return pair[TASKS.index(task)]


def memory(backbone: str, how: str, task: str) -> float:
    """Return the peak memory of this process after two steps."""
    step = steps(backbone, how, task)
    with context(how):
        step()
        step()
    return peak_memory_mb()


def fit_overhead(repeats: int) -> dict:
    """Compare fit with a bare loop that has the same net, batches and settings."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (4 * BATCH, 1, *SIZE), dtype=np.uint8)
    y = np.arange(len(X)) % N_CLASSES
    settings = {"weights": None, "max_epochs": EPOCHS, "augment": False, "batch_size": BATCH}
    seconds: dict[str, list[float]] = {"fit": [], "loop": []}
    for _ in range(repeats):
        start = time.perf_counter()
        CNNClassifier(random_state=0, **settings).fit(X, y)
        seconds["fit"].append(time.perf_counter() - start)
        start = time.perf_counter()
        with kept_memory(CPU):
            _bare_loop(torch.from_numpy(X), torch.from_numpy(y))
        seconds["loop"].append(time.perf_counter() - start)
    ratios = [100 * (a / b - 1) for a, b in zip(seconds["fit"], seconds["loop"], strict=True)]
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {**medians, "cost in %": statistics.median(ratios)}


def _bare_loop(X: torch.Tensor, y: torch.Tensor) -> None:
    net = to_channels_last(make_net("efficientnet_lite0"), CPU).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    dtype = choose_precision("auto", CPU)
    batches = EvenBatches(len(X), BATCH, seed=0)
    for _ in range(EPOCHS):
        for rows in batches:
            with autocast(CPU, dtype):
                logits = net(X[rows])
            loss = nn.functional.cross_entropy(logits.float(), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
    # Without pretrained weights, skglitch measures batch norms after training.
    measure_batch_norm(net, X.split(BATCH))


def engines(backbone: str, repeats: int) -> list[dict]:
    """Compare calls for many images with the loop, by engine and precision."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (8 * BATCH, 1, *SIZE), dtype=np.uint8)
    settings = {"weights": None, "device": "cpu"}
    classifier = CNNClassifier(backbone, max_epochs=1, batch_size=BATCH, **settings)
    classifier.fit(X[: 2 * N_CLASSES], np.arange(2 * N_CLASSES) % N_CLASSES)
    transformer = TruncatedCNNTransformer(backbone, **settings).fit(X[:64])
    rows = []
    for task, estimator in {"transform": transformer, "predict_proba": classifier}.items():
        estimator.calibration_images_ = X[:64]
        calls = {LOOP: functools.partial(textbook_calls, textbook(backbone)[1], len(X) // BATCH)}
        first = {LOOP: 0.0}
        for how, (engine, precision) in ENGINES.items():
            if precision == "bfloat16" and choose_precision("auto", CPU) == "float32":
                continue
            one = copy.copy(estimator).set_params(engine=engine, precision=precision)
            calls[how] = functools.partial(getattr(one, task), X)
            start = time.perf_counter()
            getattr(one, task)(X[:BATCH])
            first[how] = time.perf_counter() - start
        speeds = rates(calls, repeats, len(X), steps=1)
        for how in speeds:
            row = describe(backbone, task, how, speeds) | {"first call in s": f"{first[how]:.1f}"}
            rows.append(row)
    return rows


def describe(backbone: str, task: str, how: str, speeds: dict[str, float]) -> dict:
    """Return the first cells of a row."""
    return {
        "net": backbone,
        "task": task,
        "how": how,
        "images per second": f"{speeds[how]:.1f}",
        "ratio": f"{speeds[how] / speeds[LOOP]:.2f}",
    }


def textbook_calls(step: Callable, n: int) -> None:
    for _ in range(n):
        step()


def strain_to_label(repeats: int) -> dict:
    """Return the milliseconds from 16 s of strain to the label of one glitch, by engine."""
    strain, _ = strain_glitches()
    n_samples = 16 * 4096
    one = np.resize(strain[0], n_samples)[None]
    pictures = QTransformer(4096, device="cpu")
    result = {}
    for engine in ("torch", "openvino"):
        model = load_pretrained(device="cpu").set_params(engine=engine)
        for name, function in {
            "spectrograms": lambda: pictures.transform(one),
            "all": lambda model=model: model.predict(pictures.transform(one)),
        }.items():
            function()
            result[f"{engine}, {name}"] = 1000 * median_seconds(function, 10 * repeats)
    return result


def cost_of_precision(backbone: str) -> dict:
    """Return how much bfloat16 changes embeddings of real glitches and their neighbors."""
    X, _ = real_glitches("o3")
    exact, rounded = (
        TruncatedCNNTransformer(backbone, precision=precision).fit_transform(X)
        for precision in ("float32", "bfloat16")
    )
    norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(rounded, axis=1)
    nearest = [
        NearestNeighbors(n_neighbors=6).fit(z).kneighbors(z, return_distance=False)[:, 1:]
        for z in (exact, rounded)
    ]
    kept = [len(set(a) & set(b)) / 5 for a, b in zip(*nearest, strict=True)]
    return {
        "lowest cosine": float(((exact * rounded).sum(axis=1) / norms).min()),
        "5 nearest kept in %": 100 * float(np.mean(kept)),
        "nearest kept in %": 100 * float(np.mean(nearest[0][:, 0] == nearest[1][:, 0])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--speed-only",
        action="store_true",
        help="skip fit and the cost of bfloat16",
    )
    parser.add_argument("--engines", action="store_true", help="compare engines of predictions")
    parser.add_argument("--results", default="throughput", help="name of the file of results")
    options = parser.parse_args()
    store = Store(options.results)
    store.add(
        "machine",
        {
            "threads": torch.get_num_threads(),
            "bfloat16 in hardware": has_fast_bfloat16(CPU),
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "emulated": os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
            "torch": torch.__version__,
        },
    )
    print(store.runs["machine"])
    if options.engines:
        if os.environ.get("ONEDNN_MAX_CPU_ISA") == "AVX512_CORE_VNNI":
            _device.has_fast_bfloat16 = lambda device: False  # torch asks the real CPU
        for backbone in options.backbones:
            store.add(backbone, engines(backbone, options.repeats))
            print(table(store.runs[backbone]) + "\n", flush=True)
        store.add("strain to label", strain_to_label(options.repeats))
        print("milliseconds:", store.runs["strain to label"])
        return
    rows = []
    for backbone in options.backbones:
        result = compare(backbone, options.repeats)
        for task, speeds in result.items():
            for how in speeds:
                row = describe(backbone, task, how, speeds) | {
                    "peak memory in MB": f"{in_own_process(memory, backbone, how, task):.0f}"
                }
                rows.append(row)
                print(table([row]).splitlines()[1], flush=True)
        store.add(backbone, [row for row in rows if row["net"] == backbone])
    print("\n" + table(rows) + "\n")
    if options.speed_only:
        return
    store.add("wrapper", fit_overhead(options.repeats))
    print("fit and the bare loop:", store.runs["wrapper"])
    store.add("bfloat16", cost_of_precision("efficientnet_lite0"))
    print("bfloat16 and float32:", store.runs["bfloat16"])


if __name__ == "__main__":
    main()
