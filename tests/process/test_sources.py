"""The hash of a component's code: every edit of a Python file changes it, nothing else does, and no plugin is imported."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import harness
from harness import Method
from harness.plugins import Provided, registry
from harness.process import sources

METADATA = "Metadata-Version: 2.1\nName: harness-shrink\nVersion: 0.3\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with two modules and data beside them, on the path."""
    folder = tmp_path / "harness_shrink"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "inner" / "method.py").write_text("RATE = 1\nSTEPS = 2\n")
    (folder / "weights.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def source(build="harness_shrink.inner.method:Shrink", dist=None, module=None):
    """What is read now, as in a new process."""
    for cached in (sources.core_source, sources.plugin_source, sources._package):
        cached.cache_clear()
    component = Method("shrink", build=build, summary="")
    entry = metadata.EntryPoint("shrink", module, "harness") if module else None
    if entry is not None and dist is not None:
        vars(entry)["dist"] = dist
    return sources.component_source(component, Provided(component, "shrink", "1/1", entry) if entry else None)


def test_an_edit_of_any_python_file_changes_the_hash(package):
    before = source().sha256
    assert len(before) == 64
    assert source().sha256 == before
    (package / "inner" / "method.py").write_text("RATE = 1\nSTEPS = 3\n")
    edited = source().sha256
    assert edited != before
    (package / "inner" / "method.py").write_text("RATE = 1\nSTEPS = 2\n")
    assert source().sha256 == before
    (package / "inner" / "new.py").write_text("")
    assert source().sha256 != before


def test_a_file_that_moves_changes_the_hash(package):
    before = source().sha256
    (package / "inner" / "method.py").rename(package / "method.py")
    assert source().sha256 != before


def test_line_ends_data_and_caches_change_nothing(package):
    before = source().sha256
    (package / "inner" / "method.py").write_bytes(b"RATE = 1\r\nSTEPS = 2\r\n")
    (package / "weights.bin").write_bytes(b"other weights")
    for folder in ("__pycache__", ".ipynb_checkpoints"):
        (package / folder).mkdir()
        (package / folder / "method.py").write_text("RATE = 9\n")
    assert source().sha256 == before


def test_a_compiled_extension_counts_byte_for_byte(package):
    (package / "fast.abi3.so").write_bytes(b"\x7fELF\r\n")
    before = source().sha256
    (package / "fast.abi3.so").write_bytes(b"\x7fELF\n")
    assert source().sha256 != before


def test_a_module_without_a_package_is_one_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "harness_single.py"
    module.write_text("RATE = 1\n")
    (tmp_path / "neighbour.py").write_text("RATE = 1\n")
    before = source("harness_single:Shrink").sha256
    (tmp_path / "neighbour.py").write_text("RATE = 2\n")
    assert source("harness_single:Shrink").sha256 == before
    module.write_text("RATE = 2\n")
    assert source("harness_single:Shrink").sha256 != before


def test_a_plugin_of_two_modules_is_both_files(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "harness_top.py").write_text("RATE = 1\n")
    (tmp_path / "harness_top_method.py").write_text("STEPS = 1\n")
    before = source("harness_top_method:Shrink", module="harness_top").sha256
    (tmp_path / "harness_top.py").write_text("RATE = 2\n")
    after = source("harness_top_method:Shrink", module="harness_top").sha256
    (tmp_path / "harness_top_method.py").write_text("STEPS = 2\n")
    assert len({before, after, source("harness_top_method:Shrink", module="harness_top").sha256}) == 3


def test_of_a_namespace_the_plugins_own_part_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("mine", "other"):
        (tmp_path / "company" / name).mkdir(parents=True)
        (tmp_path / "company" / name / "__init__.py").write_text("")
    before = source("company.mine.method:Shrink").sha256
    (tmp_path / "company" / "other" / "__init__.py").write_text("x = 1\n")
    assert source("company.mine.method:Shrink").sha256 == before
    (tmp_path / "company" / "mine" / "__init__.py").write_text("x = 1\n")
    assert source("company.mine.method:Shrink").sha256 != before


def test_the_code_of_another_distribution_is_left_out(tmp_path, monkeypatch):
    site = tmp_path / "site-packages"
    about = site / "harness_shrink-0.3.dist-info"
    about.mkdir(parents=True)
    for name in ("harness_shrink", "library"):
        (site / f"{name}.py").write_text("x = 1\n")
    (about / "METADATA").write_text(METADATA)
    (about / "RECORD").write_text("harness_shrink.py,,\n")
    monkeypatch.syspath_prepend(site)
    dist = metadata.Distribution.at(about)
    before = source("library:Net", dist, "harness_shrink")
    assert (before.distribution, before.version, before.commit) == ("harness-shrink", "0.3", "")
    (site / "library.py").write_text("x = 2\n")
    assert source("library:Net", dist, "harness_shrink").sha256 == before.sha256


def test_code_in_another_source_folder_counts(tmp_path, monkeypatch):
    for folder, module in (("plugin", "harness_shrink"), ("research", "research_nets")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{module}.py").write_text("x = 1\n")
        monkeypatch.syspath_prepend(tmp_path / folder)
    before = source("research_nets:Net", module="harness_shrink").sha256
    (tmp_path / "research" / "research_nets.py").write_text("x = 2\n")
    assert source("research_nets:Net", module="harness_shrink").sha256 != before


@pytest.mark.parametrize("build", ["no_such_module_anywhere:Net", "sys:Net", "fake_without_a_spec:Net"])
def test_code_that_cannot_be_found_has_no_hash(build, monkeypatch):
    from types import ModuleType

    monkeypatch.setitem(sys.modules, "fake_without_a_spec", ModuleType("fake_without_a_spec"))
    assert (source(build).sha256, source(build).commit) == ("", "")


def test_every_installed_component_has_a_hash_of_its_own_plugin():
    for kind in ("model", "method", "sampler", "dataset", "metric", "extractor", "executor"):
        for provided in registry().all(kind).values():
            found = sources.component_source(provided.component, provided)
            assert len(found.sha256) == 64, provided
            assert found.folder is not None
            assert found.folder.name == provided.component.build.split(".")[0].split(":")[0]


def test_the_core_counts_without_the_rooms_that_make_no_number(monkeypatch, tmp_path):
    import shutil

    shutil.copytree(Path(harness.__file__).parent, tmp_path / "harness")
    monkeypatch.setattr(harness, "__file__", str(tmp_path / "harness" / "__init__.py"))

    def core():
        sources.core_source.cache_clear()
        return sources.core_source().sha256

    before = core()
    for room in sources.MAKE_NO_NUMBER:
        (tmp_path / "harness" / room / "__init__.py").write_text("edited = True\n")
    assert core() == before
    (tmp_path / "harness" / "streams.py").write_text("edited = True\n")
    assert core() != before
    monkeypatch.undo()
    sources.core_source.cache_clear()


def test_no_room_that_makes_numbers_and_no_plugin_here_imports_one_that_makes_none():
    folder = Path(harness.__file__).parent
    entrances = {folder / "__init__.py", folder / "__main__.py"}
    files = [
        file
        for file in folder.rglob("*.py")
        if file not in entrances and file.relative_to(folder).parts[0] not in sources.MAKE_NO_NUMBER
    ]
    assert folder / "stages" / "base.py" in files
    files += (folder.parent / "plugins").rglob("*.py")
    rooms = "|".join(sources.MAKE_NO_NUMBER)
    imports = re.compile(rf"^\s*(?:from|import) harness(?:\.| import )(?:{rooms})\b", re.MULTILINE)
    assert [file for file in files if imports.search(file.read_text())] == []
    assert imports.search((folder / "site" / "figures.py").read_text())  # the pattern finds what it looks for


def test_hashing_imports_no_plugin_and_no_torch():
    code = (
        "import sys\nfrom harness import Method\nfrom harness.process import sources\n"
        "found = sources.component_source(Method('ddo', build='harness_ddo.method:DDO', summary=''), None)\n"
        "print(len(found.sha256), 'harness_ddo' in sys.modules, 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "64 False False\n"


def test_a_child_of_a_process_that_imported_plugins_before_an_edit_knows_the_code_of_then(package, monkeypatch):
    component = Method("shrink", build="harness_shrink.inner.method:Shrink", summary="")

    class Installed:
        def all(self, kind):
            return {"shrink": Provided(component, "shrink", "1/1")} if kind == "method" else {}

    monkeypatch.setattr(sources, "registry", Installed)
    monkeypatch.setattr(sources, "_at_start", {})
    before = source()
    assert sources.edited_since_start(before) is None, "nobody has noted anything"
    sources.note_start()
    assert sources.edited_since_start(before) is None
    (package / "inner" / "method.py").write_text("RATE = 1\nSTEPS = 3\n")
    after = sources.component_source(component, None)
    assert after.sha256 != before.sha256, "what was read at the start is not kept for the children"
    assert sources.edited_since_start(after) == before
