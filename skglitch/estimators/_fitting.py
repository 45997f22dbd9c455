"""How the net behind the classifier is put together and trained."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.helper import predefined_split
from skorch.history import History
from torch import nn

from .._backbones import Backbone, max_learning_rate
from .._training import (
    GRADUAL,
    MEASURED_IMAGES,
    EpochProgress,
    FailOnNaN,
    GlitchLoss,
    GlitchNet,
    GlitchNetClassifier,
    ImageDataset,
    SpectrogramAugment,
    Unfreeze,
    choose_device,
    choose_precision,
    draw_seed,
    frozen_parts,
    kept_memory,
    measure_batch_norm,
    probe,
    seeded,
    split_rows,
    to_channels_last,
    warm_up_and_decay,
)
from ._assembly import AUTO, CENTRED_IMAGES, evenly, is_pretrained, make_encoder, run_encoder
from ._images import ImageEstimator

# With max_epochs="auto": never fewer epochs, and never fewer steps of the optimizer. A net that
# starts at random knows little after so few that are enough for one that only adapts: of three
# real classes with 50 glitches each, 68 % after 40 steps and 97 % after 200.
_MIN_EPOCHS = 8
_MIN_STEPS, _MIN_FRESH_STEPS = 40, 200
# The last layer starts from a regression on so many images at most.
_PROBED_IMAGES = 4096
# With learning_rate="auto": of a net that starts from a regression or was trained before, and
# should not lose that in the first steps, and of one that starts from zeros or at random.
_PROBED_RATE = 3e-4
_FRESH_RATE = 1e-3
# Few images do not teach much more than the regression knows, so that there is more to lose; with
# more of them the rate rises by so much an image, up to what was measured of the backbone.
_RATE_AN_IMAGE = 1.5e-6
# Glitches of each class whose features are kept, so that classes can be added.
_EXEMPLARS = 20


class NetTrainer(ImageEstimator):
    """Base of the classifier: from its parameters and data to a trained net.

    Subclasses have the parameters of :class:`CNNClassifier` as attributes, and ``classes_`` and
    what :class:`ImageEstimator` learns before a net is made.
    """

    # What is read here of the parameters.
    backbone: Any
    fine_tune: str
    head_init: str
    head_epochs: int
    max_epochs: int | str
    batch_size: int
    learning_rate: float | str
    trunk_factor: float
    layer_decay: float
    weight_decay: float
    loss: str
    focal_gamma: float
    balanced_batches: bool
    mixup: float
    auxiliary_weight: float
    label_smoothing: float
    batch_norm: str
    dropout: float
    augment: Any
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    precision: str
    device: Any
    callbacks: Any
    random_state: Any
    verbose: int

    classes_: np.ndarray
    net_: GlitchNetClassifier
    history_: History
    exemplars_: np.ndarray
    exemplar_classes_: np.ndarray

    @contextmanager
    def _net_for(
        self,
        images: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray | None,
        trained: GlitchNet | None = None,
    ) -> Iterator[tuple[GlitchNetClassifier, ImageDataset]]:
        """Make a net to train, and its training data; seeds and memory are set for the while.

        ``trained`` is a module to train on; None makes a new one.
        """
        random_state = check_random_state(self.random_state)
        train, valid = self._datasets(images, targets, weights, random_state)
        device = choose_device(self.device) if trained is None else trained.head.weight.device
        with kept_memory(device), seeded(draw_seed(random_state), device):
            module = self._new_module(train, device) if trained is None else trained
            seed, goes_on = draw_seed(random_state), trained is not None
            yield self._make_net(module, device, train, valid, seed, goes_on), train

    def _new_module(self, train: ImageDataset, device: torch.device) -> GlitchNet:
        """Make a module, settle its batch norms, and let its last layer start from somewhere."""
        module = to_channels_last(self._make_module(), device)
        policy = self._batch_norm_policy(module)
        if policy == "adapt":
            self._measure_batch_norm(module, train)
        if policy != "train":
            module.fix_batch_norm()
        self._start_head(module, train, choose_precision(self.precision, device))
        return module

    def _datasets(
        self,
        images: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray | None,
        random_state: np.random.RandomState,
    ) -> tuple[ImageDataset, ImageDataset | None]:
        """Training data, and what is held out of them."""
        if not self.early_stopping:
            return ImageDataset(images, targets, self.scale_, None, weights), None
        train, valid = split_rows(targets, self.validation_fraction, random_state)
        return (
            ImageDataset(images, targets, self.scale_, train, weights),
            ImageDataset(images, targets, self.scale_, valid, weights),
        )

    def _make_module(self, normalize: bool | None = None) -> GlitchNet:
        encoder = make_encoder(self, self.backbone, normalize=normalize)
        augment = self.augment if isinstance(self.augment, nn.Module) else None
        if self.augment is True:
            augment = SpectrogramAugment()
        module = GlitchNet(encoder, len(self.classes_), augment, self.dropout)
        module.freeze(frozen_parts(encoder.trunk, self.fine_tune, progress=1.0))
        return module

    def _make_net(
        self,
        module: GlitchNet,
        device: torch.device,
        train: Any,
        valid: ImageDataset | None,
        seed: int,
        goes_on: bool = False,
    ) -> GlitchNetClassifier:
        """Wrap a module for training on ``train``, of which a net that is not trained on needs
        no more than the length; ``goes_on`` with what the module was trained on before.
        """
        n_batches = math.ceil(len(train) / self.batch_size)
        epochs = self.max_epochs
        if epochs == AUTO:
            starts_well = self._probes(module.encoder.trunk)
            n_steps = _MIN_STEPS if starts_well else _MIN_FRESH_STEPS
            epochs = max(_MIN_EPOCHS, math.ceil(n_steps / n_batches))
        return GlitchNetClassifier(
            module,
            criterion=self._make_loss(train),
            optimizer=torch.optim.AdamW,
            lr=self._rate(module.encoder.trunk, len(train), goes_on),
            trunk_factor=self.trunk_factor,
            layer_decay=self.layer_decay,
            weight_decay=self.weight_decay,
            mixup=self.mixup,
            auxiliary_weight=self.auxiliary_weight,
            balanced=self.balanced_batches,
            max_epochs=int(epochs),
            batch_size=self.batch_size,
            batch_seed=seed,
            classes=np.arange(len(self.classes_)),
            train_split=None if valid is None else predefined_split(valid),
            callbacks=self._make_callbacks(int(epochs) * n_batches),
            predict_nonlinearity=_softmax,
            compute_dtype=choose_precision(self.precision, device),
            device=str(device),
            verbose=int(self.verbose > 1),
        )

    def _rate(self, trunk: Backbone, n_images: int, goes_on: bool) -> float:
        """Highest learning rate, for a net that is trained on so many images."""
        if not isinstance(self.learning_rate, str):
            return self.learning_rate
        if not self._probes(trunk):
            return _FRESH_RATE
        highest = max_learning_rate(self.backbone)
        if goes_on or highest is None or not is_pretrained(trunk):
            return _PROBED_RATE
        return min(max(_PROBED_RATE, _RATE_AN_IMAGE * n_images), highest)

    def _probes(self, trunk: Backbone) -> bool:
        return self.head_init == "probe" or (self.head_init == AUTO and is_pretrained(trunk))

    def _make_loss(self, train: Any) -> GlitchLoss:
        prior = None
        if self.loss == "logit_adjusted" and self.balanced_batches:
            raise ValueError(
                "loss='logit_adjusted' and balanced_batches=True both make up for rare classes: "
                "use one of them."
            )
        if self.loss == "logit_adjusted" and isinstance(train, ImageDataset):
            counts = np.bincount(train.own_targets, minlength=len(self.classes_))
            # A class that is not there, as in partial_fit, counts like one with one glitch.
            prior = np.maximum(counts, 1) / counts.sum()
        gamma = self.focal_gamma if self.loss == "focal" else 0.0
        return GlitchLoss(self.label_smoothing, gamma, prior)

    def _make_callbacks(self, n_steps: int) -> list[Any]:
        schedule = LRScheduler(warm_up_and_decay, total_steps=n_steps, step_every="batch")
        callbacks: list[Any] = [("fail_on_nan", FailOnNaN()), ("schedule", schedule)]
        if self.fine_tune == GRADUAL or self.head_epochs:
            callbacks.append(("unfreeze", Unfreeze(self.fine_tune, self.head_epochs)))
        if self.early_stopping:
            sink = print if self.verbose > 1 else _silent
            stopper = EarlyStopping(patience=self.n_iter_no_change, load_best=True, sink=sink)
            callbacks.append(("early_stopping", stopper))
        if self.verbose:
            callbacks.append(("progress", EpochProgress()))
        return callbacks + list(self.callbacks or [])

    def _batch_norm_policy(self, module: GlitchNet) -> str:
        if self.batch_norm != AUTO:
            return self.batch_norm
        return "keep" if module.encoder.trunk.loaded["extent"] == "whole" else "train"

    def _measure_batch_norm(self, module: GlitchNet, train: ImageDataset) -> None:
        device = module.head.weight.device
        measure_batch_norm(module, train.sample(MEASURED_IMAGES, self.batch_size, device))

    def _start_head(self, module: GlitchNet, train: ImageDataset, dtype: torch.dtype) -> None:
        """Center the features of the net as it is, and fit the last layer to them."""
        encoder = module.encoder
        probes = self._probes(encoder.trunk)
        if not probes and not encoder.normalize:
            return
        rows = train.rows[_some_of_each(train.own_targets, probes)]
        features = run_encoder(
            encoder,
            train.images[rows],
            train.scale,
            normalized=False,
            batch_size=2 * self.batch_size,
            dtype=dtype,
        )
        read = torch.from_numpy(features).to(encoder.center.device)
        encoder.center_on(read)
        if probes:
            weight, bias = probe(
                encoder.normalized(read).cpu().numpy(),
                train.targets[rows],
                None if train.sample_weight is None else train.sample_weight[rows],
                balanced=self.balanced_batches,
            )
            log_prior = self._make_loss(train).log_prior
            if log_prior is not None:
                bias = bias - log_prior  # which the loss adds
            with torch.no_grad():
                module.head.weight.copy_(weight)
                module.head.bias.copy_(bias)

    def _train(self, net: GlitchNetClassifier, train: ImageDataset) -> None:
        net.fit(train, None)
        if not net.module_.batch_norm_is_fixed:
            self._measure_batch_norm(net.module_, train)

    def _keep(self, net: GlitchNetClassifier) -> None:
        """Keep the trained net without what only training needed."""
        net.train_split = None  # holds the validation images
        net.optimizer_.state.clear()
        net.module_.eval()
        self.net_ = net
        self.history_ = net.history

    def _tell_interruption(self, n_epochs: int) -> None:
        if self.net_.interrupted_:
            warnings.warn(
                f"Training was interrupted in epoch {n_epochs} of {self.net_.max_epochs}: the net "
                "so far is kept.",
                UserWarning,
                stacklevel=4,  # past fit and what scikit-learn wraps around it
            )

    def _keep_exemplars(self, images: np.ndarray, targets: np.ndarray) -> None:
        rows = exemplar_rows(targets)
        self.exemplars_ = self._embed(images[rows])
        self.exemplar_classes_ = self.classes_[targets[rows]]

    def _embed(self, images: np.ndarray) -> np.ndarray:
        return run_encoder(
            self.net_.module_.encoder,
            images,
            self.scale_,
            batch_size=2 * self.batch_size,
            dtype=self.net_.compute_dtype,
        )


def exemplar_rows(targets: np.ndarray) -> np.ndarray:
    """Rows of some samples of each class, spread evenly over those that there are."""
    of_classes = [np.flatnonzero(targets == code) for code in np.unique(targets)]
    return np.concatenate([rows[evenly(len(rows), _EXEMPLARS)] for rows in of_classes])


def _some_of_each(targets: np.ndarray, probes: bool) -> np.ndarray:
    """Positions of as many samples as are needed, at least one of each class."""
    rows = evenly(len(targets), _PROBED_IMAGES if probes else CENTRED_IMAGES)
    _, first = np.unique(targets, return_index=True)
    return np.union1d(rows, first)


def _softmax(logits: torch.Tensor) -> torch.Tensor:
    return logits.softmax(dim=1)


def _silent(_message: str) -> None:
    pass
