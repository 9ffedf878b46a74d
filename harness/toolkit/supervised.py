"""The process of one job that has a supervisor: `python -m harness.toolkit.supervised SUPERVISOR ANSWERS SAVING SLOT JOB_ID`.

The pickled call comes on stdin. SUPERVISOR is the process id of its parent, with which it ends. ANSWERS is the descriptor of the
pipe for its answer, the pickled pair (value, death). SAVING is the descriptor of memory for `harness.process.stop.tell_saving`.
SLOT and JOB_ID are those of `harness.process.worker.begin`.
"""

from __future__ import annotations

import mmap
import os
import pickle
import sys

from harness.errors import in_one_line
from harness.process import stop, worker


def main(supervisor: int, answers: int, saving: int, slot: int, job_id: str) -> None:
    """Do the job on stdin and write its answer."""
    worker.end_with(supervisor)
    for descriptor in (answers, saving):
        os.set_inheritable(descriptor, False)  # what plugins start must not keep the pipe open
    os.dup2(2, 1)  # what plugins print goes into the log of the machine
    stop.tell_saving(mmap.mmap(saving, mmap.PAGESIZE))
    call = sys.stdin.buffer.read()
    worker.begin(slot=slot, job_id=job_id)
    answer = _answer(call)
    with os.fdopen(answers, "wb") as pipe:
        pipe.write(answer)


def _answer(call: bytes) -> bytes:
    try:
        function, arguments = pickle.loads(call)
        return pickle.dumps((function(*arguments), None))
    except BaseException as error:  # what a job raises ends that job alone; SystemExit too, which a plugin may raise
        return pickle.dumps((None, in_one_line(error)))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
