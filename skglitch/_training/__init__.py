"""What stands between X and a trained net: views, augmentation, encoder, head, training."""

from ._augment import SpectrogramAugment
from ._batch_norm import measure_batch_norm
from ._data import EvenBatches, ImageDataset, split_rows, spread
from ._encoder import COLORMAPS, ViewEncoder
from ._head import add_rows, regress_head
from ._images import read_images
from ._inference import run_in_batches
from ._module import GlitchNet
from ._net import GlitchNetClassifier, warm_up_and_decay
from ._recipe import (
    CENTER_IMAGES,
    TrainingRecipe,
    auto_epochs,
    auto_learning_rate,
    check_net_params,
)
from ._scale import PixelScale, check_finite
from ._views import ViewLayout

__all__ = [
    "CENTER_IMAGES",
    "COLORMAPS",
    "EvenBatches",
    "GlitchNet",
    "GlitchNetClassifier",
    "ImageDataset",
    "PixelScale",
    "SpectrogramAugment",
    "TrainingRecipe",
    "ViewEncoder",
    "ViewLayout",
    "add_rows",
    "auto_epochs",
    "auto_learning_rate",
    "check_finite",
    "check_net_params",
    "measure_batch_norm",
    "read_images",
    "regress_head",
    "run_in_batches",
    "split_rows",
    "spread",
    "warm_up_and_decay",
]
