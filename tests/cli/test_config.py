"""Options out of TOML files."""

from __future__ import annotations

import contextlib
import json

import click
import pytest

import skglitch
from skglitch.cli import main

from .conftest import TINY


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def config(tmp_path):
    """Options of several commands, as people would write them."""
    return write(
        tmp_path / "options.toml",
        """
        [fit]
        backbone = "test_efficientnet"
        weights = "none"
        max-epochs = 1
        size = "32x40"
        device = "cpu"
        batch_size = 3
        views = [4, 1.0]
        durations = [1, 4]
        quiet = true
        test-fraction = 0
        early-stopping = true

        [predict]
        top = 2
        quiet = true

        [embed]
        overwrite = true
        """,
    )


def test_options_reach_the_command(run, folder, config):
    result = run("fit", folder, "--config", config)
    assert result.exit_code == 0, result.output
    assert result.output == ""
    model = skglitch.load("model.skglitch")
    assert model.backbone == "test_efficientnet"
    assert (model.batch_size, model.max_epochs, model.early_stopping) == (3, 1, True)
    assert model.durations_ == (1.0, 4.0)
    assert model.views == (4.0, 1.0)
    assert model.image_shape_ == (2, 32, 40)


def test_the_command_line_wins_and_the_nearer_file_wins(run, folder, config, tmp_path):
    nearer = write(tmp_path / "nearer.toml", "[fit]\nbatch-size = 5\n")
    arguments = ["--config", config, "fit", folder, "--config", nearer, "--views", "separate"]
    assert run(*arguments).exit_code == 0
    model = skglitch.load("model.skglitch")
    assert (model.batch_size, model.views, model.max_epochs) == (5, "separate", 1)


def test_each_command_reads_its_own_section(run, model, folder, config):
    result = run("--config", config, "predict", model, folder)
    assert result.exit_code == 0, result.output
    assert "prediction_2" in result.stdout.splitlines()[0]
    assert "accuracy" not in result.stderr
    result = run("demo", "--config", config, "--samples", "1")
    assert "110" in result.stderr


def test_lists_of_values(run, tmp_path, folder, model):
    write(tmp_path / "t.toml", '[predict]\nstrain = ["a.hdf5", "b.hdf5"]\n')
    write(tmp_path / "triggers.csv", "gps,ifo\n1000000000,H1\n")
    result = run("predict", model, "--triggers", "triggers.csv", "--config", "t.toml")
    assert result.exit_code == 1
    assert "'a.hdf5' does not exist" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[fit]\nmax-epoch = 3", "[fit]: 'max-epoch' is not one of --backbone, "),
        ("[fti]\nmax-epochs = 3", "'fti' is not one of [demo], [fit], "),
        ("[predict]\nmax-epochs = 3", "[predict]: 'max-epochs' is not one of"),
        ("max-epochs = 3", "'max-epochs' is not one of [demo]"),
        ("[fit]\nmax-epochs = true", "'True' is not a valid integer"),
        ("[fit]\nearly-stopping = 2", "'2' is not a valid boolean"),
        ("[fit]\nmax-epochs = 2.5", "'2.5' is not a valid integer"),
        ("[fit]\nmax-epochs = [2, 3]", "'2,3' is not a valid integer"),
        ("[fit.views]\na = 1", "is no list of durations"),
        ("[fit]\nconfig = 'b.toml'", "'config' is not one of"),
        ("[fit\n", "is not a TOML file"),
        ("[fit]\nmax-epochs = 0", "0 is not in the range"),
        ("[fit]\ndurations = ['a']", "no list of durations"),
        ("[fit]\nprecision = 'float8'", "'float8' is not one of"),
    ],
)
def test_mistakes(run, folder, tmp_path, text, message):
    write(tmp_path / "bad.toml", text)
    # The sections of other commands are checked, too.
    result = run("fit", folder, *TINY[:4], "--config", "bad.toml")
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert list(tmp_path.iterdir()) == [tmp_path / "bad.toml"]


def test_files_that_cannot_be_read(run, folder, tmp_path):
    assert "does not exist" in run("fit", folder, "--config", "none.toml").stderr
    (tmp_path / "latin.toml").write_bytes("# \xe9".encode("latin-1"))
    result = run("--config", "latin.toml", "fit", folder)
    assert (result.exit_code, "not a TOML file" in result.stderr) == (2, True)


def valid_text(option):
    """Text that an option takes."""
    for text in ("1", "1000", "0.5", "32x40", *getattr(option.type, "choices", ())):
        with contextlib.suppress(click.BadParameter):
            option.type.convert(text, option, None)
            return text
    return "a"  # a file


def test_wrong_values_are_named_with_their_file(run, tmp_path):
    config = write(tmp_path / "one.toml", "[predict]\ntop = 'many'\n")
    result = run("predict", "--config", config, "model", "glitches")
    assert (result.exit_code, "one.toml', [predict]: top='many'" in result.stderr) == (2, True)


def test_nesting_without_end_is_not_toml(run, tmp_path):
    config = write(tmp_path / "one.toml", "a = " + "[" * 100_000)
    result = run("predict", "--config", config, "model", "glitches")
    assert (result.exit_code, "one.toml' is not a TOML file" in result.stderr) == (2, True)


def test_every_option_of_every_command_can_be_configured(tmp_path):
    for name, command in main.commands.items():
        ctx = click.Context(command, info_name=name, parent=click.Context(main))
        config = next(option for option in command.params if option.name == "config")
        for option in command.params:
            if option.param_type_name != "option" or option.name in ("config", "help"):
                continue
            value = "True" if option.is_flag else ["a"] if option.multiple else valid_text(option)
            key = max(option.opts, key=len).removeprefix("--")
            path = write(tmp_path / "one.toml", f"[{name}]\n{key} = {json.dumps(value)}\n")
            config.callback(ctx, config, path)
            assert ctx.default_map[option.name] == value
