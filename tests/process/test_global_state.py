"""A snapshot of the global state: it costs little, and imports of the libraries that cells use leave the state alone."""

import time

from harness.process import global_state, worker


def test_nothing_changes_where_nothing_happens():
    assert global_state.changes(global_state.snapshot()) == []


def test_a_snapshot_takes_milliseconds():
    global_state.snapshot()  # imports
    began = time.process_time()
    for _ in range(20):
        global_state.snapshot()
    assert (time.process_time() - began) / 20 < 0.05


def test_libraries_of_cells_can_be_imported_before_a_fork(python, monkeypatch):
    for name, threads in worker.thread_environment().items():  # as a process has it that forks workers
        monkeypatch.setenv(name, threads)
    code = (
        "import importlib\n"
        "from harness.process import global_state\n"
        "from harness.process import worker\n"
        "worker.warm_up()\n"
        "state = global_state.snapshot()\n"
        "names = ['harness.stages.jobs', 'sklearn', 'ot', 'scipy.linalg', 'torchvision']\n"
        "for name in names: importlib.import_module(name)\n"
        "for restore in state.restore_generators: restore()\n"
        "import os, threading, torch\n"
        "threads = os.listdir('/proc/self/task') if os.path.isdir('/proc/self/task') else [0]\n"
        "print(global_state.changes(state), threading.active_count(), len(threads), torch.cuda.is_initialized())\n"
    )
    out, err = python(code).communicate(timeout=200)
    assert out == "[] 1 1 False\n", err
