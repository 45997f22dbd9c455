"""The package as a whole: what an import costs, public names, metadata and docstrings."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.metadata
import inspect
import pydoc
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import ClassVar

import pytest
from numpydoc.validate import validate

import skglitch
from skglitch import _files

ROOT = Path(__file__).resolve().parents[1]
ROOMS = [
    name
    for name in skglitch.__all__
    if (Path(skglitch.__file__).parent / name / "__init__.py").is_file()
]

# What every public docstring must get right. GL08: there is one. GL06, GL07: the sections are
# those of numpydoc, in its order. PR02: no parameter is described that does not exist.
# SS01, SS03: it starts with a sentence.
EVERYWHERE = {"GL06", "GL07", "GL08", "PR02", "SS01", "SS03"}
# And what users call tells the whole signature. PR01, PR03: each parameter, in order. RT01: what
# is returned. PR10: "name : type", which is what documentation tools look for.
IN_FULL = EVERYWHERE | {"PR01", "PR03", "PR10", "RT01"}
# Rooms that are there to be called by users. What the others hold is public so that it can be
# replaced or reused, and short functions there have a line in place of sections.
FOR_USERS = {"datasets", "discovery", "display", "estimators", "metrics", "persistence"}
# And estimators have an example and say what goes with them.
OF_ESTIMATORS = IN_FULL | {"EX01", "SA01"}
EXCEPTIONS: dict[str, set[str]] = {}
MOST_NAMES = 65
# Their examples are shown, and not run.
NEED_A_NETWORK = {
    "skglitch.datasets.fetch_gravity_spy",
    "skglitch.datasets.fetch_gravity_spy_catalog",
    "skglitch.datasets.fetch_gravity_spy_pictures",
    "skglitch.datasets.fetch_gravity_spy_votes",
    "skglitch.datasets.fetch_open_strain",
}


def run_python(code: str) -> str:
    """Run code in a process of its own, from elsewhere, and return what it prints."""
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def public_objects() -> list[str]:
    """Dotted names of public classes, their own public methods, and functions."""
    names = []
    for room in ROOMS:
        module = importlib.import_module(f"skglitch.{room}")
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value):
                members = (
                    member
                    for member, of in vars(value).items()
                    if not member.startswith("_")
                    and isinstance(of, property | classmethod | staticmethod | type(run_python))
                )
                names += [
                    f"skglitch.{room}.{name}",
                    *(f"skglitch.{room}.{name}.{m}" for m in members),
                ]
            elif inspect.isfunction(value):
                names.append(f"skglitch.{room}.{name}")
    return names


class TestImport:
    def test_loads_nothing_heavy_and_starts_no_thread(self):
        printed = run_python(
            "import threading, skglitch\n"
            "heavy = 'torch torchvision timm sklearn skorch matplotlib numpy pandas PIL'.split()\n"
            "print([name for name in heavy if name in sys.modules], threading.active_count())"
        )
        assert printed.split("\n")[0] == "[] 1"

    def test_reading_pictures_needs_no_torch(self):
        printed = run_python(
            "from skglitch.datasets import load_gravity_spy\n"
            "from skglitch.spectrograms import read_picture\n"
            "print('torch' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
        )
        assert printed.split() == ["False", "False"]

    def test_leaves_the_random_generators_and_threads_of_torch_alone(self):
        printed = run_python(
            "import numpy, torch\n"
            "before = numpy.random.get_state()[1][:5].tolist(), torch.initial_seed(), "
            "torch.get_num_threads(), torch.get_default_dtype()\n"
            "import skglitch; [getattr(skglitch, name) for name in skglitch.__all__]\n"
            "after = numpy.random.get_state()[1][:5].tolist(), torch.initial_seed(), "
            "torch.get_num_threads(), torch.get_default_dtype()\n"
            "print(before == after)"
        )
        assert printed.strip() == "True"


class TestNames:
    @pytest.mark.parametrize("name", skglitch.__all__)
    def test_public_names_are_there(self, name):
        assert getattr(skglitch, name) is not None
        assert name in dir(skglitch)

    @pytest.mark.parametrize("room", ROOMS)
    def test_public_names_of_rooms_are_there(self, room):
        module = importlib.import_module(f"skglitch.{room}")
        assert [name for name in module.__all__ if not hasattr(module, name)] == []
        assert len(set(module.__all__)) == len(module.__all__)

    def test_unknown_name(self):
        with pytest.raises(AttributeError, match="'CNNClasifier'"):
            skglitch.CNNClasifier  # noqa: B018 (the access is what is tested)

    def test_names_of_the_top_are_told_to_type_checkers(self):
        # Lazy names are invisible to them but for the imports under TYPE_CHECKING.
        tree = ast.parse(Path(skglitch.__file__).read_text(encoding="utf-8"))
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert set(skglitch.__all__) <= imported


class TestRooms:
    """Which room may import which, as CONTRIBUTING.md has it."""

    BELOW_ALL: ClassVar = {
        *(
            "_dask",
            "_device",
            "_download",
            "_engine",
            "_files",
            "_hdf5",
            "_html",
            "_labels",
            "_lazy",
            "_lazy_array",
            "_tables",
        ),
        *("_pictures", "_validation", "_version"),
    }
    ALLOWED: ClassVar = {
        "spectrograms": set(),
        "metrics": set(),
        "_backbones": set(),
        "datasets": {"spectrograms"},
        "_training": {"_backbones"},
        "estimators": {"_training", "_backbones"},
        "persistence": {"estimators", "_training"},
        "discovery": {"metrics", "estimators", "_training", "_backbones", "spectrograms"},
        "display": {
            "discovery",
            "metrics",
            "estimators",
            "_training",
            "_backbones",
            "spectrograms",
        },
        "report": {
            "display",
            "discovery",
            "metrics",
            "persistence",
            "estimators",
            "_training",
            "_backbones",
            "spectrograms",
        },
        "watch": {"datasets", "display", "estimators", "_training", "_backbones", "spectrograms"},
    }

    @pytest.mark.parametrize("room", [*ALLOWED, "cli"])
    def test_imports_public_names_of_rooms_above(self, room):
        allowed = self.ALLOWED.get(room, {*self.ALLOWED, "backbones"})
        for module, name in imports_of(room):
            first, _, rest = module.partition(".")
            if first in self.BELOW_ALL:
                continue
            assert first in allowed, f"{room} imports {module}"
            assert not rest, f"{room} imports the private module {module}"
            assert name in importlib.import_module(f"skglitch.{first}").__all__, (module, name)

    def test_modules_below_all_import_no_room(self):
        for name in self.BELOW_ALL:
            # What is tuned for CPUs is reached through _device alone.
            tuning = {"_depthwise"} if name == "_device" else set()
            assert {module for module, _ in imports_of(name)} <= self.BELOW_ALL | tuning

    def test_no_circles(self):
        graph = {room: {module for module, _ in imports_of(room)} for room in self.ALLOWED}
        list(TopologicalSorter(graph).static_order())  # or it fails with the circle

    def test_number_of_public_names(self):
        names = [
            f"{room}.{name}"
            for room in [*ROOMS, "backbones"]
            for name in importlib.import_module(f"skglitch.{room}").__all__
        ]
        assert len(names) <= MOST_NAMES


def imports_of(room: str) -> set[tuple[str, str]]:
    """Modules of other rooms that a room or a module imports from, and the names."""
    package = Path(skglitch.__file__).parent
    found = set()
    for path in [*(package / room).rglob("*.py"), *package.glob(f"{room}.py")]:
        parts = path.relative_to(package).parent.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or node.level <= len(parts):
                continue
            for alias in node.names:
                module = node.module or alias.name
                if module.partition(".")[0] != room:
                    found.add((module, alias.name))
    return found


class TestMetadata:
    def test_version_is_that_of_the_distribution(self):
        try:
            distribution = importlib.metadata.distribution("skglitch")
        except importlib.metadata.PackageNotFoundError:
            pytest.skip("run from a checkout that is not installed")
        assert distribution.version == skglitch.__version__

    def test_version_is_a_version(self):
        assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+|\.dev\d+)?", skglitch.__version__)

    def test_is_marked_as_typed(self):
        assert (Path(skglitch.__file__).parent / "py.typed").is_file()

    def test_a_wheel_has_all_files(self):
        if not (ROOT / "setup.py").is_file():
            pytest.skip("not a checkout")
        told = (ROOT / "setup.py").read_text(encoding="utf-8")
        (patterns,) = re.findall(r'"skglitch": (\[.*?\])', told)
        package = ROOT / "skglitch"
        files = {p for p in package.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
        for path in files | {_files.PRETRAINED}:
            name = path.relative_to(package)
            assert any(map(name.match, ast.literal_eval(patterns))), name

    def test_dependencies_are_all_justified(self):
        if not (ROOT / "setup.py").is_file():
            pytest.skip("not a checkout")
        declared = {re.split(r"[\[<>=!~;]", line)[0] for line in _requirements()}
        assert "torch" in declared
        assert "ruff" in declared
        told = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
        assert [name for name in sorted(declared) if f"`{name}`" not in told] == []


def _requirements() -> list[str]:
    """All that setup.py asks for, extras included."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("INSTALL_REQUIRES", "EXTRAS_REQUIRE")
    }
    return sum(values["EXTRAS_REQUIRE"].values(), values["INSTALL_REQUIRES"])


