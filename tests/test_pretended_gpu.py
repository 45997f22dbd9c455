"""The library on a CUDA device that is pretended: same results, few copies, few waits."""

from __future__ import annotations

import joblib
import numpy as np
import pytest
import timm
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import skglitch
from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch._device import has_fast_bfloat16, seeded, to_device
from skglitch._training._module import measure_batch_norm
from skglitch.datasets import Strain, make_glitches
from skglitch.display import compute_saliency_maps
from skglitch.estimators import Encoder
from skglitch.spectrograms import QTransformer, find_triggers

from ._pretend_cuda import PretendCuda

# On CPUs with AMX "auto" is bfloat16, with gradients that are computed in another way.
NET = {"weights": None, "random_state": 0, "precision": "float32"}
BATCH = 8


def make_images(n_samples=16, n_views=1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 100, (n_samples, n_views, 32, 32), dtype=np.uint8)
    y = np.arange(n_samples) % 2
    X[y == 1, :, :16] += 100
    return X, np.array(["Blip", "Tomte"])[y]


X, y = make_images()
X4, _ = make_images(n_views=4)


def classifier(device, **params):
    params = {"max_epochs": 1, "batch_size": BATCH, **NET, **params}
    return CNNClassifier("test_efficientnet", device=device, **params)


def transformer(device, source="test_efficientnet", **params):
    return TruncatedCNNTransformer(source, device=device, batch_size=BATCH, **NET | params)


# Each path computes on a device and returns an array.


def fit_with(images=X, **params):
    def path(device):
        model = classifier(device, **params).fit(images, y)
        return model.predict_proba(images)

    return path


def fit_again(device):
    model = classifier(device).fit(X, y, sample_weight=np.linspace(0.5, 1, len(y)))
    model.partial_fit(*make_images(seed=1))
    return model.predict_proba(X)


def add_classes(device):
    model = classifier(device).fit(X, y)
    model.add_classes(255 - X[:4], ["Whistle"] * 4)
    assert set(model.predict(X)) <= {"Blip", "Tomte", "Whistle"}
    return model.predict_proba(X)


def embed_with(images=X, **params):
    def path(device):
        return transformer(device, **params).fit_transform(images)

    return path


def embed_by_classifier(**params):
    def path(device):
        model = classifier(device).fit(X, y)
        return transformer(device, model, **params).fit_transform(X)

    return path


def save_and_load(make, load_on):
    def path(device, tmp_path):
        model = make(device).fit(X, y)
        skglitch.save(model, tmp_path / "model.skglitch")
        target = device if load_on == "device" else "cpu"
        loaded = skglitch.load(tmp_path / "model.skglitch", device=target)
        return loaded.predict_proba(X) if hasattr(loaded, "predict") else loaded.transform(X)

    return path


def compute_saliency(device):
    return compute_saliency_maps(classifier(device).fit(X, y), X[:2])


def scan_strain(device):
    strain = np.random.default_rng(0).normal(size=(2, 4096))
    model = QTransformer(1024.0, (0.5, 1.0), (10.0, 512.0), size=(28, 34), device=device)
    return model.fit_transform(strain)


def search_strain(device):
    noise = np.random.default_rng(0).normal(size=20 * 512)
    noise[5_000:5_010] += 10
    options = {"frange": (20.0, 200.0), "fftlength": 0.5, "snr_threshold": 5.0}
    found = find_triggers(Strain(noise, 512), device=device, **options)
    return found.drop(columns="ifo").to_numpy()


def simulate(device):
    return make_glitches(
        1, classes=["Blip"], size=(28, 34), device=device, random_state=0, return_X_y=True
    )[0]


def search(device):
    grid = {"class_weight": [None, "balanced"]}
    found = GridSearchCV(classifier(device), grid, cv=2).fit(X, y)
    return np.append(found.cv_results_["mean_test_score"], found.predict_proba(X))


def pipe(device):
    steps = transformer(device, classifier(device)), LogisticRegression()
    return make_pipeline(*steps).fit(X, y).predict_proba(X)


def load_ready_made(device):
    images = make_glitches(2, classes=["Whistle"], random_state=0, device="cpu").data
    return skglitch.load_pretrained(device=device).predict_proba(images)


