"""Callbacks that need validation data, and what training leaves behind in memory."""

from __future__ import annotations

import copy
import gc
import pickle
from types import BuiltinFunctionType, FunctionType, ModuleType

import pytest
import torch
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
)

from skglitch import TruncatedCNNTransformer


class Watcher(Callback):
    """A callback of a user, which reads a validation score by itself."""

    def on_epoch_end(self, net, **kwargs):
        self.seen_ = net.history[-1, "valid_acc"]


WATCHING = {
    "EarlyStopping": [EarlyStopping()],
    "class": [EarlyStopping],
    "named": [("stop", EarlyStopping(monitor="valid_acc"))],
    "Checkpoint": [Checkpoint(fn_prefix="/nowhere/")],
    "plateau": [LRScheduler("ReduceLROnPlateau", monitor="valid_loss")],
    "score": [EpochScoring("f1_macro"), EarlyStopping(monitor="f1_macro")],
    "score alone": [EpochScoring("f1_macro")],
    "batches": [BatchScoring("accuracy")],
    "own": [Watcher()],
    "function": [Checkpoint(monitor=lambda net: net.history[-1, "valid_loss"])],
}


@pytest.mark.parametrize("name", WATCHING)
def test_callbacks_that_need_validation_data_say_what_to_set(tiny, stripes, name):
    with pytest.raises(ValueError, match=r"early_stopping=True.*validation_fraction"):
        tiny(max_epochs=1, callbacks=WATCHING[name]).fit(*stripes)


def test_other_errors_of_callbacks_stay_what_they_are(tiny, stripes):
    class Faulty(Callback):
        def on_epoch_end(self, net, **kwargs):
            {}["gain"]

    with pytest.raises(KeyError, match="gain"):
        tiny(max_epochs=1, callbacks=[Faulty()]).fit(*stripes)


def test_callbacks_that_need_validation_data_in_partial_fit(tiny, stripes):
    classifier = tiny(max_epochs=1).fit(*stripes)
    weights = copy.deepcopy(classifier.net_.module_.state_dict())
    classifier.set_params(callbacks=[EarlyStopping()])
    with pytest.raises(ValueError, match="monitor='valid_loss'"):
        classifier.partial_fit(*stripes)
    after = classifier.net_.module_.state_dict()
    assert all(torch.equal(weights[name], after[name]) for name in weights)


def test_callbacks_watch_held_out_samples_or_the_training(tiny, stripes):
    watcher, stopper = Watcher(), EarlyStopping(load_best=True, sink=lambda text: None)
    callbacks = [watcher, stopper, EpochScoring("f1_macro")]
    classifier = tiny(max_epochs=1, early_stopping=True, callbacks=callbacks).fit(*stripes)
    assert watcher.seen_ >= 0
    assert "f1_macro" in classifier.history_[-1]
    on_train = [EpochScoring("f1_macro", on_train=True), EarlyStopping(monitor="train_loss")]
    assert "f1_macro" in tiny(max_epochs=1, callbacks=on_train).fit(*stripes).history_[-1]


def count_bytes(*roots):
    """Count the bytes of all tensors that an object holds, with their gradients."""
    waiting, seen = list(roots), {}
    while waiting:
        item = waiting.pop()
        is_global = isinstance(item, type | ModuleType | FunctionType | BuiltinFunctionType)
        if is_global or id(item) in seen:
            continue
        seen[id(item)] = item
        waiting += gc.get_referents(item)
        if isinstance(item, torch.Tensor):
            waiting.append(item.grad)
    tensors = [item.untyped_storage() for item in seen.values() if isinstance(item, torch.Tensor)]
    return sum({storage.data_ptr(): storage.nbytes() for storage in tensors}.values())


def test_training_leaves_no_second_copy_of_the_weights(tiny, stripes):
    X, y = stripes
    mine = EarlyStopping(load_best=True, sink=lambda text: None)
    schedule = LRScheduler("StepLR", step_size=1)
    classifier = tiny(max_epochs=2, early_stopping=True, callbacks=[mine, schedule])

    def assert_lean(fitted):
        # A little more than the weights: steps of the optimizer, one number each.
        weights = count_bytes(fitted.net_.module_.state_dict())
        assert weights > 8000
        assert count_bytes(fitted) < weights + 500

    assert_lean(classifier.fit(X, y))
    assert_lean(classifier.partial_fit(X, y))
    assert_lean(classifier.add_classes(X[:2] // 2, ["Tomte"] * 2))
    assert_lean(copy.deepcopy(classifier))
    assert_lean(pickle.loads(pickle.dumps(tiny(max_epochs=1).fit(X, y))))
    assert_lean(TruncatedCNNTransformer(tiny(max_epochs=1)).fit(X, y).classifier_)
    assert all(parameter.grad is None for parameter in classifier.net_.module_.parameters())
