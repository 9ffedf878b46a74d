"""Imports: what a store holds, where a stopped import goes on, and what is said of damaged and unlike images."""

import io
import tracemalloc

import numpy as np
import pytest
from image_archives import channels_first, classes, encoded, photos, write, zipped
from PIL import Image

from harness import UserError
from harness.errors import Faults, Interrupted
from harness.images.importing import run
from harness.images.importing.preparing import Preparation
from harness.images.importing.recognise import source_of
from harness.images.importing.run import Request, import_images
from harness.images.stores import writing
from harness.images.stores.reading import open_store
from harness.process import stop

PER_SHARD = 3
SHARD_BYTES = PER_SHARD * 3 * 8 * 8


@pytest.fixture
def folder(tmp_path):
    """Eight images in two classes, so that there are three shards."""
    return write(tmp_path / "set", classes(4)[0])


def request(source, store, preparation=None, labels=None, **options):
    options = {"shard_bytes": SHARD_BYTES, "threads": 2, **options}
    return Request(source_of(source, labels=labels), store, preparation or Preparation(), **options)


def contents(store):
    return {file.name: file.read_bytes() for file in sorted(store.iterdir()) if file.is_file()}


def test_a_store_holds_the_images_and_labels_in_their_order(folder, tmp_path):
    seen = []
    imported = import_images(request(folder, tmp_path / "store"), lambda done, total: seen.append((done, total)))
    store = open_store(tmp_path / "store")
    assert np.array_equal(store.read(np.arange(8)), classes(4)[1])
    assert store.labels().tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert store.index.classes == ("cat", "dog")
    assert [shard.images for shard in store.index.shards] == [3, 3, 2]
    assert seen == [(3, 8), (6, 8), (8, 8)]
    assert (imported.was_there, imported.index) == (False, store.index)
    store.verify()
    assert "import.json" not in contents(tmp_path / "store")


