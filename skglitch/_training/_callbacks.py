"""What happens between the steps of a training."""

from __future__ import annotations

from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback
from tqdm.auto import tqdm


class EpochProgress(Callback):
    """One progress bar for the whole training, with the losses beside it.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch import CNNClassifier
    >>> from skglitch._training import EpochProgress
    >>> X = np.repeat([0, 255], 4 * 32 * 32).astype(np.uint8).reshape(8, 1, 32, 32)
    >>> y = ["Blip"] * 4 + ["Tomte"] * 4
    >>> net = CNNClassifier(
    ...     "test_efficientnet", weights=None, max_epochs=2, callbacks=[EpochProgress()]
    ... )
    >>> len(net.fit(X, y).history_)
    2
    """

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open the bar."""
        self.bar_ = tqdm(total=net.max_epochs, desc="fit", unit="epoch")

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Tell the losses of the epoch."""
        row = net.history[-1]
        told = {
            name: row[name] for name in ("train_loss", "valid_loss", "valid_acc") if name in row
        }
        self.bar_.set_postfix(told, refresh=False)
        self.bar_.update()

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close the bar; without it the net can be pickled."""
        self.bar_.close()
        del self.bar_
