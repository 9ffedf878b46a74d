"""Names of a new plugin are valid everywhere they go, and free."""

import pytest

from harness import UserError
from harness.scaffold.names import LONGEST, NEW_KINDS, Names, checked_names


def test_one_name_gives_all_others():
    names = checked_names("method", "l2-sp")
    assert (names.distribution, names.plugin, names.module, names.cls) == (
        "harness-l2-sp",
        "l2_sp",
        "harness_l2_sp",
        "L2SpMethod",
    )
    assert names.target == "method:l2-sp"


def test_a_listener_is_checked_by_the_name_of_its_plugin():
    assert checked_names("listener", "to-chat").target == "listener:to_chat"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("L2-SP", "'l2-sp'"),
        ("l2_sp", "'l2-sp'"),
        ("l2 sp", "'l2-sp'"),
        ("-l2", "'l2'"),
        ("l2--sp", "'l2-sp'"),
        ("2l", "'l2-sp'"),
        ("", "'l2-sp'"),
        ("../x", "'x'"),
        ("a/b", "'a-b'"),
        ("naïve", "'na-ve'"),
        ("a\n", "'a'"),
    ],
)
def test_a_name_that_is_none_is_refused_with_one_that_is(name, near):
    with pytest.raises(UserError, match="is no name for a plugin") as caught:
        checked_names("metric", name)
    assert near in str(caught.value)


def test_a_word_of_python_gives_valid_names_too():
    names = checked_names("metric", "lambda")
    assert (names.module, names.cls) == ("harness_lambda", "LambdaMetric")


def test_a_name_may_be_so_long_and_no_longer():
    assert checked_names("metric", "a" * LONGEST).name == "a" * LONGEST
    with pytest.raises(UserError, match="at most 48 characters, and this one has 49"):
        checked_names("metric", "a" * (LONGEST + 1))


def test_the_prefix_of_the_package_is_left_out():
    with pytest.raises(UserError, match="write 'l2-sp'"):
        checked_names("method", "harness-l2-sp")


def test_an_unknown_kind_is_named_with_the_nearest():
    with pytest.raises(UserError, match="did you mean 'method'"):
        checked_names("methods", "l2-sp")


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("method", "ddo", "method 'ddo' is already provided by plugin 'ddo'"),
        ("metric", "ddo", "a plugin 'ddo' of finetune-harness is installed"),
        ("sampler", "dpm-solver", "a plugin 'dpm_solver' of finetune-harness is installed"),
    ],
)
def test_a_name_that_something_installed_has_is_refused(kind, name, message):
    with pytest.raises(UserError, match=message):
        checked_names(kind, name)


def test_a_module_that_is_there_already_is_named_with_its_file(tmp_path, monkeypatch):
    (tmp_path / "harness_shadow.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match=r"there is a module harness_shadow already, .*harness_shadow\.py"):
        checked_names("metric", "shadow")


def test_a_distribution_that_is_installed_is_named(tmp_path, monkeypatch):
    (tmp_path / "harness_shadow-0.1.dist-info").mkdir()
    (tmp_path / "harness_shadow-0.1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: harness-shadow\nVersion: 0.1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match="a distribution 'harness-shadow' is installed"):
        checked_names("metric", "shadow")


@pytest.mark.parametrize("kind", NEW_KINDS)
def test_all_names_of_a_plugin_are_valid(kind):
    names = Names(kind, "a-1b")
    assert names.module.isidentifier()
    assert names.cls.isidentifier()
    assert names.variable == "HARNESS_A_1B_FILE"
