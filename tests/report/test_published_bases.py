from harness.report.base_copies import copy
from harness.report.passed_over import passed_over
from harness.report.published_bases import current, faults, trained
from harness.report.render import render_published

OF_RECORDS, OTHER = "b" * 64, "c" * 64


def test_bases_of_one_network_are_one_training(load):
    board = load(("  chain: {label: Chain, model: chain", "  twin: {label: Twin, model: net"))
    assert list(trained(board)) == ["net"]


def test_the_page_names_the_bases_that_stand_beside_it(board, runs, run_records, train_base, publish_bases):
    run_records(board, runs)
    publish_bases()
    assert "pretrained bases" not in render_published(board).page
    train_base(board, "net", OF_RECORDS)
    publish_bases()
    assert "The weights of 1 of its 2 pretrained bases stand in `bases/`: `harness run" in render_published(board).page
    train_base(board, "chain", OF_RECORDS)
    publish_bases()
    page = render_published(board).page
    assert "The weights of its pretrained bases stand in `bases/`: `harness run" in page
    assert "--keep-published` starts from them." in page


def test_a_damaged_published_base_is_a_fault(board, bases_folder, collection, runs, train_base, publish_bases):
    train_base(board, "net", OF_RECORDS)
    publish_bases()
    assert faults(collection) == []
    (bases_folder / "net" / "weights.safetensors").write_bytes(b"other")
    assert faults(collection) == [f"{bases_folder / 'net'}: damaged: weights.safetensors does not match its checksum"]
    assert current(board) == 1  # the page does not read weights


def test_a_published_base_of_other_weights_than_the_records_is_a_fault(board, bases_folder, collection, runs, train_base):
    copy(train_base(board, "net", OTHER), bases_folder / "net")
    said = f"{bases_folder / 'net'}: its weights are {OTHER[:12]}, and the records are of {OF_RECORDS[:12]}"
    assert faults(collection) == [said]


def test_a_base_of_older_settings_and_a_strange_folder_count_not(load, board, bases_folder, runs, train_base, publish_bases):
    train_base(board, "net", OTHER)
    publish_bases()
    (bases_folder / "mine").mkdir()
    edited = load(
        (" net, pretrain: {method: fit, training: {images: 1280", " net, pretrain: {method: fit, training: {images: 2560")
    )
    collection = render_published(edited).content.collection
    assert passed_over(collection)[:2] == [
        f"{bases_folder / name}: no base of the board as it is now; it counts for nothing" for name in ("mine", "net")
    ]
    assert current(edited) == 0
    assert faults(collection) == []
    assert publish_bases(of=edited, bases=False).removed == {"net": "of older settings"}  # the other is somebody's own


def test_a_file_in_place_of_the_folder_is_a_fault(bases_folder, collection):
    bases_folder.write_text("mine")
    assert faults(collection) == [f"{bases_folder}: a file stands where a folder must be; move it away"]
