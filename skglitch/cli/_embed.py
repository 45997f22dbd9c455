"""``skglitch embed``: embeddings of glitches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._input import (
    describe_glitches,
    load_for_model,
    load_model,
    load_source,
    parse_weights,
    refuse_options,
)
from ._output import check_output, check_suffix, say
from ._predict import tabulate_predictions
from ._tables import EMBEDDINGS, ids_path, write_embeddings

if TYPE_CHECKING:
    from sklearn.utils import Bunch


class Embedder:
    """A saved model or a backbone, by path or name, that embeds sources one by one."""

    def __init__(self, name: str, ctx: click.Context) -> None:
        self._name, self._options = name, ctx.params
        self._model: Any = None
        self._transformer: Any = None
        if Path(name).is_file():
            refuse_options(ctx, ("weights", "views", "durations", "size"), "not for a saved model.")
            kinds = ("CNNClassifier", "TruncatedCNNTransformer")
            self._model = load_model(Path(name), kinds, self._options)
        elif os.sep in name or Path(name).suffix in (".skglitch", *EMBEDDINGS):
            raise click.BadParameter(f"{name!r} does not exist.", param_hint="'MODEL'")
        else:
            from ..backbones import backbone_info

            backbone_info(name)

    def embed(self, source: Path | None, **changed: Any) -> tuple[Any, Bunch]:
        """Read glitches and embed them, with some options changed."""
        options = {**self._options, **changed}
        if self._model is not None:
            bunch = load_for_model(source, self._model, options)
        elif self._transformer is not None:
            size = self._transformer.image_shape_[1:]
            bunch = load_source(source, self._transformer.durations_, size, options)
        else:
            bunch = load_source(source, options["durations"], options["size"], options)
        if self._transformer is None:
            self._transformer = self._fit(bunch)
        return self._transformer.transform(bunch.data), bunch

    def predict(self, bunch: Bunch) -> dict[str, Any]:
        """Predict classes, if the model is a classifier."""
        if not hasattr(self._model, "predict_proba"):
            return {}
        return tabulate_predictions(self._model, self._model.predict_proba(bunch.data))

    def p_values(self, embeddings: Any) -> Any:
        """Return the p-values of the novelty detector of a classifier."""
        if not hasattr(self._model, "novelty_"):
            raise click.UsageError("--predicted needs a model with a novelty detector: pretrained.")
        return self._model.novelty_.p_values(embeddings)

    def _fit(self, bunch: Bunch) -> Any:
        from ..estimators import Encoder, TruncatedCNNTransformer

        model, options = self._model, self._options
        names = ["layer", "batch_size"]
        params: dict[str, Any] = {"verbose": int(not options["quiet"])}
        if isinstance(model, TruncatedCNNTransformer):
            if options["layer"] is not None:
                raise ValueError(f"--layer: {self._name!r} is a transformer with its own layer.")
            return model
        if model is not None:
            params |= {"precision": model.precision, "device": model.device}
        else:
            params |= parse_weights(options["weights"])
            params["encoder"] = Encoder(durations=bunch.durations)
            names += ["device", "precision", "views", "random_state"]
        params |= {name: options[name] for name in names if options[name] is not None}
        source = self._name if model is None else model
        return TruncatedCNNTransformer(source, **params).fit(bunch.data[:1])


@click.command(short_help="Compute embeddings of glitches.")
@click.argument("model", metavar="MODEL|BACKBONE", type=_options.ModelPath())
@_options.source
@_options.output("A .npz, .npy, .csv, .parquet, .h5 or .hdf5 file.", required=True)
@_options.embedding
@click.pass_context
def embed(
    ctx: click.Context, model: str, source: Path | None, output: Path, **options: Any
) -> None:
    """Compute embeddings of the glitches in SOURCE by a saved model or a pretrained backbone.

    A .npz, .h5 or .hdf5 file has the arrays embeddings, id, ifo and, if known, gps_time and label.
    A .csv or .parquet file has them as columns. A .npy file has only the embeddings, and
    <name>_ids.csv describes its rows.
    """
    check_suffix(output, EMBEDDINGS)
    check_output(output, options["overwrite"])
    if output.suffix == ".npy":
        check_output(ids_path(output), options["overwrite"])
    embeddings, bunch = Embedder(model, ctx).embed(source)
    write_embeddings(output, embeddings, describe_glitches(bunch))
    n_glitches, n_features = embeddings.shape
    say(f"{n_glitches} embeddings with {n_features} features are in {output}")
    if options["as_json"]:
        from .._tables import to_json

        result = {"n_glitches": n_glitches, "n_features": n_features, "output": str(output)}
        click.echo(to_json({"model": model, **result}))
