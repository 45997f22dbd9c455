"""The small net that Gravity Spy trained from scratch, which no other library has.

Layers, kernels, dropout and the size of pictures are those of Table 5 of S. Bahaadini et al.,
Information Sciences 444, 172 (2018), as the public code of Gravity Spy has it, and weights start as
Keras has them by default. The merged-view net of arXiv:1706.07446 is an earlier one, of views of
47 x 57 pixels (arXiv:1705.00034), whose layers are not certain: its figures are not comparable.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

# A merged view of 2 x 2 views of 140 x 170 pixels each.
MERGED_VIEW_SIZE = (280, 340)


def build_merged_view_cnn() -> nn.Sequential:
    """Build the net: one gray picture of 280 x 340 pixels in, logits of 22 classes out."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels, height, width = 1, *MERGED_VIEW_SIZE
    for number, kernels in enumerate((16, 32, 64, 64), 1):
        layers[f"conv{number}"] = nn.Conv2d(channels, kernels, 5)
        layers[f"relu{number}"] = nn.ReLU()
        layers[f"pool{number}"] = nn.MaxPool2d(2)
        layers[f"dropout{number}"] = nn.Dropout(0.5)
        channels, height, width = kernels, (height - 4) // 2, (width - 4) // 2
    layers["flatten"] = nn.Flatten()
    layers["dense"] = nn.Linear(channels * height * width, 256)
    layers["relu"] = nn.ReLU()
    layers["dropout"] = nn.Dropout(0.5)
    layers["output"] = nn.Linear(256, 22)
    net = nn.Sequential(layers)
    for module in net:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    return net
