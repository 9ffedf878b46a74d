"""A new plugin is a whole package: it installs, its tests pass, and it is written all or not at all."""

import ast
import os
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
import yaml

import harness.scaffold.package as package
from harness import UserError
from harness.scaffold.names import NEW_KINDS, Names
from harness.scaffold.package import files_of, write

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("metric", "tracker", "listener")
"""The kinds whose tests run at once; those of all kinds run in an environment of their own, with -m long."""
RUN = """
import sys
from importlib import metadata

import pytest
from harness.plugins import registry

installed = registry()
assert not installed.broken, installed.broken
for plugin in sys.argv[2:]:
    assert plugin in installed.plugins, plugin
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", sys.argv[1]]))
"""
"""Looks plugins up by their entry points, and runs the tests of a folder."""


def installed_on_a_path(folder, site):
    """Put a package on a path with the metadata that pip would write: an entry point makes it a plugin."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    ((name, module),) = project["project"]["entry-points"]["harness"].items()
    (site / module).symlink_to(folder / module)
    meta = site / f"{project['project']['name'].replace('-', '_')}-0.1.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['project']['name']}\nVersion: 0.1\n")
    (meta / "entry_points.txt").write_text(f"[harness]\n{name} = {module}\n")
    return name


def test_the_tests_of_new_plugins_pass_at_once(tmp_path):
    site, together = tmp_path / "site", tmp_path / "tests"
    site.mkdir()
    together.mkdir()
    plugins = []
    for kind in QUICK:
        folder = write(Names(kind, f"new-{kind}"), tmp_path)
        plugins.append(installed_on_a_path(folder, site))
        (test,) = (folder / "tests").iterdir()
        (together / test.name).write_text(test.read_text())
    (together / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", RUN, str(together), *plugins]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.long
@pytest.mark.parametrize("kind", NEW_KINDS)
def test_a_new_plugin_installs_in_an_environment_passes_its_tests_and_is_checked(kind, tmp_path):
    names = Names(kind, f"new-{kind}")
    folder, venv = write(names, tmp_path), tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    (site,) = venv.glob("lib/python*/site-packages")
    # What is installed here is seen there too: torch alone takes gigabytes.
    site.joinpath("outside.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}

    def call(*command):
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    call(python, "-m", "pip", "install", *offline, "-e", ".")
    assert " passed" in call(python, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert f"✓ {names.target}" in call(python, "-m", "harness", "check", names.target)


@pytest.mark.parametrize("kind", NEW_KINDS)
def test_every_file_is_whole_and_names_what_was_asked_for(kind):
    files = files_of(Names(kind, "pixel-spread"))
    for path, text in files.items():
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert "{{" not in text.replace("${{ matrix.python }}", ""), path
        if path.endswith(".py"):
            tree = ast.parse(text)
            assert ast.get_docstring(tree), path
            functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
            is_test = path.startswith("tests/")
            assert is_test or all(ast.get_docstring(node) for node in functions if node.name != "__init__"), path
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["entry-points"]["harness"] == {"pixel_spread": "harness_pixel_spread"}
    assert "license" not in project
    assert "pixel-spread" in files["README.md"]
    steps = yaml.safe_load(files[".github/workflows/tests.yml"])["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step][-2:] == [
        "pytest",
        f"harness check {Names(kind, 'pixel-spread').target}",
    ]


def test_new_plugins_pass_the_linter_and_the_formatter(tmp_path):
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed")
    for kind in NEW_KINDS:
        write(Names(kind, f"new-{kind}"), tmp_path)
    for command in (["format", "--check"], ["check", "--select", "E,F,W,I,UP,B,RUF,SIM"]):
        ended = subprocess.run([ruff, *command, tmp_path], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_what_is_there_is_never_overwritten(there, tmp_path):
    path = tmp_path / "harness-new-metric"
    if there == "file":
        path.write_text("mine")
    elif there == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="exists already, and nothing is overwritten"):
        write(Names("metric", "new-metric"), tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert there != "file" or path.read_text() == "mine"


def test_nothing_stays_where_a_file_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "files_of", lambda _: {"a.txt": "first", "b.txt": "half of a pair: \ud800"})
    with pytest.raises(UnicodeEncodeError):
        write(Names("metric", "new-metric"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_the_contract_has_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="'finetune' gives a class FinetuneMethod"):
        write(Names("method", "finetune"), tmp_path)
    assert list(tmp_path.iterdir()) == []