PATHS = {
    "fit": fit_with(max_epochs=2),
    "no augmentation": fit_with(augment=False),
    "early stopping": fit_with(early_stopping=True, validation_fraction=0.3),
    "class weights": fit_with(class_weight="balanced"),
    "regression": fit_with(head_init="regression"),
    "head": fit_with(fine_tune="head"),
    "one layer": fit_with(fine_tune="blocks.2"),
    "mosaic": fit_with(X4),
    "separate": fit_with(X4, views="separate"),
    "channels": fit_with(X4, views="channels"),
    "one view": fit_with(X4, views=1.0),
    "two views": fit_with(X4, views=(1.0, 4.0)),
    "gray": fit_with(encoder=Encoder(colormap="gray")),
    "floats": fit_with(X / 255),
    "tf32": fit_with(precision="tf32"),
    "bfloat16": fit_with(precision="bfloat16"),
    "float16": fit_with(precision="float16"),
    "fit again": fit_again,
    "add classes": add_classes,
    "embed": embed_with(),
    "embed a layer": embed_with(layer="blocks.2"),
    "embed two layers": embed_with(layer=("blocks.1", "blocks.3"), views="separate"),
    "embed deviations": embed_with(encoder=Encoder(layer="blocks.2", pooling="std", n_bands=2)),
    "embed by classifier": embed_by_classifier(),
    "classifier, layer": embed_by_classifier(layer="blocks.2"),
    "classifier, bands": embed_by_classifier(
        encoder=Encoder(layer="blocks.2", pooling="max", n_bands=2)
    ),
    "saliency": compute_saliency,
    "strain": scan_strain,
    "triggers": search_strain,
    "simulation": simulate,
    "search": search,
    "pipeline": pipe,
    "ready-made": load_ready_made,
}
HALVES = [PATHS["bfloat16"], PATHS["float16"]]
FILES = {
    f"{name} to {target}": save_and_load(make, target)
    for name, make in {"classifier": classifier, "transformer": transformer}.items()
    for target in ("device", "cpu")
}


def assert_same(path, *args):
    expected = path("cpu", *args)
    with PretendCuda(2, current=0) as gpu:
        found = path("cuda", *args)
    assert any(event.kind == "copy in" for event in gpu.log), "nothing ran on the device"
    assert any(event.kind == "copy out" for event in gpu.log), "nothing came from the device"
    # bfloat16 has its own gradients of depthwise convolutions on the CPU, and uint8 is rounded.
    tolerance = 1 if expected.dtype == np.uint8 else 1e-2 if path in HALVES else 2e-4
    np.testing.assert_allclose(found.astype(float), expected.astype(float), atol=tolerance)


@pytest.mark.parametrize("path", PATHS.values(), ids=list(PATHS))
def test_equals_the_cpu(path):
    assert_same(path)


@pytest.mark.parametrize("path", FILES.values(), ids=list(FILES))
def test_files_equal_the_cpu(path, tmp_path):
    assert_same(path, tmp_path)


MIXED = "on the same device"
REFUSED = {
    "numpy": (lambda gpu, cpu: gpu.numpy(), "device type tensor to numpy"),
    "asarray": (lambda gpu, cpu: np.asarray(gpu), "device type tensor to numpy"),
    "pin": (lambda gpu, cpu: to_device(gpu.pin_memory(), gpu.device), "cannot pin"),
    "sum": (lambda gpu, cpu: gpu + cpu, MIXED),
    "cat": (lambda gpu, cpu: torch.cat([gpu, cpu]), MIXED),
    "layer": (lambda gpu, cpu: nn.Linear(3, 1)(gpu), MIXED),
    "another GPU": (lambda gpu, cpu: gpu * cpu.to("cuda:1"), MIXED),
    "palette": (lambda gpu, cpu: cpu[gpu.long()], "indices should be"),
    "third GPU": (lambda gpu, cpu: cpu.to("cuda:2"), "invalid device ordinal"),
}


@pytest.mark.parametrize(("mistake", "message"), REFUSED.values(), ids=list(REFUSED))
def test_mistakes_are_refused(mistake, message):
    with PretendCuda(2):
        gpu, cpu = torch.ones(3, device="cuda"), torch.ones(3)
        with pytest.raises((RuntimeError, TypeError), match=message):
            mistake(gpu, cpu)


