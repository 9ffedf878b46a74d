"""How a process ended, in words."""

import pytest

from harness.process.signals import death_of


@pytest.mark.parametrize(("code", "words"), [
    (3, "ended with exit code 3"), (-9, "was killed by SIGKILL (out of memory?)"), (-11, "was killed by SIGSEGV"),
    (-200, "was killed by signal 200"),
])  # fmt: skip
def test_the_end_of_a_process_is_in_words(code, words):
    assert death_of(code) == words
