"""``skglitch explore``: a map of glitches to look around in with a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._data import about_glitches, load_glitches
from ._embedding import Embedder, refuse_options
from ._embedding_file import EMBEDDINGS, read_embeddings
from ._messages import say
from ._output import check_output, check_suffix, to_json

if TYPE_CHECKING:
    import numpy as np
    from sklearn.utils import Bunch

# Options that are of no use to embeddings that are made already.
_OF_A_NET = ("layer", "weights", "views")


@click.command(short_help="Write a map of glitches to explore in a browser.")
@click.argument("net", metavar="MODEL_OR_BACKBONE|EMBEDDINGS", type=_options.FileOrName())
@_options.source
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("explorer.html"),
    show_default=True,
    help="A .html file.",
)
@_options.overwrite
@click.option(
    "--method",
    type=click.Choice(["tsne", "umap", "pca"]),
    default="tsne",
    show_default=True,
    help="How to lay out the map.",
)
@click.option(
    "--dimensions",
    type=click.Choice(["2", "3"]),
    default="2",
    show_default=True,
    help="Of the map; one of three can be turned.",
)
@click.option("--title", metavar="TEXT", help="What to write above.")
@click.option(
    "--max-megabytes",
    type=click.FloatRange(0, min_open=True),
    default=40.0,
    show_default=True,
    help="How large all pictures may be; they are scaled down to fit.",
)
@_options.of_a_net
@_options.random_state
@_options.as_json
@_options.running
@click.pass_context
def explore(
    ctx: click.Context,
    net: str,
    source: Path | None,
    output: Path,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write a map of the glitches of SOURCE, as one file for any browser.

    Glitches are embedded by a saved model or a backbone, or read from a file of EMBEDDINGS that
    skglitch embed wrote. Then SOURCE, if it is given, is where their pictures are, which are found
    by id. Where there are no labels, a classifier's guesses color the map.
    """
    check_suffix(output, (".html",))
    check_output(output, overwrite)
    if Path(net).is_file() and Path(net).suffix.lower() in EMBEDDINGS:
        refuse_options(ctx, _OF_A_NET, "a file of embeddings has that settled.")
        embeddings, about = read_embeddings(Path(net))
        X, durations = _pictures(source, about["id"], net, options)
    else:
        embedder = Embedder(net, ctx)
        embeddings, bunch = embedder(source)
        about = about_glitches(bunch)
        X, durations = bunch.data, bunch.durations
        if bunch.target is None:
            # In front, as the map takes its colors from the first column.
            about = embedder.guess(bunch) | about

    from ..display import EmbeddingExplorer

    explorer = EmbeddingExplorer.from_embeddings(
        embeddings,
        about.pop("label", None),
        method=options["method"],
        n_components=int(options["dimensions"]),
        random_state=options["random_state"],
        X=X,
        ids=about.pop("id"),
        about=about,
        title=options["title"] or f"Glitches in {source or options['triggers'] or net}",
        durations=durations,
    )
    explorer.write(output, max_megabytes=options["max_megabytes"])
    n_glitches, n_bytes = len(embeddings), output.stat().st_size
    say(f"{n_glitches} glitches are in {output} ({n_bytes / 1e6:.1f} MB): open it in a browser")
    if as_json:
        result = {
            "source": net,
            "n_glitches": n_glitches,
            "pictures": X is not None,
            "n_bytes": n_bytes,
            "output": str(output),
        }
        click.echo(to_json(result))


def _pictures(
    source: Path | None, ids: np.ndarray, net: str, options: dict[str, Any]
) -> tuple[Any, Any]:
    """Read the pictures of glitches that are embedded already, in their order."""
    if source is None and options["triggers"] is None:
        return None, None
    bunch: Bunch = load_glitches(source, options["durations"], options["size"], options)
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(bunch.ids):
        rows_of.setdefault(str(name), []).append(row)
    found = [rows_of.get(str(name), []) for name in ids]
    for wrong, told in ((0, "no picture"), (2, "more than one picture")):
        names = [str(n) for n, rows in zip(ids, found, strict=True) if min(len(rows), 2) == wrong]
        if names:
            raise ValueError(
                f"{len(names)} of {len(ids)} glitches in {net!r} have {told} in "
                f"{str(source or options['triggers'])!r}, such as {names[0]!r}."
            )
    return bunch.data[[row for (row,) in found]], bunch.durations
