"""Known faults: as strong as asked for, the same everywhere, and nothing else changes."""

from dataclasses import replace

import pytest
import torch

from harness import UserError
from harness.board.components import Resolved
from harness.components import Dataset
from harness.plugins import registry
from harness.stages.checked import CheckedSource
from harness.testing import datasets
from harness_corrupted import CorruptedConfig, files
from harness_corrupted.files import check
from harness_corrupted.images import Corrupted, blurred
from harness_digits import DigitsConfig
from harness_digits.images import digits

N = 200
FINGERPRINT = "d2207e7d6e64d5999732f632a7f420e3dcc4d24bae5b42adb73c668a4e4d0186"
"""Of digits with a blur of half a pixel, as records have it."""


@pytest.fixture(scope="module")
def clean():
    return Corrupted(CorruptedConfig()).evaluation(4, N)


def faulty(**settings):
    return Corrupted(CorruptedConfig(**settings)).evaluation(4, N)


def test_without_faults_it_is_the_dataset_itself(clean):
    component = registry().get(Dataset, "digits", where="test")
    own = component.create(component.config()).evaluation(4, N)
    assert torch.equal(clean.x, own.x)
    torch.testing.assert_close(clean.labels, own.labels, rtol=0, atol=0)


def test_all_faults_at_once_keep_the_contract():
    component = registry().get(Dataset, "corrupted", where="test")
    config = CorruptedConfig(blur=0.7, noise=0.1, dropped_classes=2, swapped_labels=0.3)
    # All of check_dataset but the other processes, which tests/conformance starts for every dataset.
    source = component.create(config)
    datasets.check_batches(source, 64)
    datasets.check_data_repeats(component, config, 64)
    datasets.check_evaluation_is_apart(source, 64)


def test_noise_has_the_strength_asked_for_where_nothing_is_clipped(clean):
    apart = faulty(noise=0.05).x - clean.x
    middle = apart[clean.x.abs() < 0.7]
    assert middle.std() == pytest.approx(0.05, rel=0.05)
    assert faulty(noise=2.0).x.abs().max() == 1


def test_noise_of_two_draws_is_independent():
    source = Corrupted(CorruptedConfig(noise=0.1))
    plain = Corrupted(CorruptedConfig())
    first, second = (source.evaluation(d, 50).x - plain.evaluation(d, 50).x for d in (0, 1))
    assert not torch.equal(first, second)


def test_a_blurred_point_is_a_gaussian():
    x = torch.full((1, 1, 21, 21), -1.0)
    x[0, 0, 10, 10] = 1.0
    share = (blurred(x, 2.0)[0, 0].double() + 1) / 2
    offsets = torch.arange(21) - 10.0
    assert share.sum() == pytest.approx(1, abs=1e-4)  # 441 pixels near -1, each rounded to 6e-8
    assert (share.sum(0) * offsets**2).sum() == pytest.approx(4, rel=1e-2)
    torch.testing.assert_close(share, share.T, rtol=0, atol=1e-6)


def test_a_blur_leaves_flat_images_alone():
    x = torch.full((2, 3, 5, 4), 0.25)
    torch.testing.assert_close(blurred(x, 1.5), x)


def test_dropped_classes_are_missing_and_their_places_taken_by_others(clean):
    kept = faulty(dropped_classes=4)
    assert kept.labels.max() == 5
    assert len(kept) == N
    assert len({row.numpy().tobytes() for row in kept.x}) == N
    first = clean.x[clean.labels < 6]
    assert torch.equal(kept.x[: len(first)], first)


def test_swapped_labels_change_no_image(clean):
    swapped = faulty(swapped_labels=0.4)
    assert torch.equal(swapped.x, clean.x)
    moved = swapped.labels != clean.labels
    assert moved.float().mean() == pytest.approx(0.4, abs=0.1)  # three standard deviations of 200 coins
    assert torch.equal(swapped.labels[moved], (clean.labels[moved] + 1) % 10)


