"""``skglitch discover``: kinds of glitches that are new, odd ones, wrong labels, beginnings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from . import _options
from ._data import about_glitches
from ._embedding import Embedder, refuse_options
from ._embedding_file import EMBEDDINGS, read_embeddings
from ._messages import say
from ._output import check_folder, check_suffix, to_json, write_json, write_table
from ._times import read_runs, read_segments, read_times

if TYPE_CHECKING:
    import numpy as np

    from ._discovery import Glitches

_FORMATS = ("csv", "parquet", "h5")
_TABLES = ("clusters", "glitches", "onsets")
# Options that are of no use to embeddings that are made already.
_OF_A_SOURCE = ("triggers", "strain", "channel", "layer", "weights", "views", "durations", "size")
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


class _NoveltyMethod(click.ParamType):
    """A method of NoveltyDetector; which there are is looked up where one is given."""

    name = "method"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Refuse what is none."""
        from ..discovery import NoveltyDetector

        allowed = NoveltyDetector._parameter_constraints["method"][0].options
        if value not in allowed:
            self.fail(f"{value!r} is not one of {', '.join(sorted(allowed))}.", param, ctx)
        return value


class _Runs(click.ParamType):
    """``ligo``, or a table of observing runs."""

    name = "runs"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show how it is written."""
        return "ligo|FILE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Check that a file is there before anything is loaded."""
        if str(value).lower() == "ligo":
            return "LIGO"
        return _file.convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer files."""
        return [CompletionItem(incomplete, type="file")]


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
    help="More labeled glitches to tell new from known: a SOURCE or EMBEDDINGS, as above.",
)
@click.option(
    "--unlabeled",
    multiple=True,
    metavar="CLASS",
    help="A class that counts as unlabeled, such as None_of_the_Above; may be repeated.",
)
@click.option(
    "--false-alarm-probability",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="X",
    default=0.05,
    show_default=True,
    help="Share of known glitches that are called novel.",
)
@click.option(
    "--novelty-method",
    type=_NoveltyMethod(),
    help="How novelty is told, such as knn; NoveltyDetector's default otherwise.",
)
@click.option("--label-issues", is_flag=True, help="Also look for labels that are probably wrong.")
@click.option(
    "--times", type=_file, help="CSV table of GPS times of glitches by their ids, for onsets."
)
@click.option(
    "--segments", type=_file, help="CSV table of observing time: start, stop and perhaps ifo."
)
@click.option(
    "--runs",
    type=_Runs(),
    help="Observing runs, each with onsets of its own: ligo, or a CSV table of run, start, stop.",
)
@click.option(
    "--min-cluster-size",
    type=click.IntRange(2),
    metavar="N",
    help="Smallest new cluster; larger for more glitches by default, and 5 at least.",
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
    as a p-value, and where GPS times are known, so is when each cluster began and whether it
    goes on.

    The folder then has clusters.csv (size, stability, the known classes that are most alike, ids
    of typical members), glitches.csv (cluster, p-value, ...), onsets.csv where there are times,
    and the summary in discover.json.
    """
    targets = check_folder(
        output, [*(f"{name}.{table_format}" for name in _TABLES), "discover.json"], overwrite
    )
    check_suffix(targets[f"clusters.{table_format}"], [f".{table_format}"])
    segments = None if options["segments"] is None else read_segments(options["segments"])
    runs = read_runs(options["runs"]) if isinstance(options["runs"], Path) else options["runs"]

    from ..discovery import find_onsets

    # Wrong for any glitches: before a net is loaded.
    find_onsets([], [], ifo=[], segments=segments, runs=runs)
    glitches, guessed = _read(ctx, net, source)

    from ._discovery import search

    found = search(
        glitches,
        guessed,
        unlabeled=options["unlabeled"],
        false_alarm_probability=options["false_alarm_probability"],
        novelty_method=options["novelty_method"],
        label_issues=options["label_issues"],
        segments=segments,
        runs=runs,
        min_cluster_size=options["min_cluster_size"] or "auto",
        seed=options["random_state"],
    )
    tables = found.tables()
    for name in _TABLES:
        path = targets[f"{name}.{table_format}"]
        if name in tables:
            write_table(path, tables[name].to_dict("list"))
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
