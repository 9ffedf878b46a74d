"""The workers of other hosts: those that beat are left alone, and the silent are given up, whoever looks."""

import pytest

from harness.process.host import ProcessId
from harness.store import beats, neighbours
from harness.store.neighbours import Neighbours
from harness.store.observing import Watch


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def folder(tmp_path):
    return tmp_path


class Far:
    """A worker of another host."""

    def __init__(self, folder, number):
        self.id = str(ProcessId("0123456789ab", number, 1, "000000"))
        self.path, self.beats = folder / f"{self.id}.json", 0
        self.beat()

    def beat(self):
        self.beats += 1
        self.path.write_text("x" * self.beats)


def rounds(clock, watchers, number, *living):
    for _ in range(number):
        for worker in living:
            worker.beat()
        for watcher in watchers:
            watcher.look()
        clock[0] += watchers[0].seconds


def test_the_silent_are_given_up_and_the_others_live_on(folder, clock):
    silent, living, watcher = Far(folder, 1), Far(folder, 2), Neighbours(folder)
    rounds(clock, [watcher], beats.LOOKS, living)
    assert watcher.gone == set()
    rounds(clock, [watcher], 1, living)
    assert watcher.gone == {silent.id}
    assert sorted(path.name for path in folder.iterdir()) == [f"{silent.id}.gone", living.path.name]
    other = Neighbours(folder)
    other.look()
    assert other.gone == {silent.id}


def test_between_two_rounds_nothing_is_looked_at(folder, clock, monkeypatch):
    Far(folder, 1)
    watcher = Neighbours(folder)
    watcher.look()
    monkeypatch.setattr("os.listdir", lambda _: pytest.fail("it looks"))
    clock[0] += beats.BEAT_SECONDS - 1
    watcher.look()


def test_where_there_are_many_each_watches_few_and_together_they_find_the_silent(folder, clock, monkeypatch):
    monkeypatch.setattr(neighbours, "MOST_LOOKS", 20)
    workers = [Far(folder, number) for number in range(20)]
    watchers = [Neighbours(folder) for _ in range(20)]
    looked = []
    monkeypatch.setattr(Watch, "of_worker", lambda place, worker: looked.append(worker) or watch(place, worker))
    watchers[0].look()
    assert len(looked) == 1
    rounds(clock, watchers, 40, *workers[1:])
    assert {worker for watcher in watchers for worker in watcher.gone} == {workers[0].id}


watch = Watch.of_worker


def test_a_folder_that_cannot_be_read_is_looked_at_later(folder, clock):
    watcher = Neighbours(folder / "none")
    watcher.look()
    assert watcher.gone == set()
