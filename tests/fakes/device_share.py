"""Every DEVICES-th sample, as one of several processes draws it, gathered by gloo: `device_share.py RANK DEVICES FOLDER`."""

import sys

import torch
from torch import distributed, nn

from harness.interfaces import DataSpec
from harness.sampling.drawing import draw

N = 23
SPEC = DataSpec((3,), classes=4)


def noise(model, spec, streams, labels):
    """Three numbers of each stream, and the label."""
    return streams.normal(*spec.shape) + 100 * labels[:, None]


def images(model, spec, streams, labels):
    x = streams.normal(*spec.shape)
    for _ in range(5):
        x = model(x)
    return x


def drawn(**share):
    """By sampler: samples, labels, NFE."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 3))
    found = {}
    for sampler in (noise, images):
        made = draw(sampler, network, SPEC, n=N, seed=0, purpose="test", batch=5, device=torch.device("cpu"), **share)
        found[sampler.__name__] = (made.batch.x, made.batch.labels, made.nfe)
    return found


def main() -> None:
    rank, devices, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=devices)
    gathered = [None] * devices
    distributed.all_gather_object(gathered, drawn(indices=range(rank, N, devices)))
    if rank == 0:
        torch.save([drawn(), *gathered], f"{folder}/gathered.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
