"""The skorch net behind the classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EarlyStopping
from torch import nn
from torch.utils.data import DataLoader

from .._device import autocast, to_device
from ._data import EvenBatches, keep_batch
from ._optim import parameter_groups


class SampleWeightedCrossEntropy(nn.Module):
    """Cross-entropy with label smoothing, each sample with a weight of its own.

    Parameters
    ----------
    label_smoothing : float, default=0.0
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean loss; weights have a mean of 1 over the training set, so they scale no rate."""
        losses = nn.functional.cross_entropy(
            logits, targets, label_smoothing=self.label_smoothing, reduction="none"
        )
        return losses.mean() if sample_weight is None else (losses * sample_weight).mean()


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
    weight_decay : float, default=0.0
    batch_seed : int, default=0
        Seed of the order of samples.
    """

    def __init__(
        self,
        *args: Any,
        compute_dtype: torch.dtype = torch.float32,
        trunk_factor: float = 1.0,
        weight_decay: float = 0.0,
        batch_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.compute_dtype = compute_dtype
        self.trunk_factor = trunk_factor
        self.weight_decay = weight_decay
        self.batch_seed = batch_seed

    def get_iterator(self, dataset: Any, training: bool = False) -> DataLoader:
        """Fetch batches as a whole, in even parts when training."""
        if training:
            batches = EvenBatches(len(dataset), self.batch_size, self.batch_seed)
            return DataLoader(dataset, batch_sampler=batches, collate_fn=keep_batch)
        return DataLoader(dataset, batch_size=self.batch_size, collate_fn=keep_batch)

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort parameters by learning rate and decay instead of taking them as one group."""
        groups = parameter_groups(
            named_parameters,
            learning_rate=self.lr,
            trunk_factor=self.trunk_factor,
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
        """Loss of one batch."""
        device = torch.device(self.device)
        weight = X.get("sample_weight")
        weight = None if weight is None else to_device(weight, device)
        return self.criterion_(y_pred, to_device(y_true, device), weight)

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
    """Stop at the first loss that is not a number, and say what to try."""

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
