"""The checks of extractors find each broken promise in an extractor that otherwise keeps all of them."""

import dataclasses

import pytest
import torch
from pixel_features import COMPONENT, OUTPUTS, PixelFeatures

from harness.config import NoConfig
from harness.errors import UserError
from harness.streams import stream
from harness.testing import extractors
from harness.testing.extractors import check_extractor


@pytest.fixture
def images():
    return torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8, generator=stream(0, "images"))


def changed(change, **attributes):
    """The extractor, with its outputs changed, and perhaps attributes."""

    class Changed(PixelFeatures):
        def forward(self, images):
            return change(super().forward(images), images)

    extractor = Changed()
    for name, value in attributes.items():
        setattr(extractor, name, value)
    return extractor


def with_features(change):
    return changed(lambda outputs, _: {**outputs, "features": change(outputs["features"])})


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_an_extractor_that_keeps_the_rules_passes(shape):
    check_extractor(COMPONENT, shape=shape)


def test_absent_weights_are_the_users_message_and_not_a_failure(target):
    def absent(config):
        raise UserError("no weights")

    with pytest.raises(UserError, match="no weights"):
        check_extractor(dataclasses.replace(COMPONENT, check_ready=target(absent)))


def test_an_extractor_is_put_into_eval_mode():
    extractor = extractors.create(COMPONENT, NoConfig())
    assert isinstance(extractor, torch.nn.Module)
    assert not extractor.training


@pytest.mark.parametrize("declared", [{"features": 7, "logits": 4, "spatial": 5}, {"features": 6}])
def test_other_outputs_than_declared_are_found(failure, declared):
    message = failure(check_extractor, dataclasses.replace(COMPONENT, outputs=declared))
    assert message == f"outputs: the component declares {declared}, what it builds {OUTPUTS}"


@pytest.mark.parametrize(("attributes", "message"), [
    ({"outputs": {"logits": 4}}, "outputs: an extractor has an output `features`"),
    ({"preprocessing": "two\nlines"}, "preprocessing is one line of text"),
    ({"preprocessing": ""}, "preprocessing is one line of text, got ''"),
    ({"preprocessing": " padded "}, "preprocessing is one line of text"),
    ({"weights_sha256": "ABC"}, "weights_sha256 is 'ABC'; give 64 lower-case hex digits"),
    ({"images_on_cpu": 0}, "images_on_cpu is 0; give a number above 0, or None"),
])  # fmt: skip
def test_descriptions_that_keys_and_records_cannot_hold_are_found(failure, attributes, message):
    extractor = changed(lambda outputs, _: outputs, **attributes)
    component = dataclasses.replace(COMPONENT, outputs=dict(extractor.outputs))
    assert message in failure(extractors.check_declared, component, extractor)


SPATIAL = "gave spatial as a torch.float64 tensor of shape (5, 5); it must give a torch.float32 tensor of shape (5, 5)"


@pytest.mark.parametrize(("change", "message"), [
    (lambda outputs, _: {"features": outputs["features"]}, "gave no logits; it must give a torch.float32 tensor of shape (5, 4)"),
    (lambda *_: None, "gave None; it must give its outputs by name: features, logits, spatial"),
    (lambda outputs, _: {**outputs, "extra": outputs["logits"]},
     "gave ['extra', 'features', 'logits', 'spatial'], declares ['features', 'logits', 'spatial']"),
    (lambda outputs, _: {**outputs, "logits": outputs["logits"][:2]},
     "gave logits as a torch.float32 tensor of shape (2, 4); it must give a torch.float32 tensor of shape (5, 4)"),
    (lambda outputs, _: {**outputs, "spatial": outputs["spatial"].double()}, SPATIAL),
    (lambda outputs, _: {**outputs, "features": outputs["features"] / 0}, "features is not finite on random images"),
    (lambda outputs, _: {**outputs, "features": outputs["features"].requires_grad_()},
     "features carries gradients; extract under torch.no_grad()"),
    (lambda outputs, images: [outputs, images.zero_()][0], "it changes its images"),
])  # fmt: skip
def test_outputs_of_another_form_are_found(failure, images, change, message):
    assert failure(extractors.check_outputs, changed(change), images) == message


def test_global_randomness_is_found_whether_it_changes_the_features_or_not(failure, images):
    extractors.check_repeats(PixelFeatures(), images)
    noisy = with_features(lambda features: features + torch.rand(()))
    assert failure(extractors.check_repeats, noisy, images) == "draws from torch's global randomness"
    idle = with_features(lambda features: features + 0 * torch.rand(()))
    assert failure(extractors.check_repeats, idle, images) == "draws from torch's global randomness"


def test_features_that_change_from_call_to_call_are_found(failure, images):
    calls = []
    drifting = with_features(lambda features: features + len([calls.append(1), *calls]))
    assert failure(extractors.check_repeats, drifting, images) == "features differs between two calls on the same images"


@pytest.mark.parametrize("change", [
    lambda features: features - features.mean(0),  # of the other images
    lambda features: features + torch.arange(len(features))[:, None],  # of the place in the batch
    lambda features: features * len(features),  # of the batch's size
])  # fmt: skip
def test_rows_that_depend_on_the_batch_are_found(failure, images, change):
    extractors.check_rows_are_apart(PixelFeatures(), images)
    assert failure(extractors.check_rows_are_apart, with_features(change), images).startswith("features depends on the rest")


def test_rounding_is_no_dependence_on_the_batch(images):
    extractors.check_rows_are_apart(with_features(lambda features: features * (1 + 1e-6 * len(features))), images)
