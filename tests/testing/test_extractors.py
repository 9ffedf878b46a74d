"""The checks that extractors are put to find what they are for."""

import dataclasses

import pytest
from pixel_features import COMPONENT

from harness import UserError
from harness.testing.extractors import check_extractor


def test_an_extractor_that_keeps_the_rules_passes():
    check_extractor(COMPONENT)
    check_extractor(COMPONENT, shape=(1, 28, 28))


def test_rows_that_depend_on_the_batch_are_found():
    broken = dataclasses.replace(COMPONENT, build="pixel_features:BatchDependent")
    with pytest.raises(AssertionError, match="rest of the batch"):
        check_extractor(broken)


def test_other_outputs_than_declared_are_found():
    with pytest.raises(AssertionError, match="outputs"):
        check_extractor(dataclasses.replace(COMPONENT, outputs={"features": 7}))


def test_absent_weights_are_reported_by_the_components_check_alone():
    def absent(config):
        raise UserError("no weights")

    import pixel_features

    pixel_features.absent = absent
    with pytest.raises(UserError, match="no weights"):
        dataclasses.replace(COMPONENT, check_ready="pixel_features:absent").check_readiness(COMPONENT.config())
