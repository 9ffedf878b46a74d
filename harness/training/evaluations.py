"""The network evaluations of a training, by what they are: without a graph, with one, and those of the curve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Evaluations:
    """Examples that went through networks, by what happened to them. The unit is one example through one network.

    Args:
        forward: without a graph: references, likelihoods that are compared with, and generated samples, those of banks included.
        backward: with a graph, from which gradients are taken with respect to weights or inputs. Each is a pass forwards and one
            backwards, and counts once.
        selection: those of the curve, whether or not it selects the weights. They are in neither of the others.
    """

    forward: int
    backward: int
    selection: int

    @property
    def facts(self) -> dict[str, int]:
        """The counts under the names that manifests and records have for them."""
        return {
            "forward_evaluations": self.forward,
            "backward_evaluations": self.backward,
            "selection_evaluations": self.selection,
        }


NONE = Evaluations(0, 0, 0)
"""The evaluations of a cell that does not train."""