def test_too_few_images_of_the_kept_classes_are_an_error():
    with pytest.raises(ValueError, match="400 images of 1 of 10 classes are not there: digits"):
        Corrupted(CorruptedConfig(dropped_classes=9)).evaluation(0, 400)


def test_the_largest_evaluation_set_is_that_of_the_dataset_unless_classes_are_missing():
    source = Corrupted(CorruptedConfig(blur=1.0))
    assert source.largest_evaluation == 448
    datasets.check_largest_evaluation(source)
    assert Corrupted(CorruptedConfig(dropped_classes=1)).largest_evaluation is None


@pytest.mark.parametrize("dropped", [0, 1, 9])
def test_its_draws_are_from_the_held_out_images_of_the_classes_that_are_kept(dropped):
    labels = [digits(DigitsConfig()).evaluation(draw, 448).labels for draw in (0, 1)]
    held_out = torch.cat([each for each in labels if each is not None])
    source = Corrupted(CorruptedConfig(dropped_classes=dropped))
    assert source.held_out_examples() == int((held_out < 10 - dropped).sum())
    resolved = Resolved(registry().get(Dataset, "corrupted", where="test"), source.config, "test", "1/1")
    assert CheckedSource(resolved, source).held_out_examples() == source.held_out_examples()  # what a record says


def test_the_component_says_of_the_data_what_that_of_the_dataset_says(monkeypatch):
    own = registry().get(Dataset, "digits", where="test")
    alike = replace(own, stratified=lambda config: f"a few of {config.model_dump()['selection']}", made_up=lambda _: True)
    monkeypatch.setattr(files, "component", lambda _: alike)
    component, config = registry().get(Dataset, "corrupted", where="test"), CorruptedConfig(selection=448, blur=1.0)
    assert component.known_spec(config) == own.known_spec(own.config())
    assert component.stratification(config) == "a few of 448"
    assert component.is_made_up(config)
    assert (component.known_held_out(config), component.known_largest_draw(config)) == (448, 224)
    assert component.known_held_out(CorruptedConfig(dropped_classes=1)) is None  # only the data tell


def test_of_a_dataset_that_is_not_there_nothing_is_said_before_it_is_refused():
    component, config = registry().get(Dataset, "corrupted", where="test"), CorruptedConfig(dataset="digit")
    said = component.known_spec(config), component.stratification(config), component.known_held_out(config)
    assert (*said, component.is_made_up(config)) == (None, "", None, False)


def test_settings_are_part_of_the_fingerprint():
    prints = {Corrupted(CorruptedConfig(blur=blur)).fingerprint for blur in (0, 1, 2)}
    assert len(prints) == 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dataset": "digit"}, "did you mean 'digits'"),
        ({"dataset": "corrupted"}, "names itself"),
        ({"dataset": "swiss-roll"}, "holds no images"),
        ({"dropped_classes": 10}, "cannot drop 10 of 10"),
    ],
)
def test_what_cannot_be_corrupted_is_refused(settings, said):
    with pytest.raises(UserError, match=said):
        _built(CorruptedConfig(**settings))


def _built(config):
    check(config)
    return Corrupted(config)


def component():
    return registry().get(Dataset, "corrupted", where="test")


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_a_blur_keeps_the_mean_of_an_image_whose_edges_are_flat(sigma):
    x = torch.zeros(1, 2, 31, 31)
    x[0, :, 14:17, 13:18] = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(blurred(x, sigma).mean((2, 3)), x.mean((2, 3)), rtol=1e-4, atol=1e-6)


def test_two_blurs_are_one_of_the_root_of_the_sum_of_their_squares():
    x = torch.zeros(1, 1, 41, 41)
    x[0, 0, 20, 20] = 1.0
    torch.testing.assert_close(blurred(blurred(x, 1.5), 2.0), blurred(x, 2.5), rtol=0, atol=2e-4)


