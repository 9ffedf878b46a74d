"""A reader of pickles that takes them as data: tensors, arrays, plain containers, and records of NVIDIA's networks.

A pickle is a program, and ordinary loading runs it. This reader calls nothing that a file names: each permitted name stands
for a function or a holder of this package, every other name is refused, and no declared size is believed before the bytes
are there. The source text that NVIDIA's files embed is never looked at.
"""

from harness.weights.pickles.networks import Persistent, network, state_dict
from harness.weights.pickles.opcodes import RefusedPickle
from harness.weights.pickles.unpickle import LARGEST, load, loads

__all__ = ["LARGEST", "Persistent", "RefusedPickle", "load", "loads", "network", "state_dict"]