class TestDocstrings:
    def test_objects_are_found(self):
        names = public_objects()
        assert "skglitch.estimators.CNNClassifier.predict_proba" in names
        assert "skglitch.persistence.load" in names

    @pytest.mark.parametrize("name", public_objects())
    def test_docstring(self, name):
        room = name.split(".")[1]
        codes = IN_FULL if room in FOR_USERS else EVERYWHERE
        if room == "estimators" and name.count(".") == 2:
            codes = OF_ESTIMATORS
        codes = codes - EXCEPTIONS.get(name, set())
        found = [f"{code}: {told}" for code, told in validate(name)["errors"] if code in codes]
        assert found == []

    @pytest.mark.parametrize("name", [name for name in public_objects() if name.count(".") == 2])
    def test_has_an_example_that_runs(self, name):
        value = pydoc.locate(name)
        examples = doctest.DocTestParser().get_examples(value.__doc__ or "")
        assert examples
        # pytest runs them, unless they say no; to import is no example yet.
        run = [e for e in examples if doctest.SKIP not in e.options and "import " not in e.source]
        assert bool(run) == (name not in NEED_A_NETWORK)
        assert inspect.unwrap(value).__module__.startswith("skglitch.")

    def test_exceptions_are_of_objects_that_exist(self):
        assert set(EXCEPTIONS) | NEED_A_NETWORK <= set(public_objects())
