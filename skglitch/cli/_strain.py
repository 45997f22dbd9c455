"""Spectrograms of the strain around triggers, out of any number of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn.utils import Bunch

# The word for strain off the web in place of files, and its sample rate in Hz.
PUBLIC, _PUBLIC_RATE = "gwosc", 4096.0


def load_from_strain(
    triggers: Path,
    durations: tuple[float, ...] | None,
    size: tuple[int, int],
    options: Mapping[str, Any],
) -> Bunch:
    """Transform the strain around triggers.

    Parameters
    ----------
    triggers : pathlib.Path
        Table of triggers.
    durations : tuple of float or None
        Durations in s of the views; None is those of Gravity Spy.
    size : tuple of int
        Height and width of a view.
    options : mapping
        Of the command: ``strain``, ``channel``, ``length``, ``on_error``, ``device`` and
        ``quiet`` are used.

    Returns
    -------
    bunch : Bunch
        As :func:`skglitch.datasets.load_triggers` returns it, with ``durations``.
    """
    from ..datasets import StrainFiles, fetch_open_strain, load_triggers
    from ..spectrograms import QTransformer

    source: Any
    sample_rate = _PUBLIC_RATE
    if not options["strain"]:
        raise ValueError(
            "--triggers needs --strain: files of strain, or gwosc to download what is public."
        )
    if list(options["strain"]) == [PUBLIC]:
        source = fetch_open_strain
    else:
        source = StrainFiles(options["strain"], dataset=options["channel"])
        sample_rate = source.sample_rate
    transformer = QTransformer(sample_rate=sample_rate, size=size)
    if durations is not None:
        transformer.set_params(durations=durations)
    # Apple's GPUs have no float64, which whitening needs: nets alone run there.
    if options["device"] not in (None, "mps"):
        transformer.set_params(device=options["device"])
    bunch = load_triggers(
        triggers,
        source,
        transformer,
        duration=options["length"],
        on_error=options["on_error"],
        progress=not options["quiet"],
    )
    bunch.durations = tuple(transformer.durations)
    return bunch
