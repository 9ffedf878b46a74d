"""The datasets of stores: how each splits its images, what a message says where a store is absent, and smoke runs without one."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from image_archives import celeba, cifar_archive, classes, write
from made_stores import made_store

import harness_stores
from harness import UserError
from harness.images.importing.preparing import Preparation
from harness.images.importing.recognise import source_of
from harness.images.importing.run import Request, import_images
from harness.indexed import IndexedSource
from harness.interfaces import DataSpec
from harness.paths import board_context
from harness.testing.configs import check_component, check_top_module_is_light
from harness.testing.datasets import check_dataset
from harness_stores import Cifar10Config, ImagesConfig, published

DATASETS = {component.name: component for component in harness_stores.harness_datasets()}
IMAGES = DATASETS["images"]
PIXELS = np.random.default_rng(0).integers(0, 256, (80, 3, 4, 4), dtype=np.uint8)
LABELS = np.arange(80) % 2


@pytest.fixture
def store(tmp_path):
    return made_store(tmp_path / "store", PIXELS, LABELS)


@pytest.fixture
def in_parts(tmp_path):
    parts = [("train", 40), ("validation", 16), ("test", 24)]
    return made_store(tmp_path / "parts", PIXELS, LABELS, parts=parts)


def built(**settings):
    config = IMAGES.config.model_validate(settings)
    IMAGES.check_readiness(config)
    return IMAGES.create(config)


def identity(**settings):
    return ImagesConfig.model_validate(settings).identity


def rows(batch):
    """The rows of the images of a batch, by their pixels."""
    places = {torch.from_numpy(image).float().div(127.5).sub(1).numpy().tobytes(): row for row, image in enumerate(PIXELS)}
    return sorted(places[image.numpy().tobytes()] for image in batch.x)


def held_out(source):
    n = source.largest_evaluation
    return sorted(rows(source.evaluation(0, n)) + rows(source.evaluation(1, n)))


@pytest.mark.parametrize("name", DATASETS)
def test_names_settings_and_targets_are_in_order(name):
    check_component(DATASETS[name])


@pytest.mark.parametrize(("name", "entry"), published.PUBLISHED.items())
def test_a_published_set_is_imported_from_the_archive_that_its_dataset_names(name, entry):
    assert list(DATASETS[name].archives) == [entry.source]


@pytest.mark.parametrize(("name", "side"), [("cifar10", 32), ("celeba64", 64), ("imagenet256", 256), ("imagenet512", 512)])
def test_noise_stands_in_for_a_published_set_without_a_file(name, side):
    component = DATASETS[name]
    source = component.create(component.config(**component.smoke))
    assert source.spec == component.known_spec(component.config())
    assert source.spec.shape == (3, side, side)
    assert isinstance(source, IndexedSource)
    assert len(source.training_set()) == (64 if side > 64 else 256)


def test_the_top_module_is_light():
    check_top_module_is_light("harness_stores")


def test_a_store_conforms(store):
    check_dataset(IMAGES, config=ImagesConfig.model_validate({"store": store, "holdout": 20, "selection": 10}), n=8)


def test_a_tenth_is_held_out_where_nothing_is_said(store):
    source = built(store=store)
    assert source.spec == DataSpec((3, 4, 4), 2, "images")
    assert len(held_out(source)) == 8
    assert sorted(rows(source.train()) + held_out(source)) == list(range(80))
    assert len(held_out(built(store=store, holdout=30))) == 30


def test_a_store_with_parts_is_split_by_them(in_parts):
    source = built(store=in_parts, selection=10)
    assert rows(source.train()) == list(range(40))
    assert held_out(source) == list(range(56, 80))
    assert set(rows(source.selection(0, 10))) <= set(range(40, 56)), "the curve's images are those for validation"
    with pytest.raises(UserError, match=r"parts has test images of its own; leave the setting out"):
        built(store=in_parts, holdout=4)


def test_a_second_store_is_for_evaluation_less_what_is_trained_on(store, tmp_path):
    others = PIXELS.copy()
    others[40:] ^= 255
    second = made_store(tmp_path / "second", others, LABELS)
    source = built(store=store, evaluation=second)
    assert rows(source.train()) == list(range(80))
    assert source.largest_evaluation == 20
    with pytest.raises(UserError, match="are training images too; nothing remains"):
        built(store=store, evaluation=store)
    with pytest.raises(UserError, match="holdout and evaluation both say what is held out"):
        built(store=store, evaluation=second, holdout=4)
    with pytest.raises(UserError, match=r"holds images of \(3, 4, 4\) in 3 classes, and .*store of \(3, 4, 4\) in 2; import"):
        built(store=store, evaluation=made_store(tmp_path / "third", others, np.arange(80) % 3))


def test_too_few_images_are_named(store):
    with pytest.raises(UserError, match=r"dataset images: 80 of 80 images cannot be set apart; .*; lower holdout or selection"):
        built(store=store, holdout=80)


def test_a_store_that_is_absent_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match=r"dataset images: .*absent: there is no such store; `harness import SOURCE .*absent`"):
        built(store=tmp_path / "absent")
    with pytest.raises(UserError, match=r"dataset images: name a store, \{name: images, store: PATH\}; `harness import SOURCE"):
        built()


def test_keys_hold_the_images_and_not_where_they_are(store, tmp_path):
    moved = made_store(tmp_path / "elsewhere" / "copy", PIXELS, LABELS, sizes=(50, 30))
    changed = made_store(tmp_path / "changed", PIXELS ^ 1, LABELS)
    identities = [identity(store=path) for path in (store, moved, changed)]
    assert identities[0] == identities[1] != identities[2]
    assert identity(store=tmp_path / "not here", fingerprint=identities[0]["content"]) == identities[0]
    assert identity(store=store, holdout=9) != identities[0]
    json.dumps(identities)


def test_classes_are_generated_as_often_as_the_training_images_have_them_unless_the_board_says_balanced(tmp_path, store):
    """Evaluation draws have classes as they fall: with every class equally often a perfect model would be far from the floor."""
    unequal = made_store(tmp_path / "unequal", PIXELS, (np.arange(80) % 4 == 0).astype(np.int64))
    source = built(store=unequal)
    counts = source.train().labels.bincount().tolist()
    assert counts == [54, 18]
    assert source.spec.class_counts == tuple(counts)
    assert built(store=unequal, labels="balanced").spec.class_counts == ()
    assert built(store=store).spec.class_counts == ()  # equal counts
    assert identity(store=unequal) != identity(store=unequal, labels="balanced")


def test_the_path_begins_at_the_boards_folder(store, tmp_path):
    (tmp_path / "boards" / "mine").mkdir(parents=True)
    context = board_context(tmp_path / "boards" / "mine")
    config = IMAGES.config.model_validate({"store": "../../store"}, context=context)
    assert IMAGES.create(config).spec.shape == (3, 4, 4)


def test_another_store_than_the_board_pins_is_refused(store):
    with pytest.raises(UserError, match=r"store has the fingerprint [0-9a-f]{64}, and the board says 0000"):
        built(store=store, fingerprint=64 * "0")


def test_noise_has_the_shape_of_the_store(store):
    assert built(store=store, made_up=True).spec == DataSpec((3, 4, 4), 2, "images")


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The published sets with a few images each, and a folder for data."""
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    (tmp_path / "data").mkdir()
    counts = {
        "cifar10": {"train": 15, "test": 3},
        "celeba64": {"train": 3, "validation": 1, "test": 2},
        "imagenet64": {"train": 6, "validation": 4},
    }
    for name, parts in counts.items():
        known = published.PUBLISHED[name]
        entry = dataclasses.replace(known, parts=parts, classes=2 if name == "imagenet64" else known.classes)
        monkeypatch.setitem(published.PUBLISHED, name, entry)
    return tmp_path / "data"


