"""Jobs for executors of this machine, and a plan that hands them out."""

from harness.interfaces import Job


def python(name, *lines, imports=()):
    """A job that evaluates lines of Python, one after the other; the value of the last line is the job's."""
    modules = ["os", "signal", "sys", "time", "torch", "stop"]
    given = ", ".join(f"{module} := __import__('{module}')" for module in modules[:-1])
    given += ", stop := __import__('harness.process.stop').process.stop"
    return Job(name, eval, (f"[{given}, {', '.join(lines)}][-1]",), imports=imports)


class Plan:
    """Hands out jobs; each end may bring others."""

    def __init__(self, *jobs, then=None):
        self.new, self.then, self.running, self.ends = list(jobs), then or {}, 0, []

    def ready(self, ends):
        self.ends += ends
        self.running -= len(ends)
        for end in ends:
            self.new += self.then.get(end.job.name, [])
        jobs, self.new = self.new, []
        self.running += len(jobs)
        return None if not jobs and not self.running else jobs
