"""``skglitch embed``: what a net without its last layer sees in glitches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import _options
from ._data import about_glitches
from ._embedding import Embedder
from ._embedding_file import EMBEDDINGS, beside, write_embeddings
from ._messages import say
from ._output import check_output, check_suffix, to_json


@click.command(short_help="Turn glitches into numbers to cluster or search.")
@_options.model_or_backbone
@_options.source
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    required=True,
    help="A .npz, .npy, .csv, .parquet, .h5 or .hdf5 file.",
)
@_options.overwrite
@_options.of_a_net
@_options.random_state
@_options.as_json
@_options.running
@click.pass_context
def embed(
    ctx: click.Context,
    model_or_backbone: str,
    source: Path | None,
    output: Path,
    overwrite: bool,
    as_json: bool,
    **_: Any,
) -> None:
    """Turn each glitch of SOURCE, labeled or not, into numbers to cluster or search.

    They are read from a saved model, or from a backbone with the weights it was published with.

    A .npz has the arrays embeddings, id, ifo and, where they are known, gps_time and label; so
    has a .h5 or .hdf5. A .csv or .parquet has them as columns. A .npy has the numbers alone: a
    table <name>_ids.csv goes beside it.
    """
    check_suffix(output, EMBEDDINGS)
    check_output(output, overwrite)
    if output.suffix == ".npy":
        check_output(beside(output), overwrite)
    embeddings, bunch = Embedder(model_or_backbone, ctx)(source)
    write_embeddings(output, embeddings, about_glitches(bunch))
    n_glitches, n_features = embeddings.shape
    say(f"{n_features} numbers for each of {n_glitches} glitches are in {output}")
    if as_json:
        result = {
            "source": model_or_backbone,
            "n_glitches": n_glitches,
            "n_features": n_features,
            "output": str(output),
        }
        click.echo(to_json(result))
