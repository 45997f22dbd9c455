"""The skorch net behind the classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EarlyStopping
from torch.utils.data import DataLoader

from .._device import autocast, to_device
from ._data import BalancedBatches, EvenBatches, keep_batch
from ._encoder import as_unit_interval
from ._fine_tune import parameter_groups


class GlitchNetClassifier(NeuralNetClassifier):
    """skorch net that computes in a chosen precision and knows sample weights.

    Parameters
    ----------
    *args, **kwargs
        As for :class:`skorch.NeuralNetClassifier`.
    compute_dtype : torch.dtype, default=torch.float32
        Number format of the heavy layers.
    trunk_factor : float, default=1.0
        Learning rate of the pre-trained layers over that of the last one.
    layer_decay : float, default=1.0
        Learning rate of the first pre-trained layer over that of the last one.
    weight_decay : float, default=0.0
    mixup : float, default=0.0
        Parameter of the beta distribution of the share that a second image has in each image
        of a training batch, and its label in the loss [1]_; 0 mixes nothing.
    auxiliary_weight : float, default=0.0
        Weight of the losses of auxiliary classifiers.
    balanced : bool, default=False
        Whether all classes are drawn equally often in training.
    batch_seed : int, default=0
        Seed of the order of samples.

    References
    ----------
    .. [1] H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
       arXiv:1710.09412.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import CNNClassifier
    >>> X = np.repeat([0, 255], 4 * 32 * 32).astype(np.uint8).reshape(8, 1, 32, 32)
    >>> y = ["Blip"] * 4 + ["Tomte"] * 4
    >>> classifier = CNNClassifier("test_efficientnet", weights=None, max_epochs=1).fit(X, y)
    >>> type(classifier.net_).__name__
    'GlitchNetClassifier'
    """

    def __init__(
        self,
        *args: Any,
        compute_dtype: torch.dtype = torch.float32,
        trunk_factor: float = 1.0,
        layer_decay: float = 1.0,
        weight_decay: float = 0.0,
        mixup: float = 0.0,
        auxiliary_weight: float = 0.0,
        balanced: bool = False,
        batch_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.compute_dtype = compute_dtype
        self.trunk_factor = trunk_factor
        self.layer_decay = layer_decay
        self.weight_decay = weight_decay
        self.mixup = mixup
        self.auxiliary_weight = auxiliary_weight
        self.balanced = balanced
        self.batch_seed = batch_seed

    def get_iterator(self, dataset: Any, training: bool = False) -> DataLoader:
        """Fetch batches as a whole, in even parts when training."""
        if training:
            batches: EvenBatches = (
                BalancedBatches(dataset.own_targets, self.batch_size, self.batch_seed)
                if self.balanced
                else EvenBatches(len(dataset), self.batch_size, self.batch_seed)
            )
            return DataLoader(dataset, batch_sampler=batches, collate_fn=keep_batch)
        return DataLoader(dataset, batch_size=self.batch_size, collate_fn=keep_batch)

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort parameters by learning rate and decay instead of taking them as one group."""
        groups = parameter_groups(
            self.module_,
            named_parameters,
            learning_rate=self.lr,
            trunk_factor=self.trunk_factor,
            layer_decay=self.layer_decay,
            weight_decay=self.weight_decay,
        )
        return (groups,), self.get_params_for(prefix)

    def infer(self, x: dict[str, torch.Tensor], **fit_params: Any) -> torch.Tensor:
        """Logits in float32, whatever the layers before computed in."""
        device = torch.device(self.device)
        with autocast(device, self.compute_dtype):
            logits = self.module_(to_device(x["images"], device))
        return logits.float()

    def get_loss(
        self, y_pred: torch.Tensor, y_true: torch.Tensor, X: Any = None, training: bool = False
    ) -> torch.Tensor:
        """Loss of one batch, that of auxiliary classifiers included in training."""
        device = torch.device(self.device)
        weight = X.get("sample_weight")
        weight = None if weight is None else to_device(weight, device)
        targets = to_device(y_true, device)
        loss = self.criterion_(y_pred, targets, weight)
        return loss

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, torch.Tensor]:
        """Compute the gradients of one batch, its images mixed in pairs where that is asked."""
        if not self.mixup:
            return super().train_step_single(batch, **fit_params)
        self._set_training(True)
        inputs, targets = batch
        share, partner = self._draw_mix(len(targets))
        images = as_unit_interval(to_device(inputs["images"], torch.device(self.device)))
        mixed = share * images + (1 - share) * images[partner]
        y_pred = self.infer({"images": mixed}, **fit_params)
        others = {name: values[partner] for name, values in inputs.items() if name != "images"}
        loss = share * self.get_loss(y_pred, targets, X=inputs, training=True) + (
            1 - share
        ) * self.get_loss(y_pred, targets[partner], X=others, training=True)
        loss.backward()
        return {"loss": loss, "y_pred": y_pred}

    def _draw_mix(self, n_samples: int) -> tuple[float, torch.Tensor]:
        # Drawn from torch's generator, which fit seeds, as the augmentation is.
        share = torch.distributions.Beta(self.mixup, self.mixup).sample().item()
        return share, torch.randperm(n_samples)

    def fit_loop(self, *args: Any, **kwargs: Any) -> GlitchNetClassifier:
        """Train, and remember whether the user cut it short."""
        self.interrupted_ = False
        try:
            return super().fit_loop(*args, **kwargs)
        except KeyboardInterrupt:
            # skorch's EarlyStopping speaks through the same exception.
            self.interrupted_ = not self._stopped_early()
            raise

    def _stopped_early(self) -> bool:
        stoppers = [cb for _, cb in self.callbacks_ if isinstance(cb, EarlyStopping)]
        return any(cb.misses_ == cb.patience for cb in stoppers)


class FailOnNaN(Callback):
    """Stop at the first loss that is not a number, and say what to try.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import CNNClassifier
    >>> X = np.repeat([0, 255], 4 * 32 * 32).astype(np.uint8).reshape(8, 1, 32, 32)
    >>> y = ["Blip"] * 4 + ["Tomte"] * 4
    >>> net = CNNClassifier("test_efficientnet", weights=None, learning_rate=1e30, random_state=0)
    >>> try:
    ...     net.fit(X, y)
    ... except ValueError as error:
    ...     print(str(error)[:28])
    The train loss became nan in
    """

    def on_batch_end(self, net: NeuralNetClassifier, training: bool, **kwargs: Any) -> None:
        """Look at the loss that skorch has just written down."""
        prefix = "train" if training else "valid"
        loss = net.history[-1, "batches", -1, f"{prefix}_loss"]
        if not np.isfinite(loss):
            epoch, batch = len(net.history), len(net.history[-1, "batches"])
            raise ValueError(
                f"The {prefix} loss became {loss} in epoch {epoch}, batch {batch}: the net has "
                f"diverged. Try a learning_rate below {net.lr:g}, precision='float32', or look "
                "for extreme values in X."
            )
