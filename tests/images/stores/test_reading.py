"""Stores are read by row, in any order and from any process, without staying in memory; damage is named."""

import pickle

import numpy as np
import pytest
from made_stores import made_store

from harness import UserError
from harness.images.stores import row_checks
from harness.images.stores.index import Part, StoreIndex, digests_of, read_index
from harness.images.stores.reading import open_store

PIXELS = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 5), dtype=np.uint8)
LABELS = np.arange(10) % 3


def made(folder, sizes=(4, 1, 5), *, has_labels=True, pixels=PIXELS, parts=(("train", 7), ("test", 3))):
    return made_store(folder, pixels, LABELS if has_labels else None, sizes=sizes, parts=parts)


@pytest.fixture
def folder(tmp_path):
    return made(tmp_path / "store")


@pytest.mark.parametrize("rows", [[], [0], [9, 0, 9], list(range(10)), [3, 4, 5, 6], [8, 7, 6], np.array([2, 3, 4, 4])])
def test_rows_come_in_the_order_asked_for(folder, rows):
    store = open_store(folder)
    images = store.read(rows)
    assert images.dtype == np.uint8
    assert np.array_equal(images, PIXELS[np.asarray(rows, np.int64)])
    assert len(store) == 10
    assert store.shape == (3, 4, 5)


def test_rows_outside_of_the_store_are_no_images(folder):
    for rows in ([-1], [10], [0, 99]):
        with pytest.raises(IndexError, match=r"of a store of 10 images"):
            open_store(folder).read(rows)


def test_labels_digests_parts_and_batches(folder):
    store = open_store(folder)
    assert store.labels().tolist() == LABELS.tolist()
    assert store.labels().dtype == np.int64
    assert store.digests().shape == (10, 32)
    assert (store.part("train"), store.part("test")) == (range(7), range(7, 10))
    with pytest.raises(KeyError):
        store.part("validation")
    assert np.array_equal(np.concatenate(list(store.batches(3))), PIXELS)


def test_a_store_without_labels_has_none(tmp_path):
    store = open_store(made(tmp_path / "store", has_labels=False))
    assert store.labels() is None
    assert store.index.classes == ()


def test_another_process_reads_what_this_one_does(folder):
    store = pickle.loads(pickle.dumps(open_store(folder)))
    assert np.array_equal(store.read([5, 1]), PIXELS[[5, 1]])


def test_reading_every_row_leaves_no_page_of_the_store_in_memory(tmp_path):
    pixels = np.zeros((40, 1, 1000, 1000), np.uint8)
    store = open_store(made(tmp_path / "store", (20, 20), has_labels=False, pixels=pixels, parts=(("all", 40),)))
    del pixels
    before = resident()
    for row in np.random.default_rng(0).permutation(40):
        store.read([row])
    assert resident() - before < 8e6


def resident():
    with open("/proc/self/statm") as status:
        return int(status.read().split()[1]) * 4096


def test_the_fingerprint_does_not_depend_on_the_shards(tmp_path):
    first, second = (read_index(made(tmp_path / str(sizes[0]), sizes)) for sizes in ((10,), (2, 8)))
    assert first.fingerprint == second.fingerprint
    assert first.parts == second.parts == (Part(name="train", images=7), Part(name="test", images=3))
    assert isinstance(first, StoreIndex)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("images-00002.npy", lambda content: content[:-1], "images-00002.npy: damaged: it does not hold 5 images"),
        ("images-00000.npy", lambda content: content.replace(b"|u1", b"|i1"), "images-00000.npy: damaged: it does not hold 4"),
        ("images-00000.npy", lambda _: b"x", "images-00000.npy: damaged: "),
        ("images-00001.npy", None, "images-00001.npy: cannot be read: No such file"),
        ("index.json", lambda content: content.replace(b'"train"', b'"trail"'), "index.json: damaged: its checksum"),
        ("index.json", lambda content: content[:-9], "index.json: damaged: it is no JSON object"),
        ("index.json", lambda _: b'{"schema": 2}', "written by a newer harness"),
        ("index.json", None, "no store, for it has no index.json"),
    ],
)
def test_damage_is_named_when_a_store_is_opened(folder, file, change, message):
    path = folder / file
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=message):
        open_store(folder)


def test_damage_of_labels_and_of_files_cut_short_later_is_named(folder):
    store = open_store(folder)
    (folder / "labels-00001.npy").write_bytes(b"")
    with pytest.raises(UserError, match=r"labels-00001.npy: damaged"):
        store.labels()
    (folder / "images-00000.npy").write_bytes(b"")
    with pytest.raises(UserError, match=r"images-00000.npy: cannot be read: it ends before its last image"):
        store.read([0])


def test_a_changed_byte_is_found_by_the_check_of_all_files(folder):
    open_store(folder).verify()
    path = folder / "images-00002.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"images-00002.npy: damaged: it does not match its checksum"):
        open_store(folder).verify()


@pytest.mark.parametrize("is_sent", [False, True])
def test_an_image_that_was_changed_in_its_file_is_never_read(folder, is_sent):
    path = folder / "images-00002.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    store = pickle.loads(pickle.dumps(open_store(folder))) if is_sent else open_store(folder)
    assert np.array_equal(store.read([8, 0]), PIXELS[[8, 0]])
    for rows in ([3, 9, 1], [9]):
        with pytest.raises(UserError, match=r"images-00002.npy: damaged: its image 4 is not the one that was imported; remove"):
            store.read(rows)


def test_each_image_is_hashed_once(folder, monkeypatch):
    hashed = []
    monkeypatch.setattr(row_checks, "digests_of", lambda images: hashed.append(len(images)) or digests_of(images))
    store = open_store(folder)
    for rows in ([1, 2, 2], [2, 3], [1, 2, 3]):
        store.read(rows)
    assert hashed == [3, 1]


@pytest.mark.parametrize("kind", ["labels", "digests"])
def test_changed_labels_and_hashes_are_never_read(folder, kind):
    path = folder / f"{kind}-00001.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=f"{kind}-00001.npy: damaged: it does not match its checksum; remove"):
        getattr(open_store(folder), kind)()


def test_a_store_that_is_absent_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: there is no such store; `harness import SOURCE .*nowhere` makes one"):
        read_index(tmp_path / "nowhere")
