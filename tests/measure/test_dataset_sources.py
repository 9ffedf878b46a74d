"""Datasets as sources: a held-out draw or training images, by name, by split, and with settings."""

import pytest
import torch

from harness import UserError
from harness.components import Dataset
from harness.images.quantise import to_uint8
from harness.measure.dataset_sources import DatasetRequest, dataset_source, parse_dataset
from harness.measure.reading_options import IMAGES, ReadingOptions
from harness.plugins import registry
from harness.stages.example_sets import spread_rows


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("digits", DatasetRequest("digits", {}, 0)),
        ("digits@7", DatasetRequest("digits", {}, 7)),
        ("digits@train", DatasetRequest("digits", {}, None)),
        ("{name: corrupted, blur: 1.0}@train", DatasetRequest("corrupted", {"blur": 1.0}, None)),
        ("{name: corrupted, dataset: {name: digits}}", DatasetRequest("corrupted", {"dataset": {"name": "digits"}}, 0)),
    ],
)
def test_a_text_names_a_dataset_its_settings_and_which_of_its_images(text, request_):
    assert parse_dataset(text, where="SAMPLES") == request_


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("digits@test", "SAMPLES digits@test: after @ stands train, or the number of a held-out draw"),
        ("digits@-1", "SAMPLES digits@-1: after @ stands train, or the number of a held-out draw"),
        ("{name: corrupted, blur: ]", "no YAML mapping such as {name: corrupted, blur: 1.0}"),
        ("{blur: 1.0}", "a dataset with settings is a mapping with its name, {name: corrupted, blur: 1.0}"),
        ("{name: 3}", "a dataset with settings is a mapping with its name"),
    ],
)
def test_another_text_is_refused_with_what_may_stand_there(text, message):
    with pytest.raises(UserError) as caught:
        parse_dataset(text, where="SAMPLES")
    assert message in str(caught.value)


def read(text, context, **options):
    return dataset_source(text, ReadingOptions(**options), context, where="SAMPLES")


def directly(draw, n):
    """Images of the digits as bytes, without the harness between; draw None stands for the training data."""
    component = registry().get(Dataset, "digits", where="test")
    data = component.create(component.config())
    return to_uint8(data.train().x[spread_rows(n, 901)] if draw is None else data.evaluation(draw, n).x)


@pytest.mark.parametrize(("split", "draw"), [("@0", 0), ("@3", 3), ("@train", None)])
def test_the_images_are_those_that_the_dataset_gives(context, split, draw):
    source = read(f"digits{split}", context, images=30)
    assert torch.cat(list(source.images.batches(7))).equal(directly(draw, 30))
    assert source.options_used == {IMAGES}


def test_all_that_a_split_has_is_taken_where_no_number_is_given(context):
    assert read("digits", context).n == 448
    assert read("digits@train", context).n == 901


def test_the_split_is_named_and_part_of_the_identity(context):
    held_out, train = read("digits@3", context, images=30), read("digits@train", context, images=30)
    assert (held_out.kind, held_out.split) == ("dataset, held-out images, draw 3", "held-out images, draw 3")
    assert (train.kind, train.split) == ("dataset, training images", "training images")
    identities = [source.identify(lambda _: None) for source in (held_out, train)]
    assert [identity["draw"] for identity in identities] == [3, "train"]
    assert identities[0]["fingerprint"] == identities[1]["fingerprint"]


def test_the_code_of_the_dataset_is_named_for_the_features_that_are_kept(context):
    assert "dataset digits" in {facts.component for facts in read("digits", context, images=20).sources}


def test_a_dataset_without_a_largest_draw_asks_for_the_number(context):
    text = "{name: corrupted, dataset: digits, dropped_classes: 1}"  # how many are left is known after a draw
    with pytest.raises(UserError, match="say how many images to take of it, with --images N"):
        read(text, context)
    assert read(text, context, images=20).n == 20


@pytest.mark.parametrize(
    ("text", "images", "message"),
    [
        ("digits", 449, "gives 448 held-out examples a draw at most, and 449 are asked for"),
        ("digits@train", 902, "SAMPLES digits@train: 901 training images, and --images 902"),
        ("swiss-roll", 100, "SAMPLES swiss-roll: holds points and no images"),
        ("{name: corrupted, blurr: 1}", 100, "no setting is called 'blurr'; did you mean 'blur'?"),
        ("digitz", 100, "no dataset is called 'digitz'; did you mean 'digits'?"),
    ],
)
def test_what_a_dataset_cannot_give_is_one_message(context, text, images, message):
    with pytest.raises(UserError) as caught:
        read(text, context, images=images)
    assert message in str(caught.value)
