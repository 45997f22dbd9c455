"""The small net that Gravity Spy trained from scratch, which no other library has."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

# A merged view of 2 x 2 views of 140 x 170 pixels each.
MERGED_VIEW_SIZE = (280, 340)
_KERNELS = (16, 32, 64, 64)
_N_FEATURES = 256
_N_CLASSES = 22
_DROPOUT = 0.5


def build_merged_view_cnn() -> nn.Sequential:
    """Build the convolutional net of Gravity Spy for its merged view.

    Returns
    -------
    net : torch.nn.Sequential
        Takes one gray picture of 280 x 340 pixels, gives logits of 22 classes.

    Notes
    -----
    Four times a convolution with kernels of 5 x 5 without padding, ReLU, maxima of 2 x 2 and
    dropout; then 256 fully connected units with ReLU and dropout, and the last layer. That
    much, the 16, 32, 64 and 64 kernels, the dropout of 0.5 and the size of the pictures are
    those of Table 5 of [1]_ as the public code of Gravity Spy has it, which trains with
    Adadelta and adds 1e-4 times the squared weights to the loss. As Keras does by default,
    weights start uniform in the range of Glorot and Bengio and biases from zero.

    The figures for a merged-view net in [2]_ are those of an earlier form [3]_, which saw views
    of 47 x 57 pixels. How many layers and kernels that had is not certain: the public code of
    its time has two convolutions with hundreds of kernels each. So a figure of this net says
    how well a small net from scratch does, not whether the one of [2]_ was repeated.

    References
    ----------
    .. [1] S. Bahaadini et al., "Machine learning for Gravity Spy: Glitch classification and
       dataset", Information Sciences 444, 172 (2018).
    .. [2] D. George, H. Shen, E. A. Huerta, "Deep Transfer Learning: A New Deep Learning
       Glitch Classification Method for Advanced LIGO" (2017), arXiv:1706.07446.
    .. [3] S. Bahaadini et al., "Deep Multi-view Models for Glitch Classification", ICASSP
       2017, arXiv:1705.00034.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels, height, width = 1, *MERGED_VIEW_SIZE
    for number, kernels in enumerate(_KERNELS, 1):
        layers[f"conv{number}"] = nn.Conv2d(channels, kernels, 5)
        layers[f"relu{number}"] = nn.ReLU()
        layers[f"pool{number}"] = nn.MaxPool2d(2)
        layers[f"dropout{number}"] = nn.Dropout(_DROPOUT)
        channels, height, width = kernels, (height - 4) // 2, (width - 4) // 2
    layers["flatten"] = nn.Flatten()
    layers["dense"] = nn.Linear(channels * height * width, _N_FEATURES)
    layers["relu"] = nn.ReLU()
    layers["dropout"] = nn.Dropout(_DROPOUT)
    layers["output"] = nn.Linear(_N_FEATURES, _N_CLASSES)
    net = nn.Sequential(layers)
    for module in net:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    return net
