"""The supervisor of one job, as Ray runs it: an actor on a machine of the cluster.

Ray sends this module's class by value: see `harness.toolkit.supervisor`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from harness.toolkit import supervisor


class Supervisor(supervisor.Supervisor):
    """The life of one job on one machine.

    Args:
        folder, environment: see the base class.
        cards: how many cards the job asks for. With none it sees none.
    """

    def __init__(self, folder: str, environment: Mapping[str, str], cards: float) -> None:
        super().__init__(folder, environment, sees_cards=bool(cards))

    def machine(self) -> tuple[str, str, str]:
        """Return (id of this machine in the cluster, its name, id of this supervisor, which is that of its job)."""
        import ray

        here = ray.get_runtime_context()
        return here.get_node_id(), os.uname().nodename, here.get_actor_id() or ""