def test_the_fingerprint_is_that_of_the_pixels_and_labels_alone(folder, tmp_path):
    whole = import_images(request(folder, tmp_path / "whole", shard_bytes=2**20)).index
    files = {f"new/{name}": content for name, content in classes(4)[0].items()}
    archived = import_images(request(zipped(tmp_path / "x.zip", files), tmp_path / "zip")).index
    np.savez(tmp_path / "x.npz", arr_0=photos(8), labels=np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    array = import_images(request(tmp_path / "x.npz", tmp_path / "array")).index
    assert whole.fingerprint == archived.fingerprint == array.fingerprint
    bare = import_images(request(folder, tmp_path / "bare", labels="none")).index
    assert bare.fingerprint != whole.fingerprint
    (folder / "dog" / "007.png").write_bytes(encoded(photos(1, seed=1)[0]))
    assert import_images(request(folder, tmp_path / "other")).index.fingerprint != whole.fingerprint


def test_images_are_decoded_alike_by_any_number_of_threads(folder, tmp_path):
    for threads in (1, 4):
        import_images(request(folder, tmp_path / f"{threads}", Preparation("center-crop", 5), threads=threads))
    assert contents(tmp_path / "1") == contents(tmp_path / "4")


@pytest.mark.parametrize("shards", [0, 1, 2])
def test_a_stopped_import_goes_on_at_the_next_shard_with_the_same_store(folder, tmp_path, shards, monkeypatch):
    import_images(request(folder, tmp_path / "whole"))
    written = []
    write_shard = writing.write_shard

    def stopping(folder, name, *parts):
        if len(written) == shards:
            raise KeyboardInterrupt
        written.append(name)
        return write_shard(folder, name, *parts)

    monkeypatch.setattr(run, "write_shard", stopping)
    with pytest.raises(KeyboardInterrupt):
        import_images(request(folder, tmp_path / "store"))
    with pytest.raises(UserError, match=r"the import of this store has not ended; run the same `harness import` again"):
        open_store(tmp_path / "store")
    (tmp_path / "store" / ".images-00002.npy.0123abcd").write_bytes(b"left by a kill")
    rest = []
    monkeypatch.setattr(run, "write_shard", lambda folder, name, *parts: rest.append(name) or write_shard(folder, name, *parts))
    import_images(request(folder, tmp_path / "store"))
    assert rest == [f"{number:05}" for number in range(shards, 3)]
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_a_request_to_stop_ends_the_import_before_the_next_images(folder, tmp_path):
    with pytest.raises(Interrupted):
        import_images(request(folder, tmp_path / "store"), lambda *_: stop.request())
    stop.clear()
    import_images(request(folder, tmp_path / "store"))
    assert len(open_store(tmp_path / "store")) == 8


def test_an_import_with_other_settings_does_not_go_on(folder, tmp_path):
    (folder / "cat" / "000.png").write_bytes(b"damaged")
    with pytest.raises(Faults):
        import_images(request(folder, tmp_path / "store"))
    with pytest.raises(UserError, match=r"store: holds an import that has not ended, of other images or with other settings"):
        import_images(request(folder, tmp_path / "store", Preparation("center-crop", 8)))


def test_a_refused_import_that_wrote_nothing_does_not_stand_in_the_way_of_the_settings_that_its_message_asks_for(
    folder, tmp_path
):
    (folder / "cat" / "001.png").write_bytes(encoded(photos(1, 8, 9)[0]))
    with pytest.raises(UserError, match=r"--size N --resize"):
        import_images(request(folder, tmp_path / "store"))
    import_images(request(folder, tmp_path / "store", Preparation("center-crop", 8)))
    assert len(open_store(tmp_path / "store")) == 8


def test_a_whole_store_is_checked_and_left_as_it_is(folder, tmp_path):
    import_images(request(folder, tmp_path / "store"))
    before = contents(tmp_path / "store")
    assert import_images(request(folder, tmp_path / "store")).was_there
    assert contents(tmp_path / "store") == before
    with pytest.raises(UserError, match=r"store: holds a store of other images, or made in another way"):
        import_images(request(folder, tmp_path / "store", Preparation("center-crop", 4)))
    file = tmp_path / "store" / "images-00001.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"images-00001.npy: damaged: it does not match its checksum; remove"):
        import_images(request(folder, tmp_path / "store"))


@pytest.mark.parametrize("is_zip", [False, True])
def test_a_store_whose_images_have_changed_since_is_not_taken_for_the_new_ones(folder, tmp_path, is_zip):
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.png")}
    source = zipped(tmp_path / "x.zip", files) if is_zip else folder
    import_images(request(source, tmp_path / "store"))
    files["dog/007.png"] = encoded(photos(1, seed=1)[0]) + b"x"
    if is_zip:
        zipped(source, files)
    else:
        (folder / "dog" / "007.png").write_bytes(files["dog/007.png"])
    with pytest.raises(UserError, match=r"store: images of .* have changed since this store was made; remove it"):
        import_images(request(source, tmp_path / "store"))


def test_an_import_holds_a_shard_and_not_its_source(tmp_path):
    pixels = photos(1600, 64, 64)
    np.save(tmp_path / "x.npy", pixels)
    size = pixels.nbytes
    del pixels
    wanted = request(tmp_path / "x.npy", tmp_path / "store", shard_bytes=size // 20, threads=1)
    tracemalloc.start()
    import_images(wanted)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A shard (5 %), and three times 64 of the 1600 images (4 % each): as they were read, as a batch, and the batch before.
    assert peak < 0.25 * size


def test_damaged_images_are_named_one_by_one_after_all_others_are_written(folder, tmp_path):
    good = (folder / "cat" / "001.png").read_bytes()
    (folder / "cat" / "001.png").write_bytes(good[:50])
    (folder / "dog" / "007.png").write_bytes(b"")
    with pytest.raises(Faults) as error:
        import_images(request(folder, tmp_path / "store"))
    first, second, advice = error.value.faults
    assert first.startswith(f"{folder}/cat/001.png: damaged, or no image")
    assert second.startswith(f"{folder}/dog/007.png: damaged, or no image")
    assert advice == "2 damaged images: mend them and run the same command again, or add --skip-damaged"
    (folder / "cat" / "001.png").write_bytes(good)
    imported = import_images(request(folder, tmp_path / "store", skips_damaged=True))
    store = open_store(tmp_path / "store")
    assert np.array_equal(store.read(np.arange(7)), classes(4)[1][:7]), "the image that was mended is there again"
    assert store.labels().tolist() == [0, 0, 0, 0, 1, 1, 1]
    (skipped,) = imported.index.skipped
    assert skipped.startswith("dog/007.png: damaged")
    assert str(tmp_path) not in (tmp_path / "store" / "index.json").read_text()


def test_a_whole_shard_of_damaged_images_is_left_out(folder, tmp_path):
    for name in ("cat/003.png", "dog/004.png", "dog/005.png"):
        (folder / name).write_bytes(b"damaged")
    import_images(request(folder, tmp_path / "store", skips_damaged=True))
    store = open_store(tmp_path / "store")
    assert [shard.name for shard in store.index.shards] == ["00000", "00002"]
    assert np.array_equal(store.read(np.arange(5)), classes(4)[1][[0, 1, 2, 6, 7]])


def test_where_no_image_can_be_read_nothing_is_written(folder, tmp_path):
    for file in folder.rglob("*.png"):
        file.write_bytes(b"damaged")
    with pytest.raises(Faults, match=r"none of its first images can be read"):
        import_images(request(folder, tmp_path / "store", skips_damaged=True))
    assert contents(tmp_path / "store") == {}


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (photos(1, 8, 9)[0], r"dog/007.png is in colour, 9x8, and the images before it are in colour, 8x8; .*--size N --resize"),
        (photos(1, 8, 8, 1)[0], r"dog/007.png is grey, 8x8, and the images before it are in colour, 8x8; add --channels 3"),
    ],
)
def test_images_that_do_not_go_together_are_named_with_advice(folder, tmp_path, image, message):
    (folder / "dog" / "007.png").write_bytes(encoded(image))
    with pytest.raises(UserError, match=message):
        import_images(request(folder, tmp_path / "store"))


