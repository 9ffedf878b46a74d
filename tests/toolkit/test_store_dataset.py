"""Datasets of stores: what is set apart, draws that are those of `ImageDataset`, and noise in the place of images."""

import pickle

import numpy as np
import pytest
import torch
from made_stores import made_store

from harness.images.stores.reading import open_store
from harness.indexed import IndexedSource, whole
from harness.interfaces import DataSpec
from harness.toolkit.image_dataset import ImageDataset, Images
from harness.toolkit.store_dataset import Contents, MadeUpDataset, StoreDataset

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 1, 2, 3), dtype=np.uint8)
LABELS = np.arange(60) % 3
SPEC = DataSpec((1, 2, 3), 3, "images")


def contents(folder, pixels=PIXELS, labels=LABELS, **options):
    return Contents(open_store(made_store(folder, pixels, labels, **options)))


@pytest.fixture
def store(tmp_path):
    return contents(tmp_path / "store", sizes=(20, 40))


def dataset(store, selection=0):
    train, held_out = store.set_apart(np.arange(60), 20)
    if not selection:
        return StoreDataset("s", SPEC, store.part(train), store.part(held_out))
    train, kept = store.set_apart(train, selection)
    return StoreDataset("s", SPEC, store.part(train), store.part(held_out), store.part(kept))


def test_each_class_gives_its_share(store):
    rest, apart = store.set_apart(np.arange(60), 12)
    assert sorted([*rest, *apart]) == list(range(60))
    assert np.bincount(LABELS[apart]).tolist() == [4, 4, 4]
    assert rest.tolist() == sorted(rest)
    fewer = store.set_apart(np.arange(60), 5)[1]
    assert set(fewer) <= set(apart), "fewer images are the first of more"


def test_the_images_that_are_set_apart_do_not_depend_on_their_order(store, tmp_path):
    order = np.random.default_rng(1).permutation(60)
    other = contents(tmp_path / "other", PIXELS[order], LABELS[order])
    assert set(order[other.set_apart(np.arange(60), 12)[1]]) == set(store.set_apart(np.arange(60), 12)[1])


def test_an_image_with_a_copy_is_never_set_apart(tmp_path):
    pixels = np.concatenate([PIXELS[:10], PIXELS[:6], PIXELS[:1]])
    store = contents(tmp_path / "store", pixels, None)
    rest, apart = store.set_apart(np.arange(17), 4)
    assert sorted(apart) == [6, 7, 8, 9]
    with pytest.raises(ValueError, match=r"5 of 17 images cannot be set apart; 4 have no copy among them"):
        store.set_apart(np.arange(17), 5)
    assert len(rest) == 13


def test_draws_are_those_of_the_dataset_in_memory(store):
    stored = dataset(store, selection=10)
    images = Images(torch.from_numpy(PIXELS), torch.from_numpy(LABELS))
    train, held_out = store.set_apart(np.arange(60), 20)
    train, kept = store.set_apart(train, 10)
    known = ImageDataset("m", *(images[torch.from_numpy(rows)] for rows in (train, held_out)), classes=3,
                         selection=images[torch.from_numpy(kept)])  # fmt: skip
    assert isinstance(stored, IndexedSource)
    assert (
        (stored.largest_evaluation, stored.largest_selection) == (known.largest_evaluation, known.largest_selection) == (10, 10)
    )
    for ours, theirs in [
        (stored.train(), known.train()),
        (stored.evaluation(3, 10), known.evaluation(3, 10)),
        (stored.evaluation(2, 4), known.evaluation(2, 4)),
        (stored.selection(1, 7), known.selection(1, 7)),
    ]:
        assert torch.equal(ours.x, theirs.x)
        assert ours.labels.tolist() == theirs.labels.tolist()
    for ask in (lambda: stored.evaluation_set(0, 11), lambda: stored.selection_set(0, 11), lambda: stored.evaluation_set(-1, 1)):
        with pytest.raises(ValueError, match=r"images asked for|need draw >= 0"):
            ask()


def test_the_fingerprint_is_that_of_all_parts(store, tmp_path):
    prints = {dataset(store).fingerprint, dataset(store, selection=10).fingerprint}
    relabelled = contents(tmp_path / "labels", PIXELS, (LABELS + 1) % 3)
    prints.add(dataset(relabelled).fingerprint)
    changed = PIXELS.copy()
    changed[7] ^= 1
    prints.add(dataset(contents(tmp_path / "pixels", changed)).fingerprint)
    assert len(prints) == 4
    assert dataset(contents(tmp_path / "shards", sizes=(59, 1))).fingerprint in prints


def test_another_process_reads_the_same_images(store):
    examples = dataset(store).training_set()
    assert torch.equal(whole(pickle.loads(pickle.dumps(examples))).x, whole(examples).x)


def test_images_without_labels_have_none(tmp_path):
    store = contents(tmp_path / "store", labels=None)
    train, held_out = store.set_apart(np.arange(60), 20)
    assert StoreDataset("s", DataSpec((1, 2, 3)), store.part(train), store.part(held_out)).evaluation(0, 3).labels is None


@pytest.mark.parametrize("classes", [0, 4])
def test_noise_has_the_shape_and_classes_of_the_real_images(classes):
    source = MadeUpDataset(DataSpec((3, 4, 4), classes, "images"), train=7, selection=5)
    train = source.train()
    assert train.x.shape == (7, 3, 4, 4)
    assert train.x.abs().max() <= 1
    assert (train.labels is None) if not classes else train.labels.tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert torch.equal(source.evaluation(1, 3).x, source.evaluation(1, 9).x[:3])
    assert not torch.equal(source.evaluation(0, 3).x, source.evaluation(1, 3).x)
    assert (source.largest_evaluation, source.largest_selection) == (None, 5)
    assert len(source.selection(2, 5)) == 5
    with pytest.raises(ValueError, match="6 selection images asked for; 5 are kept"):
        source.selection(0, 6)
    assert MadeUpDataset(DataSpec((1, 2, 2)), train=2).largest_selection is None
    prints = {MadeUpDataset(DataSpec((1, 2, 2)), train=2, selection=kept).fingerprint for kept in (0, 3, 4)}
    assert len(prints) == 3  # features of the images kept for the curve are stored under it
    assert MadeUpDataset(DataSpec((3, 131, 70)), train=2).train().x.shape == (2, 3, 131, 70)
