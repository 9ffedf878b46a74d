"""Looking whether a worker of a cluster can run jobs. Dask gets this module's function by value, since a worker may lack it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


async def look(
    supervisor: bytes, folder: str, environment: Mapping[str, str], marks: Sequence[str], version: str
) -> tuple[str, str]:
    """Look from a thread of a worker.

    Args:
        supervisor: the class `harness.toolkit.supervisor.Supervisor`, pickled by value.
        folder, environment: for it.
        marks, version: see `Supervisor.look`.
    Returns: see `Supervisor.look`.
    """
    import asyncio
    import pickle

    there = pickle.loads(supervisor)(folder, environment, sees_cards=False)
    return await asyncio.to_thread(there.look, marks, version)
