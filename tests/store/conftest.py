"""Writers that die at each of their system calls."""

import os
import signal

import pytest

CALLS = ("mkdir", "open", "fsync", "rename", "replace", "unlink")


def die_at(number, write):
    """Run `write` in a child process that is killed just before call `number` of those that change the disk.

    Returns: True when the child was killed, False when `write` ended before.
    """
    child = os.fork()
    if child == 0:
        count = 0

        def counting(call):
            def wrapped(*arguments, **options):
                nonlocal count
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1
                return call(*arguments, **options)

            return wrapped

        try:
            for name in CALLS:
                setattr(os, name, counting(getattr(os, name)))
            write()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.fixture
def kill_everywhere():
    """Call `write` in processes that die at their first, second, … call, and `check` after each; until one survives."""

    def do(write, check):
        number = 0
        while die_at(number, write):
            check()
            number += 1
            assert number < 200
        check()
        return number

    return do