def check_inference(gpu, n_batches):
    """Each batch is copied in once, as pinned bytes, and out once, as float32."""
    copies = {kind: [e for e in gpu.log if e.kind == f"copy {kind}"] for kind in ("in", "out")}
    faults = [
        *(f"{len(c)} copies {kind}" for kind, c in copies.items() if len(c) > n_batches),
        *(f"not pinned: {e}" for e in copies["in"] if not e.pinned),
        *(f"not bytes: {e}" for e in copies["in"] if e.dtype != torch.uint8),
        *(f"not float32: {e}" for e in copies["out"] if e.dtype != torch.float32),
    ]
    n_waits = sum(event.waits for event in gpu.log)
    if n_waits > n_batches:
        faults.append(f"{n_waits} waits")
    assert not faults, f"{faults} for {n_batches} batches:\n{gpu.report()}"


LAYOUTS = [(X, "mosaic"), *((X4, v) for v in ("mosaic", "separate", "channels", 1.0, (1.0, 4.0)))]


@pytest.mark.parametrize(
    ("images", "views"), LAYOUTS, ids=[f"{len(x[0])}, {v}" for x, v in LAYOUTS]
)
def test_inference_copies_each_batch_once(images, views):
    with PretendCuda() as gpu:
        model = transformer("cuda", views=views).fit(images)
        gpu.log.clear()
        model.transform(images)
        check_inference(gpu, n_batches=2)


def in_and_out(batch):
    return to_device(batch, torch.device("cuda")).float().mean(dim=(1, 2, 3)).cpu()


WASTE = {
    "as floats": lambda batch: in_and_out(batch.float()),
    "floats in one call": lambda batch: batch.pin_memory().to("cuda", torch.float32).cpu(),
    "not pinned": lambda batch: batch.to("cuda").float().cpu(),
    "twice": lambda batch: (in_and_out(batch), in_and_out(batch)),
    "item": lambda batch: (in_and_out(batch), torch.ones((), device="cuda").item()),
    "index of the CPU": lambda batch: in_and_out(batch[:3]).cuda()[torch.tensor([0])],
    "list": lambda batch: batch.pin_memory().to("cuda", non_blocking=True)[:, [0]].float().cpu(),
    "boolean index": lambda batch: (
        in_and_out(batch),
        torch.ones(3, device="cuda")[torch.ones(3, dtype=torch.bool, device="cuda")],
    ),
    "half": lambda batch: to_device(batch, torch.device("cuda")).bfloat16().cpu().float(),
    "bool": lambda batch: (in_and_out(batch), bool(torch.ones((), device="cuda"))),
}


@pytest.mark.parametrize("waste", WASTE.values(), ids=list(WASTE))
def test_waste_is_found(waste):
    with PretendCuda() as gpu:
        in_and_out(torch.from_numpy(X))
        check_inference(gpu, n_batches=1)
        gpu.log.clear()
        waste(torch.from_numpy(X))
        with pytest.raises(AssertionError, match="for 1 batches"):
            check_inference(gpu, n_batches=1)


DUMPED = {
    "classifier": classifier,
    "transformer": transformer,
    "classifier's transformer": lambda device: transformer(device, classifier(device)),
    "classifier's layer": lambda device: transformer(device, classifier(device), layer="blocks.2"),
    "pipeline": lambda device: make_pipeline(transformer(device), LogisticRegression()),
}


@pytest.mark.filterwarnings("ignore:device=")
@pytest.mark.parametrize("make", DUMPED.values(), ids=list(DUMPED))
def test_a_pickle_loads_without_the_gpu(make, tmp_path):
    with PretendCuda():
        model = make("cuda").fit(X, y)
        joblib.dump(model, tmp_path / "model.joblib")
        expected = (model.predict_proba if hasattr(model, "predict") else model.transform)(X)
    loaded = joblib.load(tmp_path / "model.joblib")
    found = (loaded.predict_proba if hasattr(loaded, "predict") else loaded.transform)(X)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_seeds_of_all_gpus_are_as_before():
    with PretendCuda(2) as gpu:
        gpu.seeds = [[1, 4], [2, 8]]
        with seeded(3, torch.device("cuda:1")):
            assert gpu.seeds == [[1, 4], [3, 0]]
        assert gpu.seeds == [[1, 4], [2, 8]]


