"""Whose word on the machines of jobs goes before whose."""

from harness.interfaces import Resources
from harness.run.resources import ResourceLayer, ResourceLayers, board_layer

FOUR, ONE = Resources(gpus=4), Resources(gpus=1)


def test_an_earlier_layer_goes_before_a_later_one_whatever_it_names():
    layers = ResourceLayers([ResourceLayer(ONE), ResourceLayer(Resources(gpus=8, cpus=2), methods={"ddo": FOUR})])
    assert layers.of_cell("edm", "ddo") == Resources(gpus=1, cpus=2)
    assert layers.of_base("edm") == layers.of_floor() == Resources(gpus=1, cpus=2)


def test_in_a_layer_the_method_goes_before_the_base_and_both_before_what_holds_for_all():
    bases = {"edm": Resources(gpus=2, hours=12.0)}
    layer = ResourceLayer(Resources(gpus=1, cpus=3, hours=1.0), {"ddo": FOUR}, bases)
    assert layer.of_cell("edm", "ddo") == Resources(gpus=4, cpus=3, hours=12.0)
    assert layer.of_cell("edm", "none") == layer.of_base("edm") == Resources(gpus=2, cpus=3, hours=12.0)
    assert layer.of_cell("var", "none") == Resources(gpus=1, cpus=3, hours=1.0)


def test_a_point_of_a_grid_has_the_resources_of_its_entry_and_patterns_stand_for_many_names():
    layer = ResourceLayer(methods={"ddo": FOUR, "sft-*": ONE, "sft-pg": Resources(cpus=2)})
    assert layer.of_cell("edm", "ddo[beta=0.1]") == FOUR
    assert layer.of_cell("edm", "sft-pg") == Resources(gpus=1, cpus=2)
    assert ResourceLayer(methods={"ddo[beta=0.1]": ONE, "ddo": FOUR}).of_cell("edm", "ddo[beta=0.1]") == ONE


def test_a_board_says_what_its_bases_and_methods_ask_for_and_no_key_knows_it(write_small, small_text, small):
    text = small_text.replace("  ddpm:\n", "  ddpm:\n    resources: {gpus: 2, hours: 12}\n")
    text = text.replace("bank_size: 20}}", "bank_size: 20}, resources: {memory_gib: 30.5}}")
    asked = ResourceLayers([board_layer(write_small(text))])
    assert asked.of_base("ddpm") == Resources(gpus=2, hours=12.0)
    assert asked.of_cell("ddpm", "ddo") == Resources(gpus=2, memory_gib=30.5, hours=12.0)
    assert asked.of_cell("edm", "none") == asked.of_floor() == Resources()
    changed = write_small(text)
    assert [cell.key for cell in changed.cells] == [cell.key for cell in small.cells]
    assert [base.key for base in changed.bases] == [base.key for base in small.bases]
