"""What the words of `harness check` name."""

import pytest

from harness import UserError
from harness.cli.check_selection import chosen, settings_by_title
from harness.plugins import Broken
from harness.testing.reports import Subject

SUBJECTS = [
    Subject("plugin", "l2sp", "l2sp", "harness-l2sp 0.1"),
    Subject("method", "l2-sp", "l2sp", "harness-l2sp 0.1"),
    Subject("metric", "drift", "l2sp", "harness-l2sp 0.1"),
    Subject("method", "ddo", "ddo", "finetune-harness 1.0"),
    Subject("sampler", "ddo", "ddo", "finetune-harness 1.0"),
]
BROKEN = [Broken("cracked", "harness_cracked", "no such module")]


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ([], ["plugin:l2sp", "method:l2-sp", "metric:drift", "method:ddo", "sampler:ddo"]),
        (["method:l2-sp"], ["method:l2-sp"]),
        (["l2-sp"], ["method:l2-sp"]),
        (["l2sp"], ["plugin:l2sp", "method:l2-sp", "metric:drift"]),
        (["harness-l2sp"], ["plugin:l2sp", "method:l2-sp", "metric:drift"]),
        (["methods"], ["method:l2-sp", "method:ddo"]),
        (["ddo", "drift"], ["metric:drift", "method:ddo", "sampler:ddo"]),
    ],
)
def test_a_word_names_components_plugins_distributions_and_kinds(words, titles):
    subjects, broken = chosen(SUBJECTS, BROKEN, words)
    assert [subject.title for subject in subjects] == titles
    assert broken == ([] if words else BROKEN)


@pytest.mark.parametrize("word", ["cracked", "plugin:cracked", "harness_cracked"])
def test_a_broken_plugin_is_named_too(word):
    assert chosen(SUBJECTS, BROKEN, [word]) == ([], BROKEN)


@pytest.mark.parametrize(("word", "near"), [("methd:ddo", "'method:ddo'"), ("l2sq", "'l2sp'"), ("drft", "'drift'")])
def test_a_word_that_names_nothing_is_refused_with_the_nearest(word, near):
    with pytest.raises(UserError, match=f"check: no component, plugin or distribution is called '{word}'; did you mean {near}"):
        chosen(SUBJECTS, BROKEN, [word])


def test_settings_go_to_the_component_that_has_the_name():
    assert settings_by_title(SUBJECTS, ["drift.power=2", "method:ddo.beta=0.1"]) == {
        "metric:drift": {"power": 2},
        "method:ddo": {"beta": 0.1},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ddo.beta=1", "write method:ddo or sampler:ddo"),
        ("none.beta=1", "no component of this name is checked"),
        ("beta=1", "write NAME.KEY=VALUE"),
    ],
)
def test_settings_of_nothing_or_of_several_are_refused(text, message):
    with pytest.raises(UserError, match=message):
        settings_by_title(SUBJECTS, [text])
