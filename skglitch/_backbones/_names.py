"""Which nets there are, by name."""

from __future__ import annotations

import difflib
from fnmatch import fnmatch

from ._records import OWN_NAMES, BackboneRecord, find_record, timm_names, torchvision_names


def list_backbones(pattern: str = "*") -> list[str]:
    """Names that ``backbone=`` takes.

    Parameters
    ----------
    pattern : str, default="*"
        Shell-style pattern such as ``"resnet*"``.

    Returns
    -------
    names : list of str
        ``efficientnet_lite0`` first, then ``bn_inception`` and ``merged_view_cnn``, the
        classification nets of torchvision, and those of timm that torchvision does not have.

    Examples
    --------
    >>> from skglitch._backbones import list_backbones
    >>> list_backbones("resnet[15]*")[:3]
    ['resnet101', 'resnet152', 'resnet18']
    """
    names = dict.fromkeys([*OWN_NAMES, *torchvision_names(), *timm_names()])
    return [name for name in names if fnmatch(name, pattern)]


def backbone_info(name: str) -> BackboneRecord:
    """Tell what is known of a backbone.

    Parameters
    ----------
    name : str
        One of :func:`list_backbones`.

    Returns
    -------
    record : BackboneRecord
        Its weights, with URL, checksum and license; the size and normalization of pictures;
        the number of features and parameters; what is cut off and the stages of the rest. No
        weights are read.

    Raises
    ------
    ValueError
        If the name is unknown.
    ImportError
        If the package that builds the net is not installed.

    Examples
    --------
    >>> from skglitch._backbones import backbone_info
    >>> info = backbone_info("resnet18")
    >>> info.width, info.input_size, info.n_parameters, info.head
    (512, (224, 224), 11689512, ('fc',))
    >>> info.weights.checksum
    'sha256:f37072fd'
    """
    return find_record(check_name(name))


def check_name(name: str) -> str:
    """Return ``name`` if it is that of a backbone, else fail with the nearest ones."""
    if name in OWN_NAMES or name in torchvision_names() or name in timm_names():
        return name
    near = difflib.get_close_matches(name, list_backbones(), n=3)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"backbone={name!r} is not known.{hint} skglitch.backbones.list_backbones() names "
        "them all; a torch.nn.Module will do too."
    )
