"""Bases of examples, which are measured in the place of generated samples."""

PRETRAINED = "net: {model: unet, pretrain: {method: parts, training: {images: 256}}}"


def test_examples_may_come_from_a_dataset_with_other_settings(grids):
    (base,) = grids((PRETRAINED, "good: {data: {name: grid, classes: 3}}")).bases
    assert base.origin.dataset.settings.classes == 3
    assert base.dataset.settings.classes == 0


def test_examples_of_another_shape_are_a_fault(grid_faults):
    (found,) = grid_faults((PRETRAINED, "big: {data: {name: grid, size: 16}}"))
    assert found == "board.yaml:4: examples of grid have the shape (1, 16, 16), those of grid (1, 8, 8)"


def test_shapes_that_only_the_data_tell_are_no_fault_yet(grids):
    (base,) = grids((PRETRAINED, "ring: {data: ring}")).bases
    assert base.origin.dataset.name == "ring"


def test_wrong_settings_of_the_dataset_are_a_fault_with_their_key(grid_faults):
    (found,) = grid_faults((PRETRAINED, "good: {data: {name: grid, sizes: 16}}"))
    assert found.startswith("board.yaml:4: no key is called 'bases.good.data.sizes' here; did you mean 'size'?")


def test_a_fault_of_the_boards_dataset_alone_is_told(grid_faults):
    (found,) = grid_faults((PRETRAINED, "good: {data: grid}"), ("dataset: grid", "dataset: gird"))
    assert found.startswith("board.yaml:2: no dataset is called 'gird'")
