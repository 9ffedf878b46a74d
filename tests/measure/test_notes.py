"""Remarks on a measurement: what its reader should know before quoting a number."""

from dataclasses import replace

import pytest

from harness.measure.notes import notes


@pytest.fixture
def notes_on(make_plan):
    """Returns the notes on sources, where identities are given by name and are otherwise all different."""

    def notes_of(samples, reference=None, **identities):
        plan = make_plan(samples, reference)
        by_name = {source.name: identities.get(source.name, {"pixels": source.name}) for source in plan.sources}
        return list(notes(plan, by_name))

    return notes_of


@pytest.fixture
def source(make_source, random_images):
    def source_of(name, **fields):
        return make_source(name, random_images(0), **fields)

    return source_of


def draw_of(dataset, draw):
    return {"dataset": {}, "fingerprint": dataset, "draw": draw}


def test_there_is_nothing_to_say_of_different_sets_of_one_shape(notes_on, source):
    assert notes_on([source("a"), source("b")], source("real")) == []


def test_the_notes_of_every_source_come_first(notes_on, source):
    samples, real = source("a", notes=("a: 1 other files are ignored",)), source("real", notes=("real: statistics",))
    assert notes_on([samples], real) == ["a: 1 other files are ignored", "real: statistics"]


def test_different_shapes_are_named_with_one_source_of_each(notes_on, source, make_source, random_images):
    large = make_source("large", random_images(0, channels=3, size=16))
    assert notes_on([source("a")], large) == [
        "images of different shapes are compared, each resized on its own: a 1×8×8; large 3×16×16"
    ]


@pytest.mark.parametrize(
    ("n", "size", "expected"),
    [
        (20, 16, ["images of different shapes are compared, each resized on its own: a 1×16×16; real 1×8×8"]),
        (20, 8, []),
        (None, 16, []),  # the file does not say the shape
    ],
)
def test_the_shape_that_a_file_of_statistics_states_is_compared(
    notes_on, make_source, make_statistics, random_images, n, size, expected
):
    samples, real = make_source("a", random_images(0, size=size)), make_source("real", statistics=make_statistics(n=n))
    assert notes_on([samples], real) == expected


def test_sets_that_are_compared_with_themselves_are_named(notes_on, source):
    same = {"pixels": "same"}
    assert notes_on([source("a")], source("real"), a=same, real=same) == ["a holds the same images as real"]


def test_a_set_on_both_sides_is_remarked_once(notes_on, source):
    both = replace(source("a"), notes=("a: 1 other files",), notes_of_images=lambda: ["a: 2 images are turned"])
    assert notes_on([both], both, a={"pixels": "same"}) == [
        "a: 1 other files", "a: 2 images are turned", "a is compared with itself",
    ]  # fmt: skip


def test_repetitions_of_the_same_images_are_named(notes_on, source):
    same = {"pixels": "same"}
    assert notes_on([source("a"), source("b"), source("c")], a=same, b=same, c=same) == [
        "b holds the same images as a",
        "c holds the same images as a",
    ]


def test_statistics_alone_are_never_the_same_images(notes_on, source):
    assert notes_on([source("a")], source("real"), a={}, real={}) == []


@pytest.mark.parametrize(("draw", "is_noted"), [(0, False), (1, False), (2, True), (3, True), ("train", False)])
def test_draws_that_may_share_images_are_named(notes_on, source, draw, is_noted):
    # Draws 2k and 2k + 1 of a dataset are disjoint by contract; others may come from the same images.
    found = notes_on([source("other")], source("first"), other=draw_of("digits", draw), first=draw_of("digits", 0))
    told = "other and first may share images: only draws 2k and 2k + 1 share none"
    assert (told in found) == is_noted


def test_draws_of_different_datasets_share_nothing(notes_on, source):
    found = notes_on([source("a")], source("b"), a=draw_of("digits", 0), b=draw_of("mnist", 5))
    assert found == []


def of(dataset, draw, fingerprint=None, /, **settings):
    """The identity of a draw, with a fingerprint that is its own unless it is given."""
    identity = {"name": dataset, "version": "1/1", "settings": settings}
    return {"dataset": identity, "fingerprint": fingerprint or f"{dataset} {settings}", "draw": draw}


SHARED = "other and first are the same draw of datasets that share examples: images are compared with themselves, or with images "


@pytest.mark.parametrize(
    ("other", "first", "advice"),
    [
        (of("corrupted", 0, dataset="digits", blur=1.0), of("digits", 0), "take @1 for one of the two"),
        (of("digits", 3), of("corrupted", 3, dataset="digits", blur=1.0), "take @2 for one of the two"),
        (of("corrupted", 0, dataset="digits", blur=1.0), of("corrupted", 0, dataset="digits"), "take @1 for one of the two"),
        (of("digits", 0, selection=448), of("digits", 0), "take @1 for one of the two"),
        (of("digits", "train", selection=448), of("digits", "train"), "take @0 for one of the two"),
        (of("noisy", 0, "same"), of("noisier", 0, "same"), "take @1 for one of the two"),
    ],
)
def test_the_same_draw_of_datasets_that_share_examples_is_named(notes_on, source, other, first, advice):
    found = notes_on([source("other")], source("first"), other=other, first=first)
    assert found == [f"{SHARED}made of them; {advice}"]


@pytest.mark.parametrize(
    ("other", "first"),
    [
        (of("corrupted", 1, dataset="digits", blur=1.0), of("digits", 0)),
        (of("corrupted", 0, dataset="mnist"), of("corrupted", 0, dataset="digits")),
        (of("mnist", 0), of("digits", 0)),
        (of("images", 0, store="cats"), of("images", 0, store="dogs")),
        ({"pixels": "a"}, of("digits", 0)),
        ({"generated": "a"}, {"generated": "b"}),
    ],
)
def test_other_draws_and_other_data_are_not(notes_on, source, other, first):
    assert notes_on([source("other")], source("first"), other=other, first=first) == []


def test_other_draws_of_datasets_that_share_examples_may_share_images(notes_on, source):
    corrupted = of("corrupted", 2, dataset="digits", blur=1.0)
    assert notes_on([source("other")], source("first"), other=corrupted, first=of("digits", 0)) == [
        "other and first may share images: only draws 2k and 2k + 1 share none"
    ]


def test_repetitions_may_be_draws_of_one_dataset(notes_on, source):
    assert notes_on([source("a"), source("b")], a=of("digits", 0), b=of("digits", 0, selection=448)) == []