def test_grey_and_colour_go_together_where_colour_is_asked_for(folder, tmp_path):
    grey = photos(1, 8, 8, 1)[0]
    (folder / "dog" / "007.png").write_bytes(encoded(grey))
    import_images(request(folder, tmp_path / "store", Preparation(channels=3)))
    assert np.array_equal(open_store(tmp_path / "store").read([7])[0], np.stack([grey] * 3))


def test_colour_is_refused_where_grey_alone_is_asked_for(tmp_path):
    files = {"a.png": encoded(photos(1, 8, 8, 1)[0]), "b.png": encoded(photos(1)[0])}
    source = write(tmp_path / "set", files)
    with pytest.raises(UserError, match=r"b.png is in colour, .*; --channels 1 takes grey images alone"):
        import_images(request(source, tmp_path / "store", Preparation(channels=1)))


def test_a_place_with_something_else_is_refused(folder, tmp_path):
    with pytest.raises(UserError, match=r"set: is a folder with other files"):
        import_images(request(folder, folder))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"file is a file; name a folder"):
        import_images(request(folder, tmp_path / "file" / "store"))


def test_properties_that_viewers_apply_are_counted(tmp_path):
    turned = channels_first(photos(1))
    content = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(photos(1)[0]).save(content, "PNG", exif=exif)
    write(tmp_path / "set", {"a.png": content.getvalue(), "b.png": encoded(photos(1)[0])})
    imported = import_images(request(tmp_path / "set", tmp_path / "store"))
    assert imported.unapplied == {"an EXIF orientation": 1}
    assert np.array_equal(open_store(tmp_path / "store").read([0]), turned)
