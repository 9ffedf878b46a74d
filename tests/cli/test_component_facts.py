"""What `list` and `show` say about a component."""

import pytest

from harness import Dataset, Extractor, Method, Model, Sampler
from harness.cli.component_facts import capabilities, component_facts
from harness.plugins import Provided


def provided(component):
    return Provided(component, "fake", "1/2")


@pytest.mark.parametrize(
    ("component", "text"),
    [
        (
            Model("net", build="x:y", summary="", provides=frozenset({"Trains", "Likelihood"}), sampler="draw"),
            "provides Likelihood, Trains",
        ),
        (Method("tune", build="x:y", summary="", needs=frozenset({"Likelihood"})), "needs Likelihood"),
        (Sampler("draw", build="x:y", summary=""), ""),
        (Extractor("pixels", build="x:y", summary="", outputs={"features": 6}), ""),
    ],
)
def test_capabilities_are_what_a_model_provides_and_others_need(component, text):
    assert capabilities(provided(component)) == text


def test_facts_name_the_kind_where_it_comes_from_and_what_does_the_work():
    model = Model("net", build="fake.net:Net", summary="a net", provides=frozenset({"Trains"}), sampler="draw")
    assert component_facts(provided(model)) == {
        "name": "net", "kind": "model", "summary": "a net", "plugin": "fake", "version": "1/2",
        "capabilities": "provides Trains", "sampler": "draw", "outputs": "", "archives": "", "build": "fake.net:Net",
    }  # fmt: skip


def test_facts_of_a_dataset_name_the_archives_that_it_is_imported_from():
    dataset = Dataset("d", build="x:y", summary="", archives={"d.tar": "http://x"})
    assert component_facts(provided(dataset))["archives"] == "d.tar: http://x"


def test_facts_of_an_extractor_name_its_outputs():
    extractor = Extractor("pixels", build="x:y", summary="", outputs={"features": 6, "logits": 4})
    facts = component_facts(provided(extractor))
    assert (facts["outputs"], facts["sampler"]) == ("features 6, logits 4", "")
