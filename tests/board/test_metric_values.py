"""What a metric gives is checked in one line, whoever asks it: a cell, a curve, a floor or `harness measure`."""

import numpy as np
import pytest
import torch

from harness.board.metric_values import checked_values
from harness.components import Metric
from harness.errors import PluginFault

FID = Metric("fid", build="plugin:FID", summary="")
MUST = r"; it must give floats by name, its own first: \{'fid': float\(…\)\}$"


@pytest.mark.parametrize(("values", "gave"), [
    ({}, "no value"),
    (None, "None"),
    (torch.tensor(1.0), "a Tensor"),
    (2.0, "a float"),
    ({"kid": 1.0}, "'kid'"),
    ({"fid sd": 1.0, "fid": 2.0}, "'fid sd', 'fid'"),
    ({"fid": None}, "a NoneType as 'fid'"),
    ({"fid": torch.tensor(1.0)}, "a Tensor as 'fid'"),
    ({"fid": np.float32(1.0)}, "a float32 as 'fid'"),
    ({"fid": np.array(1.0)}, "a ndarray as 'fid'"),
    ({"fid": True}, "a bool as 'fid'"),
    ({"fid": 1.0, "fid sd": "0.1"}, "a str as 'fid sd'"),
    ({"fid": 1.0, 7: 1.0}, "values under names that are no text"),
])  # fmt: skip
def test_what_is_no_value_is_named_with_what_it_must_be(values, gave):
    with pytest.raises(PluginFault, match=rf"^metric fid \(plugin:FID\): gave {gave}{MUST}"):
        checked_values(FID, values)


def test_floats_pass_as_plain_floats_in_their_order():
    values = checked_values(FID, {"fid": np.float64(1.5), "fid sd": 2})
    assert list(values.items()) == [("fid", 1.5), ("fid sd", 2.0)]
    assert {type(value) for value in values.values()} == {float}
