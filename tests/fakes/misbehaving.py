"""Plugins on a path that pip never saw, with the metadata of a distribution: some keep the contract, some do anything."""

from __future__ import annotations

from pathlib import Path

METRICS = """\
import os
import signal
import sys
import time

from harness import Config, Metric, hookimpl
from pydantic import Field

__version__ = "1"
NAMES = ("good", "far", "dies", "exits", "raises", "is-killed", "absent", "needy", "no-build")


class NeedyConfig(Config):
    sha256: str = Field(description="a hash, which has no default")


def absent(config):
    from harness import UserError
    raise UserError("metric absent: its file is not here; get it")


@hookimpl
def harness_metrics():
    more = {"absent": {"check_ready": "odd:absent"}, "needy": {"config": NeedyConfig}}
    return [Metric(name, build=f"odd:{name.replace('-', '_')}", summary="fake", **more.get(name, {})) for name in NAMES]


def metric(name, act=lambda: None, sign=1.0):
    def build(config):
        def value(generated, real, generator):
            act()
            return {name: sign * float((generated.x.mean(0) - real.x.mean(0)).norm())}
        return value
    return build


def fail():
    print("last words")
    raise ZeroDivisionError("the metric's own fault")


good = metric("good")
far = metric("far", sign=-1.0)
dies = metric("dies", lambda: os._exit(3))
exits = metric("exits", lambda: sys.exit(4))
raises = metric("raises", fail)
is_killed = metric("is-killed", lambda: os.kill(os.getpid(), signal.SIGSEGV))
needy = metric("needy")


def no_build(config):
    return 7
"""
DEADLY = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
"""A plugin that no import survives."""
BROKEN = "import there_is_no_such_module\n"


def put_plugin(site: Path, name: str, source: str) -> None:
    """Write a module and the metadata of a distribution `fake-NAME` whose plugin it is."""
    (site / f"{name}.py").write_text(source, encoding="utf-8")
    meta = site / f"fake_{name}-0.1.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fake-{name}\nVersion: 0.1\n", encoding="utf-8")
    (meta / "entry_points.txt").write_text(f"[harness]\n{name} = {name}\n", encoding="utf-8")
