"""What happens between the steps of a training."""

from __future__ import annotations

from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback
from tqdm.auto import tqdm


class EpochProgress(Callback):
    """One progress bar for the whole training, with the losses beside it."""

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
