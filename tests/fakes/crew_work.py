"""Work that the processes of a crew share, for tests; members import it."""

import os

import torch


def squares(member, offset):
    """A function of pieces that says who computed what."""
    return lambda piece: (member.rank, piece**2 + offset)


def failing(member):
    """A function of pieces that fails."""

    def fail(piece):
        raise ValueError(f"piece {piece} is bad")

    return fail


def places(member):
    """A function of pieces that gives the tensor of a piece, and the threads and the id of the process."""
    return lambda piece: (piece * 2, torch.get_num_threads(), os.getpid())


def follow(member, scale):
    """Agree on numbers, and add them up together with the lead; serve in the middle."""
    number = member.agree(lambda: 0)
    mean = torch.full((2,), float(number + scale * member.rank))
    member.group.mean_(mean)
    assert member.serve(lambda piece: piece + float(mean[0])) == "on"


def gather(member):
    """Take part in the gathers of the lead's test."""
    for part in (torch.tensor([False, True]), torch.arange(2), torch.ones(2, 3).T[:2]):
        member.group.gather(part)
