"""Training recipe: epochs, learning rate, batch norms, initialization of the head, optimizer.

The "auto" rules were measured on Gravity Spy pictures: see benchmarks/recipe.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.helper import predefined_split
from skorch.utils import noop
from torch import nn

from ._checkpoint import EpochCheckpoint
from ._data import ImageDataset, run_in_batches, spread
from ._folding import folded_norms
from ._head import regress_head
from ._module import GlitchNet, measure_batch_norm
from ._net import EpochProgress, GlitchNetClassifier, warm_up_and_decay
from ._processes import PROCESSES

# Smallest numbers of epochs and of optimizer steps. A head that starts from zeros needs more: of
# three real classes with 50 glitches each, 68 % were classified correctly after 40 steps, and 97 %
# after 200.
_MIN_EPOCHS = 8
_MIN_STEPS = 40
_MIN_STEPS_FROM_ZEROS = 200
# Highest learning rate if the head starts from a regression, which the first steps should not undo,
# and if it starts from zeros.
_RATE = 3e-4
_RATE_FROM_ZEROS = 1e-3
# Few images improve little on the regression, so the rate is low. It rises by this much per image,
# up to the maximum of the backbone.
_RATE_PER_IMAGE = 1.5e-6
# Largest numbers of images for the regression, the center of the features and the statistics of
# batch norms. More would hardly change them.
_REGRESSION_IMAGES = 4096
CENTER_IMAGES = 512
_BATCH_NORM_IMAGES = 512

# Number of steps whose losses are read from a GPU at a time, as the host waits for them. With
# callbacks from the user, which may need each loss, it is 1.
_LOSSES_AT_ONCE = 16

_ITERATORS = ("train", "valid")
_NET_PARAMS = ("criterion", "optimizer", "iterator_train", "iterator_valid")


@dataclass(frozen=True)
class TrainingRecipe:
    """Settings of a training, with "auto" resolved."""

    max_epochs: int
    learning_rate: float  # the highest one
    batch_size: int
    regress_head: bool
    keep_batch_norm: bool
    patience: int | None  # epochs without a lower validation loss
    callbacks: tuple[Any, ...]
    net_params: Mapping[str, Any]
    precision: str
    verbose: int

    def prepare(self, module: GlitchNet, train: ImageDataset) -> None:
        """Set the batch norms and the center of the features, and initialize the head."""
        if self.keep_batch_norm:
            module.fix_batch_norm()
        encoder = module.encoder
        if not self.regress_head and not encoder.normalize:
            return
        targets = train.targets[train.rows]
        n_images = _REGRESSION_IMAGES if self.regress_head else CENTER_IMAGES
        _, first = np.unique(targets, return_index=True)
        rows = train.rows[np.union1d(spread(len(targets), n_images), first)]
        raw = run_in_batches(
            encoder,
            encoder.features,
            train.images[rows],
            train.scale,
            batch_size=2 * self.batch_size,
            device=encoder.device,
            precision=self.precision,
        )
        if not np.isfinite(raw).all():
            source = encoder.backbone.loaded["source"]
            raise ValueError(
                f"The backbone returns NaN or infinity with these images and weights={source!r}."
            )
        features = torch.from_numpy(raw).to(encoder.device)
        encoder.center_on(features)
        if self.regress_head:
            weights = None if train.sample_weight is None else train.sample_weight[rows]
            normalized = encoder.normalized(features).cpu().numpy()
            regress_head(module.head, normalized, train.targets[rows], weights)

    def train(
        self,
        module: GlitchNet,
        train: ImageDataset,
        valid: ImageDataset | None,
        *,
        seed: int,
        checkpoint: Path | None = None,
    ) -> GlitchNetClassifier:
        """Train ``module`` in place, validating on ``valid``, and return its skorch net.

        Training resumes from the file ``checkpoint``, if there is one.
        """
        processes = PROCESSES.get()
        processes.share_weights(module)
        n_steps = self.max_epochs * math.ceil(len(train) / self.batch_size)
        schedule = LRScheduler(warm_up_and_decay, total_steps=n_steps, step_every="batch")
        callbacks: list[Any] = [("schedule", schedule)]
        if self.patience is not None:
            sink = print if self.verbose > 1 else noop
            stopper = EarlyStopping(patience=self.patience, load_best=True, sink=sink)
            callbacks.append(("early_stopping", stopper))
        if self.verbose:
            callbacks.append(("progress", EpochProgress()))
        # Last, so that it saves the state of the others after an epoch.
        last = [] if checkpoint is None else [("checkpoint", EpochCheckpoint(checkpoint))]
        on_gpu = module.encoder.device.type != "cpu"
        net = self.wrap(
            module,
            callbacks=[*callbacks, *self.callbacks, *last],
            train_split=None if valid is None else predefined_split(valid),
            batch_seed=seed,
            losses_at_once=_LOSSES_AT_ONCE if on_gpu and not self.callbacks else 1,
        )
        if not any(self.net_params.get(f"iterator_{name}__num_workers") for name in _ITERATORS):
            for data in (train, valid):  # worker processes cannot read from a GPU
                if data is not None:
                    data.copy_to(module.encoder.device)
        if module.batch_norm_is_fixed:
            layers = module.encoder.readout.layers
            with folded_norms(module.encoder.backbone.net, kept=layers):
                net.fit(train, None)
        else:
            net.fit(train, None)
            batches = train.sample(_BATCH_NORM_IMAGES, self.batch_size, module.encoder.device)
            measure_batch_norm(module, batches)
        processes.share_weights(module)
        # Drop what only training needs: validation images, gradients and their moments, and a
        # second copy of the weights.
        net.train_split = None
        net.optimizer_.state.clear()
        module.zero_grad(set_to_none=True)
        for _, callback in net.callbacks_:
            if isinstance(callback, EarlyStopping):
                callback.best_model_weights_ = None
            elif isinstance(callback, LRScheduler):
                callback.lr_scheduler_ = None
        module.eval()
        return net

    def wrap(self, module: GlitchNet, **params: Any) -> GlitchNetClassifier:
        """Make the skorch net around ``module``, which is not trained yet."""
        return GlitchNetClassifier(
            module,
            lr=self.learning_rate,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            classes=np.arange(module.head.out_features),
            predict_nonlinearity=partial(nn.functional.softmax, dim=1),
            precision=self.precision,
            device=str(module.encoder.device),
            verbose=int(self.verbose > 1),
            **{"train_split": None, **self.net_params, **params},
        )


def auto_epochs(n_images: int, batch_size: int, regress_head: bool) -> int:
    """Choose the number of epochs for ``max_epochs="auto"``."""
    n_steps = _MIN_STEPS if regress_head else _MIN_STEPS_FROM_ZEROS
    return max(_MIN_EPOCHS, math.ceil(n_steps / math.ceil(n_images / batch_size)))


def auto_learning_rate(n_images: int, regress_head: bool, highest: float | None) -> float:
    """Choose the learning rate; ``highest`` is the best for thousands of images, if measured."""
    if not regress_head:
        return _RATE_FROM_ZEROS
    if highest is None:
        return _RATE
    return min(max(_RATE, _RATE_PER_IMAGE * n_images), highest)


def check_net_params(net_params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Check the keys of ``net_params`` and add the default criterion and optimizer."""
    params = dict(net_params or {})
    for key in params:
        name, _, argument = str(key).partition("__")
        if name not in _NET_PARAMS or (name.startswith("iterator") and not argument):
            raise ValueError(
                f"net_params has the key {key!r}. Allowed are 'criterion', 'optimizer' and "
                "arguments of these and of the data loaders 'iterator_train' and "
                "'iterator_valid', such as 'optimizer__weight_decay'. Epochs, batch size, "
                "learning rate, callbacks and device are parameters of CNNClassifier itself."
            )
    if "criterion" not in params:
        params = {"criterion": nn.CrossEntropyLoss, "criterion__reduction": "none"} | params
    if "optimizer" not in params:
        # Fused: one kernel for all parameters.
        default = {"optimizer__weight_decay": 0.05, "optimizer__fused": True}
        params = {"optimizer": torch.optim.AdamW, **default, **params}
    return params
