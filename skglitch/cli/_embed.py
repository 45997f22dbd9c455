"""``skglitch embed``: what a net without its last layer sees in pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._data import about_glitches, load_folder, load_for_model, load_model
from ._messages import say
from ._output import beside, check_output, write_embeddings

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from ..estimators import TruncatedCNNTransformer

_SUFFIXES = (".npz", ".npy", ".csv")
# Options that a saved model has settled.
_OF_A_BACKBONE = ("weights", "views", "durations", "size", "random_state")


@click.command()
@click.argument("model_or_backbone")
@_options.folder
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    required=True,
    help="A .npz, .npy or .csv file.",
)
@_options.overwrite
@click.option("--layer", help="The layer to read; the one before the last is the default.")
@_options.weights
@_options.views
@_options.durations
@_options.size
@_options.batch_size
@click.option(
    "--random-state", "--seed", type=click.IntRange(0), default=0, help="Seed of random weights."
)
@_options.running
@click.pass_context
def embed(
    ctx: click.Context,
    model_or_backbone: str,
    folder: Path,
    output: Path,
    overwrite: bool,
    **options: Any,
) -> None:
    """Turn each glitch in a FOLDER, labelled or not, into numbers to cluster or search.

    They are read from a saved model, or from a backbone with the weights it was published with.

    A .npz has the arrays embeddings, id, ifo and, where there are class folders, label. A .csv
    has them as columns. A .npy has the numbers alone: a table <name>_ids.csv goes beside it.
    """
    if output.suffix not in _SUFFIXES:
        raise click.BadParameter(
            f"{str(output)!r} does not end in {', '.join(_SUFFIXES)}.",
            param_hint="'--output' / '-o'",
        )
    check_output(output, overwrite)
    if output.suffix == ".npy":
        check_output(beside(output), overwrite)
    if Path(model_or_backbone).is_file():
        _refuse_options_of_a_backbone(ctx)
        transformer, bunch = _from_model(Path(model_or_backbone), folder, options)
    elif os.sep in model_or_backbone or model_or_backbone.endswith(".skglitch"):
        raise click.BadParameter(
            f"there is no file {model_or_backbone!r}.", param_hint="'MODEL_OR_BACKBONE'"
        )
    else:
        transformer, bunch = _from_backbone(model_or_backbone, folder, options)
    embeddings = transformer.transform(bunch.data)
    write_embeddings(output, embeddings, about_glitches(bunch))
    say(f"{embeddings.shape[1]} numbers for each of {len(embeddings)} glitches are in {output}")


def _refuse_options_of_a_backbone(ctx: click.Context) -> None:
    given = [
        f"--{name.replace('_', '-')}"
        for name in _OF_A_BACKBONE
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)}: a saved model has that settled.", ctx)


def _from_model(
    path: Path, folder: Path, options: Mapping[str, Any]
) -> tuple[TruncatedCNNTransformer, Bunch]:
    from ..estimators import CNNClassifier, TruncatedCNNTransformer

    model = load_model(path, ("CNNClassifier", "TruncatedCNNTransformer"), options)
    bunch = load_for_model(folder, model, options)
    if isinstance(model, CNNClassifier):
        # precision and device are those of the model: what is not said is not changed.
        transformer = TruncatedCNNTransformer(
            model, precision=model.precision, device=model.device, **_given(options)
        )
        return transformer.fit(bunch.data[:1]), bunch
    if options["layer"] is not None:
        raise ValueError(
            f"--layer: {str(path)!r} holds a transformer, which has its layer settled."
        )
    return model, bunch


def _from_backbone(
    name: str, folder: Path, options: Mapping[str, Any]
) -> tuple[TruncatedCNNTransformer, Bunch]:
    from ..backbones import list_backbones, make_trunk
    from ..estimators import TruncatedCNNTransformer

    if name not in list_backbones():
        make_trunk(name, weights=None)  # fails, and tells the nearest names
    params = _given(options)
    for option in ("device", "precision", "views", "random_state"):
        if options[option] is not None:
            params[option] = options[option]
    if options["weights"] is not None:
        params["weights"] = None if options["weights"] == "none" else options["weights"]
    bunch = load_folder(folder, options["durations"], options["size"], options)
    transformer = TruncatedCNNTransformer(name, durations=bunch.durations, **params)
    return transformer.fit(bunch.data[:1]), bunch


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: options[name] for name in ("layer", "batch_size") if options[name] is not None}
    return given | {"verbose": int(not options["quiet"])}
