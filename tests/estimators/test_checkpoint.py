"""Trainings that end early, and go on from a checkpoint as if nothing had happened."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pytest
import timm
import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import GradientNormClipping

from skglitch import CNNClassifier
from skglitch._training import GlitchNetClassifier

N = 24
rng = np.random.default_rng(0)
X = rng.integers(0, 100, (N, 1, 32, 32), dtype=np.uint8)
y = np.array(["Blip", "Tomte", "Whistle"])[np.arange(N) % 3]


@contextlib.contextmanager
def crash_at(step):
    """Context in which a fit, of a net that is made anew, crashes after some steps."""
    train_step = GlitchNetClassifier.train_step

    def train_or_crash(net, *args, **kwargs):
        net.n_steps_ = getattr(net, "n_steps_", 0) + 1
        if net.n_steps_ > step:
            raise MemoryError("crash")
        return train_step(net, *args, **kwargs)

    with mock.patch.object(GlitchNetClassifier, "train_step", train_or_crash):
        yield


def make(folder, **params):
    settings = {"backbone": "test_efficientnet", "weights": None, "max_epochs": 4, "batch_size": 8}
    return CNNClassifier(**{"checkpoint": folder, "random_state": 0} | settings | params)


def fit_with_crashes(steps, folder, **params):
    for step in steps:
        with pytest.raises(MemoryError), crash_at(step):
            make(folder, **params).fit(X, y)
    return make(folder, **params).fit(X, y)


def weights(model):
    return {**model.net_.module_.state_dict(), "exemplars": torch.from_numpy(model.exemplars_)}


def assert_equal(a, b):
    torch.testing.assert_close(weights(a), weights(b), rtol=0, atol=0)
    for name in ("train_loss", "valid_loss"):
        losses = [[row.get(name) for row in model.history_] for model in (a, b)]
        assert losses[0] == losses[1]


SETTINGS = {
    "trained norms": {},
    "fixed norms": {"head_init": "regression", "fine_tune": "blocks.1"},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 1},
    "momentum": {"net_params": {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9}},
    "weighted classes, bfloat16": {"class_weight": "balanced", "precision": "bfloat16"},
    "own module": {"backbone": timm.create_model("test_efficientnet", num_classes=0)},
}


@pytest.mark.parametrize("params", SETTINGS.values(), ids=list(SETTINGS))
def test_a_training_goes_on_as_if_it_had_never_stopped(params, tmp_path):
    expected = make(None, **params).fit(X, y)
    model = fit_with_crashes([1, 4], tmp_path, **params)
    assert_equal(model, expected)


@pytest.mark.parametrize("step", range(0, 12, 3))
def test_no_epoch_is_trained_twice(step, tmp_path):
    model = fit_with_crashes([step], tmp_path)
    assert_equal(model, make(None).fit(X, y))
    seconds = [row["dur"] for row in model.history_]
    # The epochs before the crash are those of the first run, and so are their times.
    (file,) = tmp_path.iterdir()
    assert [row["dur"] for row in torch.load(file)["history"]] == seconds


def test_a_training_that_is_done_is_not_repeated(tmp_path):
    expected = make(tmp_path).fit(X, y)
    with crash_at(0):
        model = make(tmp_path).fit(X, y)
    assert_equal(model, expected)
    assert [row["dur"] for row in model.history_] == [row["dur"] for row in expected.history_]


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 1e-4},
        {"random_state": 1},
        {"encoder__pooling": "max"},
        {"callbacks": [GradientNormClipping(1e-6)]},
        {"backbone": timm.create_model("test_efficientnet", num_classes=0)},
        "X",
        "y",
    ],
    ids=lambda change: change if isinstance(change, str) else next(iter(change)),
)
def test_other_parameters_and_data_have_a_file_of_their_own(change, tmp_path):
    make(tmp_path, max_epochs=1).fit(X, y)
    model, images, labels = make(tmp_path, max_epochs=1), X.copy(), y.copy()
    if change == "X":
        images[-1, 0, 0, 0] += 1
    elif change == "y":
        labels[:2] = labels[1::-1]
    else:
        model.set_params(**change)
    model.fit(images, labels)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_does_not_change_the_weights_is_free(tmp_path):
    make(tmp_path, max_epochs=1).fit(X, y)
    mapped = np.memmap(tmp_path / "X", dtype=np.uint8, mode="w+", shape=X.shape)
    mapped[:] = X
    model = make(str(tmp_path), max_epochs=1, verbose=1, device="cpu", engine="torch")
    model.fit(mapped, y.tolist())
    assert len(list(tmp_path.glob("*.checkpoint"))) == 1


def test_a_search_has_a_file_for_each_candidate_and_fold(tmp_path):
    grid = {"learning_rate": [1e-3, 1e-4]}

    def search():
        model = make(tmp_path, max_epochs=2)
        return GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)

    with pytest.raises(MemoryError), crash_at(3):
        search()
    first = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    result = search()
    assert len(first) == 1
    assert len(list(tmp_path.iterdir())) == 2 * 2 + 1
    plain = GridSearchCV(make(None, max_epochs=2), grid, cv=2).fit(X, y)
    np.testing.assert_array_equal(
        result.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )
    assert_equal(result.best_estimator_, plain.best_estimator_)


def test_weights_of_a_file_count_by_their_values(tmp_path):
    file = tmp_path / "base"
    for seed in (0, 1, 1):
        torch.manual_seed(seed)
        torch.save(timm.create_model("test_efficientnet", num_classes=0).state_dict(), file)
        make(tmp_path, weights=str(file), max_epochs=1).fit(X, y)
    assert len(list(tmp_path.glob("*.checkpoint"))) == 2


def build_net():
    torch.manual_seed(0)
    return timm.create_model("test_efficientnet", num_classes=0)


def test_nets_are_the_same_in_another_process(tmp_path):
    script = f"""
