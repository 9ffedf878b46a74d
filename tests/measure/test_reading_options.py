"""Options that decided nothing are refused: whoever gave them means other numbers."""

import pytest

from harness.errors import Faults
from harness.measure.image_source import ImageSource, identified_as
from harness.measure.reading_options import AS_IMAGES, IMAGES, RANGE, ReadingOptions

ALL = ReadingOptions(images=100, value_range="0,1", as_images=True)


def source(name, kind, *options):
    return ImageSource(name, kind, None, identified_as({}), options_used=frozenset(options))


def test_no_option_is_always_right():
    ReadingOptions().check_used([source("samples", "folder of PNG images")])


def test_an_option_may_concern_any_one_of_the_sources():
    ALL.check_used([source("a.npz", ".npz array", RANGE, AS_IMAGES), source("digits", "dataset", IMAGES)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ReadingOptions(images=100),
            "--images 100 is only for a dataset, and here is none: samples is a folder of PNG images. Leave --images out",
        ),
        (
            ReadingOptions(value_range="-1,1"),
            "--range -1,1 is only for floats, in an .npz or .npy, and here is none: samples is a folder of PNG images. "
            "Leave --range out",
        ),
        (
            ReadingOptions(as_images=True),
            "--as-images is only for an .npz, which may have statistics and images, and here is none: samples is a folder of "
            "PNG images. Leave --as-images out",
        ),
    ],
)
def test_an_option_that_concerns_no_source_is_refused_with_what_the_sources_are(options, message):
    with pytest.raises(Faults) as caught:
        options.check_used([source("samples", "folder of PNG images")])
    assert caught.value.faults == (message,)


def test_all_such_options_are_told_at_once():
    with pytest.raises(Faults) as caught:
        ALL.check_used([source("a.npz", ".npz array", AS_IMAGES), source("a.npz", ".npz array", AS_IMAGES)])
    assert [fault.partition(" is ")[0] for fault in caught.value.faults] == ["--range 0,1", "--images 100"]
    assert "here is none: a.npz is a .npz array. Leave" in caught.value.faults[0]  # each source once
