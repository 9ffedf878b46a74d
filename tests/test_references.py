"""Published statistics: which there are, by which extractors, and where their files are."""

from importlib.metadata import EntryPoint

import pytest

from harness.components import Extractor
from harness.errors import UserError
from harness.plugins import Registry, registry
from harness.references import STATISTICS

REFERENCES = registry().references


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_names_a_file_that_can_be_read_and_extractors_that_are_installed(name):
    reference = REFERENCES[name]
    assert reference.name == name
    assert reference.file.address.startswith("https://")
    assert reference.file.name.endswith((".npz", ".pkl", ".pt"))
    for extractor in reference.extractors:
        found = registry().get(Extractor, extractor, where="this test")
        assert "spatial" in found.outputs or "spatial" not in reference.needs
    assert reference.needs <= STATISTICS
    assert reference.images > 0
    assert reference.shape[0] in (1, 3)


def test_the_files_of_two_references_have_two_names():
    assert len({reference.file.name for reference in REFERENCES.values()}) == len(REFERENCES)


def test_the_references_of_the_papers_are_there():
    assert REFERENCES["edm-cifar10"].file.address == "https://nvlabs-fi-cdn.nvidia.com/edm/fid-refs/cifar10-32x32.npz"
    assert (REFERENCES["edm-cifar10"].images, REFERENCES["edm-cifar10"].extractors) == (50_000, ("inception-nvidia",))
    assert REFERENCES["edm2-imagenet512"].shape == (3, 512, 512)
    assert REFERENCES["adm-imagenet256"].needs == STATISTICS


def test_a_name_that_no_reference_has_gives_the_nearest():
    with pytest.raises(UserError, match="here: no reference is called 'edm-cifar'; did you mean 'edm-cifar10'"):
        registry().reference("edm-cifar", where="here")


def test_two_plugins_cannot_give_references_of_one_name(tmp_path, monkeypatch):
    (tmp_path / "harness_again.py").write_text(
        "from harness import hookimpl\nfrom harness_inception.references import REFERENCES\n\n\n"
        "@hookimpl\ndef harness_references():\n    return list(REFERENCES)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    entries = [EntryPoint(name, f"harness_{name}", "harness") for name in ("again", "inception")]
    (broken,) = Registry(entries).broken
    assert "reference 'edm-cifar10' is already provided; rename one of the two, or uninstall one plugin" in broken.reason
