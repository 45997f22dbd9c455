"""Training and inference: views, augmentation, encoder, head, skorch net."""

from ._augment import SpectrogramAugment
from ._checkpoint import checkpoint_file
from ._data import ImageDataset, as_batch, run_in_batches, split_rows, spread
from ._encoder import COLORMAPS, ViewEncoder
from ._head import add_rows
from ._images import read_images
from ._module import GlitchNet
from ._net import GlitchNetClassifier, check_callbacks, without_writers
from ._processes import PROCESSES, Processes, failing_together
from ._recipe import (
    CENTER_IMAGES,
    TrainingRecipe,
    auto_epochs,
    auto_learning_rate,
    check_net_params,
)
from ._scale import PixelScale
from ._views import ViewLayout, find_durations

__all__ = [
    "CENTER_IMAGES",
    "COLORMAPS",
    "PROCESSES",
    "GlitchNet",
    "GlitchNetClassifier",
    "ImageDataset",
    "PixelScale",
    "Processes",
    "SpectrogramAugment",
    "TrainingRecipe",
    "ViewEncoder",
    "ViewLayout",
    "add_rows",
    "as_batch",
    "auto_epochs",
    "auto_learning_rate",
    "check_callbacks",
    "check_net_params",
    "checkpoint_file",
    "failing_together",
    "find_durations",
    "read_images",
    "run_in_batches",
    "split_rows",
    "spread",
    "without_writers",
]