def test_bfloat16_is_asked_of_the_device_that_is_chosen(monkeypatch):
    with PretendCuda(2) as gpu:
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation: gpu.current == 1
        )
        found = [has_fast_bfloat16(torch.device("cuda", index)) for index in (0, 1)]
        assert (found, gpu.current) == ([False, True], 0)


def test_strain_follows_the_current_gpu():
    with PretendCuda(2) as gpu:
        for gpu.current in (0, 1):
            scan_strain("cuda")


class Steps(Callback):
    """Keeps the log of the training alone."""

    def __init__(self, gpu):
        self.gpu = gpu

    def __deepcopy__(self, memo):
        return self

    def on_train_begin(self, net, **kwargs):
        self.gpu.log.clear()

    def on_train_end(self, net, **kwargs):
        self.steps = list(self.gpu.log)


@pytest.mark.parametrize("images", [X, X4], ids=["one view", "mosaic"])
@pytest.mark.parametrize("free", [2**30, 0], ids=["X on the GPU", "X in memory"])
def test_a_step_moves_pixels_once_and_waits_once(free, images):
    with PretendCuda(free=free) as gpu:
        steps = Steps(gpu)
        classifier("cuda", max_epochs=2, callbacks=[steps]).fit(images, y)
        gpu.log = steps.steps
    n_steps = 2 * len(X) // BATCH
    pixels = [e for e in gpu.log if e.kind == "copy in" and len(e.shape) == 4]
    assert len(pixels) <= (0 if free else n_steps), gpu.report()
    assert all(e.pinned and e.dtype == torch.uint8 for e in pixels), gpu.report()
    assert sum(e.waits for e in gpu.log) <= n_steps, gpu.report()


def count_waits(n_epochs, **params):
    with PretendCuda() as gpu:
        classifier("cuda", max_epochs=n_epochs, **params).fit(X, y)
    return sum(event.waits for event in gpu.log)


@pytest.mark.parametrize("params", [{}, {"precision": "float16"}], ids=str)
def test_an_epoch_waits_once_for_its_losses(params):
    assert count_waits(4, **params) - count_waits(2, **params) == 2


class Mistake(nn.Module):
    """An augmentation that changes nothing, but makes the host wait."""

    def __init__(self, mistake):
        super().__init__()
        self.mistake = mistake

    def forward(self, images):
        self.mistake(images)
        return images


