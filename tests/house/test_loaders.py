"""Files are read as data: the calls that could run what is in a file stand where docs/trust.md says, and nowhere else."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(file for base in ("harness", "plugins") for file in (ROOT / base).rglob("*.py"))
PROGRAMS = {("plugins/harness_inception/script.py", "torch.jit.load")}
"""The calls that load a program, by file."""
MESSAGES = {
    ("harness/toolkit/supervised.py", "pickle.loads"),
    ("plugins/harness_local/child.py", "pickle.loads"),
    *((f"plugins/harness_slurm/{module}.py", "pickle.loads") for module in ("call", "submissions")),
    ("plugins/harness_dask/look.py", "pickle.loads"),
    ("harness/toolkit/job_pool.py", "pickle.loads"),
}
MESSAGES |= {(f"harness/process/crew_{side}.py", "pickle.loads") for side in ("lead", "member")}
"""The calls that read a message of another process of the same user: in a pipe, or in the runs folder."""
SAFE_WITH = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
"""The argument that makes a call read data alone."""
FORBIDDEN = (
    "pickle.load", "pickle.loads", "pickle.Unpickler", "torch.jit.load", "torch.hub.load",
    "torch.hub.load_state_dict_from_url", "torch.package.PackageImporter", "yaml.load", "yaml.unsafe_load",
    "yaml.full_load", "joblib.load", "dill.load", "marshal.load", "marshal.loads", "shelve.open", "runpy.run_path",
    "exec", "eval", "tempfile.gettempdir", "tarfile.open", "shutil.unpack_archive",
)  # fmt: skip
"""Calls that run what is in a file, or unpack a file to where it says."""


def calls():
    """Every call by its dotted name: (file, name, call)."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield str(file.relative_to(ROOT)), ast.unparse(node.func), node


def is_given(call, name, value):
    return any(argument.arg == name and getattr(argument.value, "value", None) is value for argument in call.keywords)


def test_no_file_is_run_but_the_ones_that_the_page_names():
    assert {(file, name) for file, name, _ in calls() if name in FORBIDDEN} == PROGRAMS | MESSAGES
    page = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    for _, name in PROGRAMS:
        assert f"`{name}`" in page


@pytest.mark.parametrize("name", SAFE_WITH)
def test_readers_that_can_run_files_are_told_not_to(name):
    argument, value = SAFE_WITH[name]
    found = [(file, call) for file, called, call in calls() if called == name]
    assert found
    assert [file for file, call in found if not is_given(call, argument, value)] == []


def test_pillow_opens_only_the_formats_that_are_named():
    found = [(file, call) for file, called, call in calls() if called == "Image.open"]
    assert found
    assert [file for file, call in found if not any(argument.arg == "formats" for argument in call.keywords)] == []
