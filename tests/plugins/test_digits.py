"""scikit-learn's digits: the pinned images, the pinned split."""

import pytest

from harness import NoConfig, UserError
from harness_digits import images


def test_the_split_is_the_one_that_records_were_made_with():
    source = images.digits(NoConfig())
    # Moves only with a change of the split, which makes every published number on digits stale.
    assert source.fingerprint == "9a866a1fc72482623ab89626e3c82f8cd7e9fb58e4e296db7cce7ac46061518e"


def test_halves_of_every_class_are_held_out():
    source = images.digits(NoConfig())
    assert len(source.train()) == 901
    assert source.largest_evaluation == 448
    assert source.train().labels.bincount().min() == 87
    assert (source.train().x.min().item(), source.train().x.max().item()) == (-1, 1)
    assert len(source.train().x.unique()) == 17


def test_other_digits_than_the_pinned_ones_are_refused(monkeypatch):
    monkeypatch.setattr(images, "SHA256", "0" * 64)
    with pytest.raises(UserError, match=r"dataset digits.*expected 000"):
        images.digits(NoConfig())