from tests.estimators.test_checkpoint import X, build_net, make, y
for net in (build_net(), lambda: build_net()):
    make({str(tmp_path)!r}, backbone=net, max_epochs=1).fit(X, y)
"""
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script], check=True)
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_pickled_is_named(tmp_path):
    model = make(tmp_path, net_params={"optimizer": lambda *args: None})
    with pytest.raises(ValueError, match=r"checkpoint=.* net_params .*lambda"):
        model.fit(X, y)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)], ids=str)
def test_a_seed_is_needed(random_state, tmp_path):
    with pytest.raises(ValueError, match=r"checkpoint=.*random_state=(None|RandomState)"):
        make(tmp_path, random_state=random_state).fit(X, y)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    make(tmp_path, max_epochs=1).fit(X, y)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=f"{file.name}.* damaged: delete it"):
        make(tmp_path, max_epochs=1).fit(X, y)


def test_a_folder_that_cannot_be_written_does_not_end_the_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="without a checkpoint") as warned:
        model = make(tmp_path / "file" / "folder").fit(X, y)
    assert len([w for w in warned if "checkpoint" in str(w.message)]) == 1
    assert_equal(model, make(None).fit(X, y))


@pytest.mark.parametrize("n_bytes", [100, 200_000])
def test_a_full_disk_does_not_end_the_training(n_bytes, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        with pytest.warns(UserWarning, match="without a checkpoint"):
            model = make(tmp_path, max_epochs=1).fit(X, y)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
    assert_equal(model, make(None, max_epochs=1).fit(X, y))


SCRIPT = """
import sys
import torch
from tests.estimators.test_checkpoint import X, make, y
model = make(sys.argv[1], max_epochs=8).fit(X, y)
torch.save(model.net_.module_.state_dict(), sys.argv[2])
"""


def test_a_killed_process_loses_nothing(tmp_path):
    expected = make(None, max_epochs=8).fit(X, y).net_.module_.state_dict()
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(tmp_path / "weights")]
    n_done = 0
    for n_more in (1, 3):
        with subprocess.Popen(command) as process:
            while count_epochs(tmp_path) < n_done + n_more and process.poll() is None:
                time.sleep(0.001)
            process.kill()
        assert not (tmp_path / "weights").exists()
        n_done = count_epochs(tmp_path)
    subprocess.run(command, check=True)
    torch.testing.assert_close(torch.load(tmp_path / "weights"), expected, rtol=0, atol=0)


def count_epochs(folder):
    files = list(folder.glob("*.checkpoint"))
    return len(torch.load(files[0])["history"]) if files else 0
