"""``skglitch discover``: kinds of glitches that are new, odd ones, wrong labels, beginnings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._data import about_glitches
from ._embedding import Embedder, refuse_options
from ._embedding_file import EMBEDDINGS, read_embeddings
from ._messages import say
from ._output import check_folder, check_suffix, to_json, write_json, write_table
from ._times import read_segments, read_times

if TYPE_CHECKING:
    import numpy as np

    from ._discovery import Glitches

_FORMATS = ("csv", "parquet", "h5")
_TABLES = ("clusters", "glitches", "onsets")
# Options that are of no use to embeddings that are made already.
_OF_A_SOURCE = ("triggers", "strain", "channel", "layer", "weights", "views", "durations", "size")
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Find new kinds of glitches, odd ones and onsets.")
@click.argument("net", metavar="MODEL_OR_BACKBONE|EMBEDDINGS", type=_options.FileOrName())
@_options.source
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("skglitch-discover"),
    show_default=True,
    help="Folder for the tables.",
)
@_options.overwrite
@click.option(
    "--format",
    "table_format",
    type=click.Choice(_FORMATS),
    default="csv",
    show_default=True,
    help="Of the tables.",
)
@click.option(
    "--known",
    type=click.Path(exists=True, path_type=Path),
    help="More labelled glitches to tell new from known: a SOURCE or EMBEDDINGS, as above.",
)
@click.option(
    "--unlabelled",
    multiple=True,
    metavar="CLASS",
    help="A class that counts as unlabelled, such as None_of_the_Above; may be repeated.",
)
@click.option(
    "--false-alarm-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="X",
    default=0.05,
    show_default=True,
    help="Share of known glitches that are called novel.",
)
@click.option("--label-issues", is_flag=True, help="Also look for labels that are probably wrong.")
@click.option(
    "--times", type=_file, help="CSV table of GPS times of glitches by their ids, for onsets."
)
@click.option(
    "--segments", type=_file, help="CSV table of observing time: start, stop and perhaps ifo."
)
@click.option(
    "--reducer",
    type=click.Choice(["pca", "tsne", "umap"]),
    default="pca",
    show_default=True,
    help="What takes dimensions away before clusters are looked for.",
)
@click.option(
    "--min-cluster-size",
    type=click.IntRange(2),
    metavar="N",
    help="Smallest cluster; larger for more glitches by default, and 5 at least.",
)
@_options.of_a_net
@_options.random_state
@_options.as_json
@_options.running
@click.pass_context
def discover(
    ctx: click.Context,
    net: str,
    source: Path | None,
    output: Path,
    overwrite: bool,
    table_format: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Find new kinds of glitches in SOURCE, and what is odd about known ones.

    Glitches are embedded by a saved model or a backbone, or read from a file of EMBEDDINGS that
    skglitch embed wrote, and clustered. Those with a label are the known ones: their labels name
    clusters, and a cluster without a name is new. How odd a glitch is to the known ones is told
    as a p-value, and where GPS times are known, so is when each cluster began.

    The folder then has clusters.csv (size, stability, the known classes that are most alike, ids
    of typical members), glitches.csv (cluster, p-value, ...), onsets.csv where there are times,
    and the summary in discover.json.
    """
    targets = check_folder(
        output, [*(f"{name}.{table_format}" for name in _TABLES), "discover.json"], overwrite
    )
    check_suffix(targets[f"clusters.{table_format}"], [f".{table_format}"])
    segments = None if options["segments"] is None else read_segments(options["segments"])
    glitches, guessed = _read(ctx, net, source)

    from ._discovery import search

    found = search(
        glitches,
        guessed,
        unlabelled=options["unlabelled"],
        false_alarm_rate=options["false_alarm_rate"],
        label_issues=options["label_issues"],
        segments=segments,
        reducer=options["reducer"],
        min_cluster_size=options["min_cluster_size"] or "auto",
        seed=options["random_state"],
    )
    for name in _TABLES:
        path = targets[f"{name}.{table_format}"]
        if name in found.tables:
            write_table(path, found.tables[name])
        else:
            # That of an earlier search would be taken for one of this.
            path.unlink(missing_ok=True)
    result = found.to_dict() | {"output": str(output)}
    write_json(targets["discover.json"], result)
    click.echo(to_json(result) if as_json else found.summary())
    say(f"Tables are in {output}")


def _read(
    ctx: click.Context, net: str, source: Path | None
) -> tuple[Glitches, dict[str, np.ndarray]]:
    """Read embeddings or make them, and guess the classes where none is known."""
    from ._discovery import Glitches

    options, guessed = ctx.params, {}
    reference: Path | None = options["known"]
    if Path(net).is_file() and Path(net).suffix.lower() in EMBEDDINGS:
        if source is not None:
            raise click.UsageError("EMBEDDINGS are read as they are: they take no SOURCE.", ctx)
        refuse_options(ctx, _OF_A_SOURCE, "a file of embeddings has that settled.")
        embeddings, about = read_embeddings(Path(net))
        known = None if reference is None else read_embeddings(reference)
    else:
        embedder = Embedder(net, ctx)
        embeddings, bunch = embedder(source)
        about = about_glitches(bunch)
        if reference is None:
            known = None
        else:
            known_embeddings, known_bunch = embedder(reference, triggers=None, strain=())
            known = known_embeddings, about_glitches(known_bunch)
        if known is None and bunch.target is None:
            guessed = embedder.guess(bunch)
    if options["times"] is not None:
        about["gps_time"] = read_times(options["times"], about["id"])
    glitches = Glitches.make(embeddings, about)
    if known is not None:
        glitches += Glitches.make(*known, is_reference=True)
    return glitches, guessed