MISTAKES = {
    "item": lambda x: x.mean().item(),
    "float": lambda x: float(x.max()),
    "if": lambda x: 1 if x.sum() > 0 else 0,
    "tolist": lambda x: x[0, 0, 0].tolist(),
    "print": lambda x: f"{x.mean()}",
    "to the CPU": lambda x: x.cpu(),
    "list": lambda x: x[[0, 1]],
    "boolean mask": lambda x: x[x > 0],
    "index of the CPU": lambda x: x[torch.tensor([0])],
    "nonzero": lambda x: x.nonzero(),
    "unique": lambda x: x.unique(),
    "not pinned": lambda x: x * torch.ones(32).to(x.device),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_waits_planted_in_a_step_are_found(mistake):
    augment = Mistake(mistake)
    assert count_waits(3, augment=augment) - count_waits(2, augment=augment) > 1


def test_losses_are_read_every_sixteen_steps():
    # Of 32 steps an epoch, and one wait more for the last step of the epoch, if it is not the 32nd.
    params = {"batch_size": 1, "precision": "float32"}
    twice = np.concatenate([X, X]), np.concatenate([y, y])
    waits = []
    for n_epochs in (1, 3):
        with PretendCuda() as gpu:
            classifier("cuda", max_epochs=n_epochs, **params).fit(*twice)
        waits.append(sum(event.waits for event in gpu.log))
    assert waits[1] - waits[0] == 2 * 2


def test_each_loss_is_in_the_history():
    expected = classifier("cpu", max_epochs=2, early_stopping=True).fit(X, y).history_
    with PretendCuda():
        history = classifier("cuda", max_epochs=2, early_stopping=True).fit(X, y).history_
    for name in ("train_loss", "valid_loss"):
        losses = [b.get(name, np.nan) for row in history for b in row["batches"]]
        there = [b.get(name, np.nan) for row in expected for b in row["batches"]]
        np.testing.assert_allclose(losses, there, rtol=1e-5)
        assert np.isfinite(losses).any()


def test_a_step_does_not_walk_through_the_modules(monkeypatch):
    n_calls = []
    train = nn.Module.train

    def count(module, mode=True):
        n_calls.append(module)
        return train(module, mode)

    monkeypatch.setattr(nn.Module, "train", count)
    numbers = []
    for batch_size in (16, 1):  # one step, or 16
        n_calls.clear()
        classifier("cpu", batch_size=batch_size).fit(X, y)
        numbers.append(len(n_calls))
    assert numbers[1] <= numbers[0] * 1.2


class Diverge(nn.Module):
    """A loss that is NaN from the third batch on."""

    n_calls = 0

    def forward(self, logits, targets):
        self.n_calls += 1
        return nn.functional.cross_entropy(logits, targets) * (np.nan if self.n_calls > 2 else 1)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_loss_that_is_not_finite_is_found_at_its_batch(device):
    model = classifier(device, batch_size=4, net_params={"criterion": Diverge})
    with PretendCuda(), pytest.raises(ValueError, match="nan in epoch 1, batch 3"):
        model.fit(X, y)


def test_batch_norms_are_measured_without_waiting():
    with PretendCuda() as gpu:
        module = classifier("cuda").fit(X, y).net_.module_
        batches = [torch.from_numpy(X).to("cuda")] * 3
        gpu.log.clear()
        measure_batch_norm(module, batches)
    assert not any(event.waits for event in gpu.log), gpu.report()


@pytest.mark.parametrize("n", [2, 8])
def test_spectrograms_wait_for_a_batch_and_not_for_each_glitch(n):
    strain = np.random.default_rng(0).normal(size=(n, 4096))
    model = QTransformer(1024.0, (0.5, 1.0), (10.0, 512.0), size=(28, 34), device="cuda")
    with PretendCuda() as gpu:
        model.fit_transform(strain)  # prepares the windows
        gpu.log.clear()
        pixels = model.fit_transform(strain)
    n_planes = sum(event.kind == "copy out" for event in gpu.log)
    # A check of the medians, the candidates (two lists), their tiles.
    assert sum(event.waits for event in gpu.log) <= 4 + n_planes, gpu.report()
    assert len(pixels) == n


class Launches(TorchDispatchMode):
    """Counts calls of torch's kernels, those of the backward pass too."""

    # These only look at a tensor in another way, or mark a place for a profiler.
    FREE = ("detach", "view", "expand", "t.", "select", "slice", "as_strided", "squeeze", "permute")

    def __init__(self):
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func).removeprefix("aten.")
        self.n += not name.startswith((*self.FREE, "profiler", "empty"))
        return func(*args, **(kwargs or {}))


def launches_per_step(fit):
    counts = []
    for n_epochs in (1, 2):
        with Launches() as launches:
            fit(n_epochs)
        counts.append(launches.n)
    return (counts[1] - counts[0]) / (len(X) // BATCH)


def textbook(n_epochs):
    net = timm.create_model("test_efficientnet", num_classes=2).train()
    optimizer = torch.optim.AdamW(net.parameters(), foreach=True)
    images, targets = (
        torch.from_numpy(np.repeat(X, 3, 1)),
        torch.from_numpy(np.unique(y, return_inverse=True)[1]),
    )
    for _ in range(n_epochs):
        for start in range(0, len(X), BATCH):
            optimizer.zero_grad()
            logits = net(images[start : start + BATCH].float() / 255)
            nn.functional.cross_entropy(logits, targets[start : start + BATCH]).backward()
            optimizer.step()


def test_a_step_launches_no_more_kernels_than_the_textbook_loop():
    ours = launches_per_step(lambda n: classifier("cpu", max_epochs=n, augment=False).fit(X, y))
    augmented = launches_per_step(lambda n: classifier("cpu", max_epochs=n).fit(X, y))
    assert ours <= launches_per_step(textbook)
    assert augmented <= ours + 60
