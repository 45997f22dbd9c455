"""From a model or a backbone, and from files, to embeddings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._data import load_for_model, load_glitches, load_model
from ._embedding_file import EMBEDDINGS
from ._predict import guesses

if TYPE_CHECKING:
    from sklearn.utils import Bunch

# Options that a saved model has settled.
_OF_A_BACKBONE = ("weights", "views", "durations", "size")
_GIVEN = (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.DEFAULT_MAP)
_ARGUMENT = "'MODEL_OR_BACKBONE'"


class Embedder:
    """A net without its last layer, out of a saved model or a backbone.

    The same net for all that it is called with: of a backbone, the views of the first glitches
    are those of all.

    Parameters
    ----------
    name : str
        Path of a model or name of a backbone.
    ctx : click.Context
        Of the command, whose options are used.
    """

    def __init__(self, name: str, ctx: click.Context) -> None:
        self._options: Mapping[str, Any] = ctx.params
        self._name = name
        self.model: Any = None
        self._transformer: Any = None
        if Path(name).is_file():
            refuse_options(ctx, _OF_A_BACKBONE, "a saved model has that settled.")
            kinds = ("CNNClassifier", "TruncatedCNNTransformer")
            self.model = load_model(Path(name), kinds, self._options)
        elif os.sep in name or Path(name).suffix in (".skglitch", *EMBEDDINGS):
            raise click.BadParameter(f"there is no file {name!r}.", param_hint=_ARGUMENT)
        else:
            _check_backbone(name)

    def __call__(self, source: Path | None, **changed: Any) -> tuple[Any, Bunch]:
        """Read and embed glitches.

        Parameters
        ----------
        source : pathlib.Path or None
            As :func:`skglitch.cli._data.load_glitches` takes it.
        **changed : object
            Options to take in place of those of the command.

        Returns
        -------
        embeddings : ndarray of shape (n, d), dtype float32
        bunch : Bunch
            The glitches.
        """
        options = {**self._options, **changed}
        if self.model is not None:
            bunch = load_for_model(source, self.model, options)
        elif self._transformer is None:
            bunch = load_glitches(source, options["durations"], options["size"], options)
        else:
            views = self._transformer.durations_
            bunch = load_glitches(source, views, self._transformer.image_shape_[1:], options)
        if self._transformer is None:
            self._transformer = self._fit(bunch)
        return self._transformer.transform(bunch.data), bunch

    def guess(self, bunch: Bunch) -> dict[str, Any]:
        """Let the model tell the class of glitches, if it is a classifier."""
        if not hasattr(self.model, "predict_proba"):
            return {}
        return guesses(self.model.predict_proba(bunch.data), self.model.classes_, 1)

    def _fit(self, bunch: Bunch) -> Any:
        from ..estimators import Encoder, TruncatedCNNTransformer

        model, options = self.model, self._options
        names = ["layer", "batch_size"]
        if isinstance(model, TruncatedCNNTransformer):
            if options["layer"] is not None:
                raise ValueError(
                    f"--layer: {self._name!r} holds a transformer, which has its layer settled."
                )
            return model
        params: dict[str, Any] = {"verbose": int(not options["quiet"])}
        if model is not None:
            # What is not said is not changed.
            params |= {"precision": model.precision, "device": model.device}
        else:
            params["encoder"] = Encoder(durations=bunch.durations)
            names += ["device", "precision", "views", "random_state"]
            if options["weights"] is not None:
                params["weights"] = None if options["weights"] == "none" else options["weights"]
        params |= {name: options[name] for name in names if options[name] is not None}
        source = self._name if model is None else model
        return TruncatedCNNTransformer(source, **params).fit(bunch.data[:1])


def refuse_options(ctx: click.Context, names: Iterable[str], reason: str) -> None:
    """Refuse options that would be ignored, on the command line or in a file."""
    given = [
        f"--{name.replace('_', '-')}" for name in names if ctx.get_parameter_source(name) in _GIVEN
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)}: {reason}", ctx)


def _check_backbone(name: str) -> None:
    from .._backbones import list_backbones, make_backbone

    if name not in list_backbones():
        make_backbone(name, weights=None)  # fails, and tells the nearest names
