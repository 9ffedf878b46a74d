"""A safe reader of pickles. It reads tensors, arrays, plain containers, and records of NVIDIA's networks, and runs no code.

A pickle is a program, and ordinary loading runs it. This reader calls nothing that a file names. For each permitted name it
uses a function or a class of this package, and it refuses every other name. It allocates memory for a declared size only after
checking that the file has so many bytes. It never uses the source code that NVIDIA's files embed.
"""

from harness.weights.pickles.networks import Persistent, network, state_dict
from harness.weights.pickles.opcodes import RefusedPickle
from harness.weights.pickles.unpickle import LARGEST, load, loads

__all__ = ["LARGEST", "Persistent", "RefusedPickle", "load", "loads", "network", "state_dict"]
