"""scikit-learn's digits: the pinned images, the pinned split."""

import pytest
import torch

from harness import UserError
from harness.components import Dataset
from harness.plugins import registry
from harness_digits import DigitsConfig, images


def test_the_split_is_the_one_that_records_were_made_with():
    source = images.digits(DigitsConfig())
    # Moves only with a change of the split, which makes every published number on digits stale.
    assert source.fingerprint == "9a866a1fc72482623ab89626e3c82f8cd7e9fb58e4e296db7cce7ac46061518e"


def test_halves_of_every_class_are_held_out():
    source = images.digits(DigitsConfig())
    assert len(source.train()) == 901
    assert source.largest_evaluation == 448
    assert source.train().labels.bincount().min() == 87
    assert (source.train().x.min().item(), source.train().x.max().item()) == (-1, 1)
    assert len(source.train().x.unique()) == 17


def test_other_digits_than_the_pinned_ones_are_refused(monkeypatch):
    monkeypatch.setattr(images, "SHA256", "0" * 64)
    with pytest.raises(UserError, match=r"dataset digits.*expected 000"):
        images.digits(DigitsConfig())


def test_the_images_are_scikit_learns_pixels_over_their_largest():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    source = images.digits(DigitsConfig())
    known = {(row.astype("uint8").tobytes(), int(label)) for row, label in zip(pixels, labels, strict=True)}
    train = source.train()
    stored = ((train.x + 1) * 8).round().to(torch.uint8).flatten(1).numpy()
    assert {(row.tobytes(), int(label)) for row, label in zip(stored, train.labels.tolist(), strict=True)} <= known


def test_no_image_of_training_is_held_out():
    source = images.digits(DigitsConfig())
    train = {image.numpy().tobytes() for image in source.train().x}
    held_out = {image.numpy().tobytes() for draw in (0, 1) for image in source.evaluation(draw, 448).x}
    assert len(held_out) == 896
    assert not train & held_out


def test_what_is_declared_without_reading_is_what_there_is():
    component = registry().get(Dataset, "digits", where="test")
    assert component.known_spec(component.config()) == component.create(component.config()).spec


def test_more_evaluation_images_than_half_of_what_is_held_out_are_refused():
    with pytest.raises(ValueError, match="digits: 449 evaluation images"):
        images.digits(DigitsConfig()).evaluation(0, 449)


def test_images_kept_for_the_curve_leave_training_and_the_default_as_they_are():
    plain, kept = images.digits(DigitsConfig()), images.digits(DigitsConfig(selection=448))
    assert torch.equal(plain.train().x, kept.train().x)
    assert (kept.largest_evaluation, kept.largest_selection, plain.largest_selection) == (224, 448, None)
    selection = {image.numpy().tobytes() for image in kept.selection(2_000_000_003, 448).x}
    evaluated = {image.numpy().tobytes() for draw in (0, 1) for image in kept.evaluation(draw, 224).x}
    assert (len(selection), len(evaluated)) == (448, 448)
    assert not selection & evaluated
    assert not selection & {image.numpy().tobytes() for image in kept.train().x}
    assert kept.selection(0, 448).labels.bincount().min() >= 43  # each class has its share


def test_the_setting_is_in_no_key_at_its_default():
    assert DigitsConfig().identity == {}
    assert DigitsConfig(selection=448).identity == {"selection": 448}
