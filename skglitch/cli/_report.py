"""``skglitch report``: one page on a model and glitches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import _options
from ._data import load_for_model, load_model
from ._messages import say
from ._output import check_output, to_json


@click.command(short_help="Write a page on a model and glitches.")
@_options.model
@_options.source
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("report"),
    show_default=True,
    help="A folder, for the page and its parts; or a .html file, for the page alone.",
)
@_options.overwrite
@click.option("--title", metavar="TEXT", help="What to write above.")
@click.option(
    "--pictures",
    "n_pictures",
    type=click.IntRange(1),
    metavar="N",
    default=12,
    show_default=True,
    help="How many errors and novel glitches to show.",
)
@_options.random_state
@_options.batch_size
@_options.as_json
@_options.running
def report(
    model: Path,
    source: Path | None,
    output: Path,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write a page on what a saved MODEL makes of the glitches of SOURCE.

    It tells of the data, accuracy, confusions, each class, calibration, a map, errors that are
    likely wrong labels, novelty, where the net looks, time, parameters and versions, and needs no
    network. Labels come from the folders of SOURCE; without any there are no scores. Give glitches
    that the model was not trained on: of others scores are too good.
    """
    _check(output, overwrite)
    classifier = load_model(model, ("CNNClassifier",), options)
    bunch = load_for_model(source, classifier, options)

    from ..report import make_report

    found = make_report(
        classifier,
        bunch.data,
        bunch.target,
        ids=bunch.ids,
        ifo=bunch.ifo,
        gps=bunch.get("gps"),
        durations=bunch.durations,
        title=options["title"],
        source=str(source or options["triggers"]),
        model_file=model,
        n_pictures=options["n_pictures"],
        random_state=options["random_state"],
    )
    page = found.write(output)
    say(f"The report is {page} ({page.stat().st_size / 1e6:.1f} MB): open it in a browser")
    if as_json:
        result = {"model": str(model), "output": str(page), **found.numbers}
        click.echo(to_json(result))


def _check(output: Path, overwrite: bool) -> None:
    """Refuse what cannot be written, before the work that it is for."""
    if output.suffix.lower() == ".html":
        check_output(output, overwrite)
        return
    hint = "'--output' / '-o'"
    if output.exists() and not output.is_dir():
        raise click.BadParameter(
            f"{str(output)!r} is neither a folder nor ends in .html.", param_hint=hint
        )
    # The folder is made when there is something to put into it.
    there = next(folder for folder in (output, *output.absolute().parents) if folder.is_dir())
    check_output(there / "report.html", overwrite or there != output)
