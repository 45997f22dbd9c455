"""From a folder, and from a model, to what the estimators take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from sklearn.utils import Bunch


def load_folder(
    folder: Path,
    durations: tuple[float, ...] | None,
    size: tuple[int, int],
    options: Mapping[str, Any],
) -> Bunch:
    """Read a folder of pictures and tell how many there are.

    Parameters
    ----------
    folder : pathlib.Path
    durations, size
        As in :func:`skglitch.datasets.load_gravity_spy`.
    options : mapping
        Of the command: ``missing``, ``on_error`` and ``quiet`` are used.

    Returns
    -------
    bunch : Bunch
    """
    from ..datasets import load_gravity_spy
    from ._messages import say

    bunch = load_gravity_spy(
        folder,
        durations=durations,
        size=size,
        missing=options["missing"],
        on_error=options["on_error"],
        progress=not options["quiet"],
    )
    say(f"{len(bunch.data)} glitches with {describe_views(bunch.durations)} in {folder}")
    return bunch


def load_for_model(folder: Path, model: Any, options: Mapping[str, Any]) -> Bunch:
    """Read the views that a model was trained on, at the size it was trained on.

    Raises
    ------
    ValueError
        If the folder does not have them, or the model does not tell which they are.
    """
    trained = getattr(model, "classifier_", model)
    durations = tuple(trained.durations)
    n_views, *size = model.image_shape_
    if len(durations) != n_views:
        raise ValueError(
            f"The model was fitted on {n_views} views, but its parameter durations={durations!r} "
            f"names {len(durations)}: which views of a folder it reads cannot be told."
        )
    try:
        return load_folder(folder, durations, tuple(size), options)
    except ValueError as error:
        # What load_gravity_spy advises, other durations, is no way out here.
        told = str(error).partition(" Pass durations=")[0]
        raise ValueError(f"The model reads {describe_views(durations)}. {told}") from error


def load_model(path: Path, kinds: tuple[str, ...], options: Mapping[str, Any]) -> Any:
    """Load a model of one of ``kinds``, with the options of the command as its parameters."""
    from ..persistence import load

    model = load(path, device=options["device"])
    if type(model).__name__ not in kinds:
        raise ValueError(
            f"{str(path)!r} holds a {type(model).__name__}, where a {' or a '.join(kinds)} is "
            "needed."
        )
    names = ("batch_size", "precision")
    given = {name: options[name] for name in names if options[name] is not None}
    return model.set_params(**given, verbose=int(not options["quiet"]))


def about_glitches(bunch: Bunch) -> dict[str, np.ndarray]:
    """Tell which glitches a folder holds, by the name of a column."""
    about = {"id": bunch.ids, "ifo": bunch.ifo}
    return about if bunch.target is None else about | {"label": bunch.target}


def describe_views(durations: tuple[float, ...]) -> str:
    """Name views in words.

    Examples
    --------
    >>> from skglitch.cli._data import describe_views
    >>> describe_views((0.5, 4.0))
    'views of 0.5 and 4.0 s'
    """
    *first, last = map(str, durations)
    return f"views of {', '.join(first)} and {last} s" if first else f"views of {last} s"
