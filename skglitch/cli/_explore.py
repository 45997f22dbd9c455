"""``skglitch explore``: an interactive map of glitches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._embed import Embedder
from ._input import describe_glitches, load_source, refuse_options
from ._output import check_output, check_suffix, say
from ._tables import EMBEDDINGS, read_embeddings

if TYPE_CHECKING:
    import numpy as np
    from sklearn.utils import Bunch


@click.command(short_help="Write an interactive map of glitches.")
@click.argument("model", metavar="MODEL|BACKBONE|EMBEDDINGS", type=_options.ModelPath())
@_options.source
@_options.output("A .html file.", "explorer.html")
@_options.choice("--method", ["tsne", "umap", "pca"], default="tsne", help="Layout of the map.")
@_options.choice("--dimensions", ["2", "3"], default="2", help="Number of dimensions of the map.")
@click.option("--title", metavar="TEXT", help="Title of the map.")
@click.option(
    "--max-megabytes",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    default=40.0,
    help="Maximum size of all pictures, which are scaled down to fit.",
)
@_options.embedding
@click.pass_context
def explore(
    ctx: click.Context, model: str, source: Path | None, output: Path, **options: Any
) -> None:
    """Write a map of the glitches in SOURCE, as one file for any browser.

    Glitches are embedded by a saved model or a pretrained backbone, or EMBEDDINGS are a file from
    skglitch embed. SOURCE is then optional and has the pictures, which are found by id. Without
    labels, the predictions of a classifier color the map.
    """
    check_suffix(output, (".html",))
    check_output(output, options["overwrite"])
    if Path(model).is_file() and Path(model).suffix.lower() in EMBEDDINGS:
        refuse_options(ctx, ("layer", "weights", "views"), "not for a file of embeddings.")
        embeddings, columns = read_embeddings(Path(model))
        X = durations = None
        if source is not None or options["triggers"] is not None:
            bunch = load_source(source, options["durations"], options["size"], options)
            X, durations = bunch.data[_find_rows(bunch, columns["id"])], bunch.durations
    else:
        embedder = Embedder(model, ctx)
        embeddings, bunch = embedder.embed(source)
        columns, X, durations = describe_glitches(bunch), bunch.data, bunch.durations
        if bunch.target is None:
            # The map takes its colors from the first column.
            columns = embedder.predict(bunch) | columns

    from .._tables import to_json
    from ..display import EmbeddingExplorer

    explorer = EmbeddingExplorer.from_embeddings(
        embeddings,
        columns.pop("label", None),
        method=options["method"],
        n_components=int(options["dimensions"]),
        random_state=options["random_state"],
        X=X,
        ids=columns.pop("id"),
        about=columns,
        title=options["title"] or f"Glitches in {source or options['triggers'] or model}",
        durations=durations,
    )
    explorer.write(output, max_megabytes=options["max_megabytes"])
    n_glitches, n_bytes = len(embeddings), output.stat().st_size
    say(f"{n_glitches} glitches are in {output} ({n_bytes / 1e6:.1f} MB)")
    if options["as_json"]:
        result = {"model": model, "n_glitches": n_glitches, "pictures": X is not None}
        click.echo(to_json(result | {"n_bytes": n_bytes, "output": str(output)}))


def _find_rows(bunch: Bunch, ids: np.ndarray) -> np.ndarray:
    import pandas as pd

    index = pd.Index(bunch.ids.astype(str))
    duplicates = index[index.duplicated()].intersection(ids.astype(str))
    if len(duplicates):
        raise ValueError(f"SOURCE has several glitches with the id {duplicates[0]!r}.")
    # Ids that are not looked up may be duplicates.
    rows = pd.Series(range(len(index)), index)[~index.duplicated()].reindex(ids.astype(str))
    missing = rows.index[rows.isna()]
    if len(missing):
        raise ValueError(
            f"SOURCE lacks {len(missing)} of {len(ids)} glitches, such as {missing[0]!r}."
        )
    return rows.to_numpy(dtype=int)
