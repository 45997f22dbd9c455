"""Output files: refused early, written whole."""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse a file that cannot be written, before the work that it is for.

    Parameters
    ----------
    path : pathlib.Path
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    click.BadParameter
        If there is such a file, or no such folder, or no right to write there.
    """
    hint = "'--output' / '-o'"
    if path.is_dir():
        raise click.BadParameter(f"{str(path)!r} is a folder.", param_hint=hint)
    if path.exists() and not overwrite:
        raise click.BadParameter(
            f"{str(path)!r} is there already: --overwrite replaces it.", param_hint=hint
        )
    try:
        # Asking for rights is not enough: a read-only disk only tells when it is written to.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise click.BadParameter(
            f"{str(path.parent)!r} cannot be written to ({error.strerror}).", param_hint=hint
        ) from error


def write_csv(path: Path | None, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as UTF-8 to a file, or to stdout where ``path`` is None."""
    if path is None:
        _write_rows(sys.stdout, header, rows)
        return
    from ..persistence._file import written_whole

    with written_whole(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        _write_rows(text, header, rows)
        text.flush()
        text.detach()


def _write_rows(file: Any, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)


def write_embeddings(path: Path, embeddings: np.ndarray, about: dict[str, np.ndarray]) -> None:
    """Write embeddings in the format that the suffix of ``path`` names.

    Parameters
    ----------
    path : pathlib.Path
        ``.csv`` has a row and ``.npz`` an item in each array for each glitch; a ``.npy`` has
        only the numbers, so ``about`` goes to the file that :func:`beside` names.
    embeddings : ndarray of shape (n, d)
    about : dict
        Arrays of length n by name, such as the ids.
    """
    import numpy as np

    from ..persistence._file import written_whole

    if path.suffix == ".csv":
        names = [f"x{column}" for column in range(embeddings.shape[1])]
        numbers = ([f"{value:.9g}" for value in row] for row in embeddings)
        told = zip(*about.values(), strict=True)
        rows = ([*who, *row] for who, row in zip(told, numbers, strict=True))
        write_csv(path, [*about, *names], rows)
        return
    with written_whole(path) as file:
        if path.suffix == ".npz":
            np.savez(file, **{"embeddings": embeddings, **about})  # type: ignore[arg-type]
        else:
            np.save(file, embeddings, allow_pickle=False)
    if path.suffix == ".npy":
        write_csv(beside(path), list(about), zip(*about.values(), strict=True))


def beside(path: Path) -> Path:
    """Name the table that tells which row of a ``.npy`` is which glitch.

    Examples
    --------
    >>> from pathlib import Path
    >>> from skglitch.cli._output import beside
    >>> beside(Path("out/embeddings.npy")).name
    'embeddings_ids.csv'
    """
    return path.with_name(f"{path.stem}_ids.csv")
