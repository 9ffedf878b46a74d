"""After reading, every holder is replaced by its plain value, each once, and other values are no data."""

import numpy as np
import pytest

from harness.weights.pickles import Persistent, RefusedPickle
from harness.weights.pickles.containers import Call, Finished, PlainDict
from harness.weights.pickles.guard import copies_limited
from harness.weights.pickles.networks import Container
from harness.weights.pickles.numpy_arrays import Array, NumberType
from harness.weights.pickles.plain import Resolver


def resolve(value):
    return Resolver().resolve(value)


def filled():
    array = Array()
    array.value = np.arange(3)
    return array


def table(**items):
    with copies_limited(0):
        return PlainDict(items)


def test_holders_inside_of_containers_become_their_values():
    found = resolve({"a": [Finished(1), (filled(), table(x=Finished("y")))]})
    assert found["a"][0] == 1
    assert found["a"][1][0].tolist() == [0, 1, 2]
    assert found["a"][1][1] == {"x": "y"}
    assert type(found["a"][1][1]) is dict


def test_holders_in_the_state_of_modules_become_their_values():
    container = Container()
    container.state = {"_buffers": table(b=Finished(2))}
    found = resolve(Persistent("Net", {"_modules": {"list": container}}))
    assert found.state["_modules"]["list"].state == {"_buffers": {"b": 2}}


def test_shared_values_stay_shared_and_cycles_closed():
    shared, array = [Finished(1)], filled()
    cycle: dict[str, object] = {"first": shared, "second": shared, "arrays": [array, array]}
    cycle["self"] = cycle
    module = Persistent("Net", {})
    module.state["_modules"] = {"again": module}
    found, network = resolve(cycle), resolve(module)
    assert found["first"] is found["second"]
    assert found["arrays"][0] is found["arrays"][1]
    assert found["self"] is found
    assert network.state["_modules"]["again"] is network


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({(1, 2): "x"}, "a dictionary has a key of type tuple"),
        ({Finished(1): "x"}, "a dictionary has a key of type Finished"),
        ({(1, 2)}, "a set has other members than text and numbers"),
        (frozenset({Finished(1)}), "a set has other members than text and numbers"),
        ([Array()], "a numpy array has no content"),
        ([PlainDict], "a function or a type as a value"),
        ([Call(len)], "a function or a type as a value"),
        ([NumberType("f4")], "a function or a type as a value"),
    ],
)
def test_what_is_no_data_is_refused(value, message):
    with pytest.raises(RefusedPickle, match=message):
        resolve(value)


def test_keys_and_members_may_be_text_bytes_numbers_and_none():
    value = {"a": {1, 2.5, "x", b"y", None}, b"b": frozenset({3}), 4: None, None: 5, 2.5: 6}
    assert resolve(value) == value