def imported(path, store, *, skips_damaged=False, **options):
    import_images(Request(source_of(path), store, Preparation(**options), skips_damaged=skips_damaged))


def made(name, **settings):
    config = DATASETS[name].config.model_validate(settings)
    DATASETS[name].check_readiness(config)
    return DATASETS[name].create(config)


def test_cifar10_is_its_archive_with_its_test_images_held_out(small):
    imported(cifar_archive(small), small / "cifar10")
    source = made("cifar10")
    assert (source.spec, len(source.train()), source.largest_evaluation) == (DataSpec((3, 32, 32), 10, "images"), 15, 1)
    assert len(made("cifar10", selection=5).train()) == 10


def test_celeba64_is_cropped_as_ddim_does_and_selects_on_its_validation_images(small):
    celeba(small / "celeba", (0, 0, 0, 1, 2, 2))
    imported(small / "celeba", small / "celeba64", rule="celeba-ddim", size=64)
    source = made("celeba64", selection=0)
    assert (source.spec, len(source.train()), source.largest_evaluation) == (DataSpec((3, 64, 64), 0, "images"), 3, 1)


def test_imagenet64_is_made_of_its_folders(small):
    files, _ = classes(5, names=("n01", "n02"), height=70, width=80)
    names = [f"{'train' if place % 5 < 3 else 'val'}/{name}" for place, name in enumerate(files)]
    write(small / "imagenet", dict(zip(names, files.values(), strict=True)))
    imported(small / "imagenet", small / "imagenet64", rule="center-crop-dhariwal", size=64, channels=3)
    source = made("imagenet64")
    assert (len(source.train()), source.largest_evaluation) == (6, 2)
    (small / "imagenet" / "train" / "n01" / "000.png").write_bytes(b"damaged")
    shutil.rmtree(small / "imagenet64")
    imported(small / "imagenet", small / "imagenet64", skips_damaged=True, rule="center-crop-dhariwal", size=64, channels=3)
    assert len(made("imagenet64").train()) == 5, "what is damaged everywhere may be left out, since the index names it"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("cifar10", ["https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "harness import cifar-10-python.tar.gz"]),
        ("celeba64", ["list_eval_partition.txt", "harness import celeba ", "--size 64 --resize celeba-ddim"]),
        ("imagenet64", ["https://image-net.org", "harness import imagenet ", "--resize center-crop-dhariwal --channels 3"]),
        ("imagenet512", ["https://image-net.org", "--size 512 --resize center-crop-dhariwal --channels 3"]),
    ],
)
def test_an_absent_store_is_one_message_with_the_command_that_makes_it(small, name, parts):
    with pytest.raises(UserError) as error:
        made(name)
    message = str(error.value)
    assert message.startswith(f"dataset {name}: its store is not in {small / name}. Get ")
    assert [part for part in parts if part not in message] == []
    assert f" {small / name}" in message.partition("harness import")[2]


def test_other_images_than_the_published_ones_are_refused(small):
    imported(cifar_archive(small, per_batch=2), small / "cifar10")
    with pytest.raises(UserError, match=r"holds train 10, test 2, and the published images are train 15, test 3; make it by"):
        made("cifar10")
    celeba(small / "celeba", (0, 0, 0, 1, 2, 2))
    imported(small / "celeba", small / "celeba64", rule="center-crop", size=64)
    with pytest.raises(UserError, match=r"was made by --resize center-crop, and papers use celeba-ddim; make it by: harness"):
        made("celeba64")
    made_store(small / "imagenet64", PIXELS, LABELS)
    with pytest.raises(UserError, match=r"holds images of \(3, 4, 4\) in 2 classes, and not of \(3, 64, 64\) in 2"):
        made("imagenet64")


def test_keys_of_a_published_set_hold_no_place(small):
    moved = Cifar10Config.model_validate({"store": "/somewhere"})
    assert moved.identity == Cifar10Config().identity == {"selection": 0}
