"""The skorch net of the classifier, its callbacks and learning rate schedule."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from skorch import NeuralNet, NeuralNetClassifier
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
    TensorBoard,
    TrainEndCheckpoint,
    WandbLogger,
)
from skorch.dataset import unpack_data
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from .._device import autocast, loss_scaler, to_device
from ._checkpoint import EpochCheckpoint
from ._data import EvenBatches, keep_batch
from ._processes import PROCESSES, Processes

_SCORINGS = (BatchScoring, EpochScoring, PassthroughScoring)
_WRITERS = (Checkpoint, PrintLog, ProgressBar, TensorBoard, TrainEndCheckpoint, WandbLogger)
_HOLD_OUT = "set early_stopping=True, which holds out validation_fraction of the samples."


class GlitchNetClassifier(NeuralNetClassifier):
    """skorch net that computes in ``precision`` and weights the loss of each sample."""

    def __init__(
        self,
        *args: Any,
        precision: str = "float32",
        batch_seed: int = 0,
        losses_at_once: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.losses_at_once = losses_at_once
        self.precision = precision
        self.scaler_: torch.amp.GradScaler | None = None
        self.batch_seed = batch_seed
        self.processes_ = Processes()

    def get_iterator(self, dataset: Any, training: bool = False) -> DataLoader:
        """Fetch whole batches, of nearly equal size in training."""
        if not training:
            params = {"batch_size": self.batch_size, **self.get_params_for("iterator_valid")}
        else:
            seed, epoch = self.batch_seed, len(self.history)
            batches = EvenBatches(len(dataset), self.batch_size, seed, epoch)
            params = {"batch_sampler": batches, **self.get_params_for("iterator_train")}
        return DataLoader(dataset, collate_fn=keep_batch, **params)

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Exclude biases and the scales of batch norms from the weight decay."""
        (given,), params = super().get_params_for_optimizer(prefix, named_parameters)
        groups = []
        for group in given:
            matrices = [parameter for parameter in group["params"] if parameter.ndim > 1]
            vectors = [parameter for parameter in group["params"] if parameter.ndim <= 1]
            groups += [{**group, "params": matrices}] if matrices else []
            groups += [{**group, "params": vectors, "weight_decay": 0.0}] if vectors else []
        return (groups,), params

    def infer(self, x: dict[str, torch.Tensor], **fit_params: Any) -> torch.Tensor:
        """Logits in float32 for any precision."""
        device, n_images = torch.device(self.device), len(x["images"])
        with autocast(device, self.precision):
            part = self.processes_.part(n_images)
            logits = self.module_(to_device(x["images"], device), part)
        return self.processes_.join(logits.float(), n_images)

    def get_loss(
        self, y_pred: torch.Tensor, y_true: torch.Tensor, X: Any = None, training: bool = False
    ) -> torch.Tensor:
        """Mean loss of one batch; weights have a mean of 1 over the training set."""
        device = torch.device(self.device)
        losses = self.criterion_(y_pred, to_device(y_true, device))
        if "sample_weight" in X:
            if losses.shape != y_true.shape:
                raise ValueError(
                    "sample_weight and class_weight need a criterion that returns one loss per "
                    f"sample, but net_params['criterion']={self.criterion!r} returns a tensor of "
                    f"shape {tuple(losses.shape)} for {len(y_true)} samples: give it "
                    "reduction='none', for classes as 'criterion__reduction'."
                )
            losses = losses * to_device(X["sample_weight"], device)
        return losses.mean()

    def fit_loop(self, *args: Any, **kwargs: Any) -> GlitchNetClassifier:
        """Train, and record whether the user interrupted it."""
        self.interrupted_ = False
        self.scaler_ = loss_scaler(torch.device(self.device), self.precision)
        self.processes_ = PROCESSES.get()
        checkpoints = [cb for _, cb in self.callbacks_ if isinstance(cb, EpochCheckpoint)]
        for checkpoint in checkpoints:
            checkpoint.restore(self)
        kwargs["epochs"] = self.max_epochs - len(self.history)
        try:
            return super().fit_loop(*args, **kwargs)
        except KeyboardInterrupt:
            # skorch's EarlyStopping raises the same exception.
            stoppers = [cb for _, cb in self.callbacks_ if isinstance(cb, EarlyStopping)]
            self.interrupted_ = not any(cb.misses_ == cb.patience for cb in stoppers)
            if self.interrupted_ and self.processes_.size > 1:
                # The processes would keep different weights.
                raise RuntimeError("The training was interrupted in one process.") from None
            raise
        finally:
            self.scaler_, self.processes_ = None, Processes()

    def run_single_epoch(
        self,
        iterator: DataLoader | None,
        training: bool,
        prefix: str,
        step_fn: Callable[..., dict[str, torch.Tensor]],
        **fit_params: Any,
    ) -> None:
        """Like in skorch, but without waiting for the GPU to compute the loss of each batch."""
        if iterator is None:
            return
        n_batches, losses = 0, []
        try:
            for batch in iterator:
                self.notify("on_batch_begin", batch=batch, training=training)
                step = step_fn(batch, **fit_params)
                losses.append(step["loss"].detach())
                self.history.record_batch(f"{prefix}_batch_size", len(batch[1]))
                n_batches += 1
                if len(losses) == self.losses_at_once:
                    self._record(losses, prefix, n_batches)
                self.notify("on_batch_end", batch=batch, training=training, **step)
        finally:
            self._record(losses, prefix, n_batches)
        self.history.record(f"{prefix}_batch_count", n_batches)

    def _record(self, losses: list[torch.Tensor], prefix: str, n_batches: int) -> None:
        """Move the losses of the last batches to the history."""
        if not losses:
            return
        values = torch.stack(losses).tolist()  # the only place where the host waits
        losses.clear()
        rows = self.history[-1]["batches"][-len(values) :]
        for row, loss in zip(rows, values, strict=True):
            row[f"{prefix}_loss"] = loss
        for number, loss in enumerate(values, start=n_batches - len(values) + 1):
            if not math.isfinite(loss):
                raise ValueError(
                    f"The {prefix} loss became {loss} in epoch {len(self.history)}, batch "
                    f"{number}: the net has diverged. Try a learning_rate below {self.lr:g}, "
                    "precision='float32', or look for extreme values in X."
                )

    def _set_training(self, training: bool = True) -> None:
        # skorch sets the mode of hundreds of modules in each step.
        if self.module_.training != training:
            super()._set_training(training)

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, torch.Tensor]:
        """Compute the loss and its gradients, with a scaled loss for float16."""
        if self.scaler_ is None:
            step = super().train_step_single(batch, **fit_params)
            self.processes_.sum_gradients(self.module_)
            return step
        self._set_training(True)
        X, y = unpack_data(batch)
        y_pred = self.infer(X, **fit_params)
        loss = self.get_loss(y_pred, y, X=X, training=True)
        self.scaler_.scale(loss).backward()
        self.processes_.sum_gradients(self.module_)
        self.scaler_.unscale_(self.optimizer_)
        return {"loss": loss, "y_pred": y_pred}

    def _step_optimizer(self, step_fn: Callable[[], torch.Tensor]) -> None:
        if self.scaler_ is None:
            super()._step_optimizer(step_fn)
            return
        step_fn()
        self.scaler_.step(self.optimizer_)  # skipped if gradients overflowed
        self.scaler_.update()

    def __getstate__(self) -> dict[str, Any]:
        # The parameter module is the trained module_, which skorch would pickle twice.
        return {**super().__getstate__(), "module": None, "processes_": Processes()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.module = self.module_

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the callbacks, and explain missing scores if there is no validation data."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyError as error:
            if self.train_split is not None or "valid_" not in str(error):
                raise
            raise ValueError(
                f"One of callbacks did not find {error.args[0]!r}. There are no validation scores: "
                f"{_HOLD_OUT}"
            ) from error


def check_callbacks(callbacks: Sequence[Any]) -> None:
    """Refuse callbacks that compute or monitor validation scores without validation data."""
    for given in callbacks:
        item = _unwrap(given)
        watched = getattr(item, "monitor", None)
        if isinstance(watched, str) and watched.startswith("valid_"):
            setting, other = f"monitor={watched!r}", "monitor='train_loss'"
        elif isinstance(item, _SCORINGS) and not item.on_train:
            setting, other = "on_train=False", "on_train=True"
        else:
            continue
        raise ValueError(
            f"callbacks has {type(item).__name__}({setting}), but there is no validation data: "
            f"{_HOLD_OUT} Or set {other}."
        )


def without_writers(callbacks: Sequence[Any]) -> tuple[Any, ...]:
    """Remove callbacks that write files or print, for all processes except the first."""
    return tuple(given for given in callbacks if not isinstance(_unwrap(given), _WRITERS))


def _unwrap(given: Any) -> Any:
    """Return a callback, which may be given with its name or as a class."""
    item = given[1] if isinstance(given, tuple) else given
    return item() if isinstance(item, type) else item


class EpochProgress(Callback):
    """One progress bar for the whole training, with the losses."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open the bar."""
        self.bar_ = tqdm(total=net.max_epochs, desc="fit", unit="epoch")

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Show the losses of the epoch."""
        row = net.history[-1]
        names = [name for name in ("train_loss", "valid_loss", "valid_acc") if name in row]
        self.bar_.set_postfix({name: row[name] for name in names}, refresh=False)
        self.bar_.update(len(net.history) - self.bar_.n)  # some may come from a checkpoint

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close and delete the bar, which cannot be pickled."""
        self.bar_.close()
        del self.bar_


def warm_up_and_decay(optimizer: Optimizer, total_steps: int, last_epoch: int = -1) -> LambdaLR:
    """Linear warm-up, then cosine annealing to zero (Loshchilov, Hutter, arXiv:1608.03983)."""
    factor = functools.partial(_rate_factor, total_steps=total_steps)
    return LambdaLR(optimizer, factor, last_epoch=last_epoch)


def _rate_factor(step: int, total_steps: int) -> float:
    n_rising = max(1, round(0.25 * total_steps))
    if step < n_rising:
        return (step + 1) / n_rising
    # Bounded, as skorch takes one more step at the end.
    progress = min(1.0, (step - n_rising) / max(1, total_steps - n_rising))
    return 0.5 * (1 + math.cos(math.pi * progress))
