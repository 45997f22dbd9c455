"""``skglitch discover``: new classes, novel glitches, wrong labels and onsets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._embed import Embedder
from ._input import describe_glitches, refuse_options
from ._output import check_folder, check_suffix, say, write_json
from ._tables import EMBEDDINGS, read_embeddings, read_gps, read_runs, read_segments

if TYPE_CHECKING:
    import pandas as pd

_TABLES = ("clusters", "glitches", "onsets")
# Number of doubtful labels in the summary.
_N_ISSUES = 10


@click.command(short_help="Find new classes, novel glitches and onsets.")
@click.argument("model", metavar="MODEL|BACKBONE|EMBEDDINGS", type=_options.ModelPath())
@_options.source
@_options.output("Folder for the tables.", "skglitch-discover", is_folder=True)
@_options.choice("--format", ["csv", "parquet", "h5"], default="csv", help="Format of the tables.")
@click.option(
    "--known",
    type=click.Path(exists=True, path_type=Path),
    help="More labeled glitches, a SOURCE or EMBEDDINGS.",
)
@click.option(
    "--predicted",
    is_flag=True,
    help="The labels of SOURCE are predictions of MODEL, as from skglitch watch. Glitches that are "
    "novel to MODEL count as unlabeled.",
)
@click.option(
    "--unlabeled",
    multiple=True,
    metavar="CLASS",
    help="A class that counts as unlabeled, such as None_of_the_Above; repeatable.",
)
@click.option(
    "--false-alarm-probability",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="X",
    default=0.05,
    help="Fraction of known glitches that are classified as novel.",
)
@_options.choice(
    "--novelty-method",
    ["combined", "energy", "knn", "mahalanobis"],
    default="combined",
    help="Method of skglitch.discovery.NoveltyDetector.",
)
@click.option("--label-issues", is_flag=True, help="Also look for wrong labels.")
@click.option(
    "--gps", type=_options.file_type, help="CSV table with the GPS times of glitches by id."
)
@click.option(
    "--segments",
    type=_options.file_type,
    help="CSV table of observing segments: start, stop and optionally ifo.",
)
@click.option(
    "--runs",
    type=_options.FileOr("ligo"),
    metavar="ligo|FILE",
    help="Observing runs: ligo, or a CSV table of run, start and stop.",
)
@_options.count("--min-cluster-size", least=2, help="Minimum size of a new cluster.")
@_options.embedding
@click.pass_context
def discover(
    ctx: click.Context, model: str, source: Path | None, output: Path, **options: Any
) -> None:
    """Find new classes, novel glitches, wrong labels and onsets in SOURCE.

    Glitches are embedded by a saved model or a pretrained backbone, or EMBEDDINGS are a file from
    skglitch embed, without SOURCE. Labeled glitches are known. Clusters of others are new classes.

    The folder gets clusters.csv (size, stability, similar classes, ids of typical members),
    glitches.csv (cluster, novelty p-value), onsets.csv if GPS times are known, and discover.json.
    """
    suffix = options["format"]
    names = [*(f"{name}.{suffix}" for name in _TABLES), "discover.json"]
    paths = check_folder(output, names, options["overwrite"])
    check_suffix(paths[f"clusters.{suffix}"], [f".{suffix}"])

    import pandas as pd

    from .._tables import to_json, write_table
    from ..discovery import NoveltyDetector, find_onsets
    from ..discovery import discover as search

    segments = None if options["segments"] is None else read_segments(options["segments"])
    runs = options["runs"]
    if runs is not None:
        runs = "LIGO" if runs == "ligo" else read_runs(Path(runs))
    # Check segments and runs before the embedding, which takes long.
    find_onsets([], [], ifo=[], segments=segments, runs=runs)
    embeddings, glitches = _read(ctx, model, source)
    found = search(
        embeddings,
        glitches.get("label"),
        gps=glitches.get("gps_time"),
        ifo=glitches.get("ifo"),
        is_reference=glitches.get("is_reference"),
        segments=segments,
        runs=runs,
        unlabeled=list(options["unlabeled"]) or None,
        detector=NoveltyDetector(
            options["novelty_method"],
            false_alarm_probability=options["false_alarm_probability"],
            random_state=options["random_state"],
        ),
        min_cluster_size=options["min_cluster_size"] or "auto",
        label_issues=options["label_issues"],
        random_state=options["random_state"],
    )
    ids = glitches["id"].astype(str).to_numpy()
    members = {
        name: [" ".join(ids[rows]) for rows in found.clusters[name]]
        for name in ("typical", "borderline")
    }
    new = found.glitches.columns.difference(glitches.columns, sort=False).drop("gps", "ignore")
    tables = {
        "glitches": pd.concat([glitches, found.glitches[new]], axis=1),
        "clusters": found.clusters.assign(**members).rename_axis("cluster").reset_index(),
    }
    if found.onsets is not None:
        tables["onsets"] = found.onsets
    if found.label_issues is not None:
        issues = found.label_issues[["suggested", "score", "flagged"]]
        tables["glitches"] = tables["glitches"].join(issues.add_prefix("label_"))
    for name in _TABLES:
        path = paths[f"{name}.{suffix}"]
        # Remove a table of an earlier search.
        path.unlink(missing_ok=True)
        if name in tables:
            write_table(tables[name], path)
    listed, clusters = tables["glitches"], tables["clusters"]
    has_issues = "label_flagged" in listed
    result = {
        "n_glitches": len(listed),
        "n_labeled": listed["is_labeled"].sum(),
        "n_clusters": len(clusters),
        "n_new_clusters": (clusters["kind"] == "new").sum(),
        "n_in_no_cluster": (listed["cluster"] < 0).sum(),
        "n_novel": listed["is_novel"].sum() if "is_novel" in listed else None,
        "n_labels_flagged": (listed["label_flagged"] == True).sum() if has_issues else None,  # noqa: E712
        "false_alarm_probability": options["false_alarm_probability"],
        "output": str(output),
        "clusters": clusters,
        "onsets": tables.get("onsets"),
    }
    write_json(paths["discover.json"], result)
    click.echo(to_json(result) if options["as_json"] else _format(tables, result))
    say(f"Tables are in {output}")


def _read(ctx: click.Context, model: str, source: Path | None) -> tuple[Any, pd.DataFrame]:
    """Read or compute embeddings, and the columns that describe the glitches."""
    import numpy as np
    import pandas as pd

    options, known = ctx.params, ctx.params["known"]
    if Path(model).is_file() and Path(model).suffix.lower() in EMBEDDINGS:
        names = (
            "predicted",
            "triggers",
            "strain",
            "channel",
            "layer",
            "weights",
            "views",
            "durations",
            "size",
        )
        refuse_options(ctx, names, "not for a file of embeddings.")
        if source is not None:
            raise click.UsageError("A file of embeddings takes no SOURCE.", ctx)
        embeddings, columns = read_embeddings(Path(model))
        if known is not None:
            known_embeddings, known_columns = read_embeddings(known)
    else:
        embedder = Embedder(model, ctx)
        embeddings, bunch = embedder.embed(source)
        columns = describe_glitches(bunch)
        if known is not None:
            known_embeddings, known_bunch = embedder.embed(known, triggers=None, strain=())
            known_columns = describe_glitches(known_bunch)
        elif bunch.target is None:
            columns |= embedder.predict(bunch)
        if options["predicted"]:
            if "label" not in columns:
                raise click.UsageError("--predicted: SOURCE has no labels.", ctx)
            is_novel = embedder.p_values(embeddings) < options["false_alarm_probability"]
            columns["label"] = np.where(is_novel, "", columns["label"])
    if options["gps"] is not None:
        columns["gps_time"] = read_gps(options["gps"], columns["id"])
    glitches = pd.DataFrame(columns)
    is_duplicated = glitches.duplicated(["id", "ifo"] if "ifo" in columns else "id", keep=False)
    if is_duplicated.any():
        first = glitches["id"][is_duplicated].iloc[0]
        say(f"{is_duplicated.sum()} glitches have the same id as another one, such as {first!r}.")
    if known is None:
        return embeddings, glitches
    if embeddings.shape[1] != known_embeddings.shape[1]:
        raise ValueError(
            f"--known has {known_embeddings.shape[1]} features, the others {embeddings.shape[1]}."
        )
    glitches = pd.concat([glitches, pd.DataFrame(known_columns)], ignore_index=True)
    for name in glitches.columns.intersection(["ifo", "label"]):
        glitches[name] = glitches[name].fillna("")
    glitches["is_reference"] = np.arange(len(glitches)) >= len(embeddings)
    return np.concatenate([embeddings, known_embeddings]), glitches


def _format(tables: dict[str, pd.DataFrame], result: dict[str, Any]) -> str:
    from .._tables import format_table

    glitches, clusters = tables["glitches"], tables["clusters"].set_index("cluster")
    columns = ["kind", "class", "size", "purity", "stability", "nearest_1"]
    columns += clusters.columns.intersection(["first_gps", "last_gps"]).tolist()
    parts = [
        "{n_glitches} glitches, {n_labeled} of them labeled\n{n_clusters} clusters, "
        "{n_new_clusters} of them new\n{n_in_no_cluster} glitches in no cluster".format(**result)
    ]
    if len(clusters):
        shown = clusters[columns].fillna({"class": ""})
        parts.append(format_table(shown, percent=["purity", "stability"], na_rep=""))
    new = clusters[clusters["kind"] == "new"].sort_values("size", ascending=False)
    if len(new):
        lines = [f"  cluster {label}: {ids}" for label, ids in new["typical"].items()]
        parts.append("\n".join(["Typical glitches of new clusters", *lines]))
    if "is_novel" in glitches:
        unlabeled = glitches[~glitches["is_labeled"]]
        parts.append(
            f"{glitches['is_novel'].sum()} glitches are novel, {unlabeled['is_novel'].sum()} of "
            f"{len(unlabeled)} unlabeled ones, with a false-alarm probability of "
            f"{result['false_alarm_probability']:g}"
        )
    else:
        parts.append("Too few labeled glitches to find novel ones: see --known")
    if "label_flagged" in glitches:
        flagged = glitches[glitches["label_flagged"] == True].sort_values("label_score")  # noqa: E712
        lines = [
            f"  {glitch.id}: {glitch.label}, probably {glitch.label_suggested}"
            for glitch in flagged.head(_N_ISSUES).itertuples()
        ]
        parts.append("\n".join([f"{len(flagged)} labels are probably wrong", *lines]))
    onsets = tables.get("onsets")
    if onsets is not None and len(onsets):
        parts.append(f"Onsets\n\n{format_table(onsets.loc[:, (onsets != '').any()])}")
    return "\n\n".join(parts)
