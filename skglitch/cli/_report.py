"""``skglitch report``: a page on a model and glitches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import _options
from ._input import load_for_model, load_model
from ._output import bad_output, check_output, say


@click.command(short_help="Write a report on a model.")
@_options.model
@_options.source
@_options.output("A folder, or a .html file for the page alone.", "report")
@click.option("--title", metavar="TEXT", help="Title of the page.")
@_options.count(
    "--pictures",
    "n_pictures",
    default=12,
    help="Number of pictures of errors and of novel glitches.",
)
@_options.random_state
@_options.batch_size
@_options.reading
def report(model: Path, source: Path | None, output: Path, **options: Any) -> None:
    """Write a page on the predictions of a saved MODEL (or pretrained) for the glitches in SOURCE.

    It covers the data, scores, confusions, calibration, a map, errors that may be wrong labels,
    novel glitches, saliency maps, run time, parameters and versions. Use glitches that the model
    was not trained on. Without labels there are no scores.
    """
    if output.suffix.lower() == ".html":
        check_output(output, options["overwrite"])
    elif output.exists() and not output.is_dir():
        raise bad_output(f"{str(output)!r} is neither a folder nor ends in .html.")
    elif output.is_dir():
        check_output(output / "report.html", options["overwrite"])
    else:
        # The folder is created with the report.
        parent = next(folder for folder in output.absolute().parents if folder.is_dir())
        check_output(parent / "report.html", overwrite=True)
    classifier = load_model(model, ("CNNClassifier",), options)
    bunch = load_for_model(source, classifier, options)

    from .._tables import to_json
    from ..report import make_report

    made = make_report(
        classifier,
        bunch.data,
        bunch.target,
        ids=bunch.ids,
        ifo=bunch.ifo,
        gps=bunch.gps,
        durations=bunch.durations,
        title=options["title"],
        source=str(source or options["triggers"]),
        model_file=model,
        n_pictures=options["n_pictures"],
        random_state=options["random_state"],
    )
    page = made.write(output)
    say(f"The report is {page} ({page.stat().st_size / 1e6:.1f} MB)")
    if options["as_json"]:
        click.echo(to_json({"model": str(model), "output": str(page), **made.numbers}))