def test_channels_are_blurred_apart():
    x = torch.zeros(1, 3, 9, 9)
    x[0, 1] = torch.rand(9, 9, generator=torch.Generator().manual_seed(0))
    out = blurred(x, 1.0)
    assert not out[0, [0, 2]].any()
    torch.testing.assert_close(out[0, 1], blurred(x[:, 1:2], 1.0)[0, 0])


def test_faults_are_the_same_in_every_object_and_other_in_training_and_evaluation():
    first, again = (Corrupted(CorruptedConfig(noise=0.1, swapped_labels=0.5)) for _ in range(2))
    assert torch.equal(first.train().x, again.train().x)
    torch.testing.assert_close(first.evaluation(1, 30).labels, again.evaluation(1, 30).labels, rtol=0, atol=0)


def test_a_smaller_evaluation_set_is_the_start_of_a_larger_one_with_dropped_classes_too():
    source = Corrupted(CorruptedConfig(dropped_classes=3))
    assert torch.equal(source.evaluation(2, 40).x, source.evaluation(2, 120).x[:40])


def test_training_images_lose_the_dropped_classes():
    kept, whole = Corrupted(CorruptedConfig(dropped_classes=7)).train(), Corrupted(CorruptedConfig()).train()
    assert kept.labels.max() == 2
    assert len(kept) == (whole.labels < 3).sum()


def test_all_labels_swapped_are_all_the_next_class(clean):
    assert torch.equal(faulty(swapped_labels=1.0).labels, (clean.labels + 1) % 10)


def test_no_fault_has_the_fingerprint_of_its_settings_and_of_the_dataset():
    plain = registry().get(Dataset, "digits", where="test")
    assert Corrupted(CorruptedConfig()).fingerprint != plain.create(plain.config()).fingerprint
    assert Corrupted(CorruptedConfig()).fingerprint == Corrupted(CorruptedConfig()).fingerprint


def test_files_that_the_named_dataset_lacks_are_named_before_work(monkeypatch, tmp_path):
    monkeypatch.setattr("harness_mnist.files.DEBIAN", tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    with pytest.raises(UserError, match=r"dataset fashion-mnist: train-images-idx3-ubyte\.gz"):
        component().check_readiness(CorruptedConfig(dataset="fashion-mnist"))
    component().check_readiness(CorruptedConfig())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blur": -1}, "greater than or equal to 0"),
        ({"swapped_labels": 1.5}, "less than or equal to 1"),
        ({"blurr": 1}, "Extra inputs"),
    ],
)
def test_amounts_outside_their_range_are_faults(settings, message):
    with pytest.raises(ValueError, match=message):
        CorruptedConfig(**settings)


def test_images_kept_for_the_curve_are_the_datasets_own():
    own = digits(DigitsConfig(selection=448))
    assert torch.equal(Corrupted(CorruptedConfig(selection=448)).selection(5, 100).x, own.selection(5, 100).x)
    assert torch.equal(Corrupted(CorruptedConfig(selection=448)).evaluation(1, 224).x, own.evaluation(1, 224).x)
    assert Corrupted(CorruptedConfig()).largest_selection is None
    dropped = Corrupted(CorruptedConfig(selection=448, dropped_classes=9))
    zeros = dropped.largest_selection or 0
    assert dropped.selection(0, zeros).labels.unique().tolist() == [0]
    with pytest.raises(ValueError, match="are kept for the curve"):
        dropped.selection(0, zeros + 1)


def test_a_setting_that_the_dataset_lacks_or_refuses_is_named():
    with pytest.raises(UserError, match="cannot keep so many images: Input should be less than or equal to 894"):
        check(CorruptedConfig(selection=900))


def test_the_fingerprint_without_kept_images_is_the_one_of_records():
    assert Corrupted(CorruptedConfig(blur=0.5)).fingerprint == FINGERPRINT
    assert Corrupted(CorruptedConfig(blur=0.5, selection=448)).fingerprint != FINGERPRINT
