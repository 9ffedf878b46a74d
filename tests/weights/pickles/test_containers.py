"""Stand-ins of plain containers: only items, made of plain content, and nothing that a pickle could change."""

import collections
import pickle

import pytest
from pickle_opcodes import named, opcodes, text

from harness.weights import pickles
from harness.weights.pickles import RefusedPickle
from harness.weights.pickles.containers import Call, Finished, PlainDict, naturals

TABLE = named("collections", "OrderedDict")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_ordered_dictionaries_of_every_protocol_come_back(protocol):
    original = collections.OrderedDict([("b", 1), ("a", [2])])
    assert pickles.loads(pickle.dumps(original, protocol)) == {"b": 1, "a": [2]}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_bytes_and_sets_of_every_protocol_come_back(protocol):
    value = {"bytes": bytes(range(256)), "set": {1, "a"}, "frozen": frozenset({2})}
    if protocol < 4:
        del value["frozen"]  # builtins.frozenset is no permitted name
    assert pickles.loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (TABLE + b"K\x01\x85R", "a dictionary is made of pairs"),
        (TABLE + b")R}b", "a dictionary has items only"),
        (named("builtins", "set") + text("abc") + b"\x85R", "a set is made of a list"),
        (named("_codecs", "encode") + text("a") + text("utf-8") + b"\x86R", "_codecs.encode is allowed for latin1 only"),
        (named("_codecs", "encode") + b"K\x01" + text("latin1") + b"\x86R", "_codecs.encode is allowed for latin1 only"),
    ],
)
def test_other_arguments_and_states_are_refused(body, message):
    with pytest.raises(RefusedPickle, match=message):
        pickles.loads(opcodes(body))


def test_a_function_has_no_attribute_that_could_be_changed():
    call = Call(len)
    assert call("abc") == 3
    with pytest.raises(RefusedPickle, match="the attribute '_function' of a function is not data"):
        call._function = print
    with pytest.raises(RefusedPickle, match="the state of a function is not data"):
        call.__setstate__({})
    assert call("abc") == 3


def test_tables_and_finished_values_have_no_other_attributes():
    for holder in (Finished(1), PlainDict.__new__(PlainDict)):
        with pytest.raises(AttributeError):
            holder.other = 1


@pytest.mark.parametrize("values", [(), (0, 5), (2**62 - 1,)])
def test_sizes_are_natural_numbers(values):
    assert naturals(values) is values


@pytest.mark.parametrize("values", [[1], (1.0,), (True,), (-1,), (2**62,), ("1",), None])
def test_everything_else_is_no_size(values):
    with pytest.raises(RefusedPickle, match="there is no tuple of sizes where one must be"):
        naturals(values)
