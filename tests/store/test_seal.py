"""A sealed file is JSON, and every byte of it counts."""

import json

from harness.store.seal import seal_fault, sealed


def test_a_sealed_file_is_json_with_its_checksum_first():
    content = json.loads(sealed({"a": [1, 0.1 + 0.2, "é"], "b": None}))
    assert list(content) == ["sha256", "a", "b"]
    assert content | {"sha256": ""} == {"sha256": "", "a": [1, 0.1 + 0.2, "é"], "b": None}


def test_every_bit_counts():
    whole = sealed({"a": 1, "text": "x"}).encode()
    assert seal_fault(whole, "record") is None
    for position in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[position] ^= 1 << bit
            assert seal_fault(bytes(changed), "record") is not None


def test_ends_of_lines_of_another_system_are_no_damage():
    assert seal_fault(sealed({"a": 1}).replace("\n", "\r\n").encode(), "record") is None


def test_a_cut_file_is_not_whole():
    for length in (0, 1, 20, len(sealed({"a": 1})) - 2):
        assert seal_fault(sealed({"a": 1}).encode()[:length], "manifest") == "not a whole manifest"


def test_a_complete_file_that_was_edited_or_written_anew_does_not_fit_its_checksum():
    content = json.loads(sealed({"a": 1, "b": [2]}))
    edited = json.dumps(content | {"a": 3}, indent=1)
    for text in (edited, json.dumps(content), edited + "\n", sealed({"a": 1}).removesuffix("\n")):
        fault = seal_fault(text.encode(), "record")
        assert fault == "its checksum does not match what the file holds, which was edited or damaged"
    for text in ("{}", "[]", "3", '{"a": 1}'):  # no file of the harness
        assert seal_fault(text.encode(), "record") == "not a whole record"
