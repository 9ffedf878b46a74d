"""Edits of installed code, as the next process would find them: only the hash that this process has read is changed."""

from __future__ import annotations

from dataclasses import replace

from harness.plugins import registry
from harness.process import sources as process_sources
from harness.stages import sources


def edit(monkeypatch, component, to="e"):
    """Take the code of a component, such as `method ddo` or `harness`, to be another; returns its hash."""
    sha256 = to * 64
    current = sources.installed(component)
    assert current is not None, component
    edited = replace(current, sha256=sha256)
    if component == process_sources.CORE:
        monkeypatch.setattr(process_sources, "core_source", lambda: edited)
    else:
        provided = registry().find(*component.split(" "))
        assert provided is not None
        monkeypatch.setitem(sources._read, (component, provided.component.build), edited)
    return sha256
