"""Settings of the executor `ray`, addresses that lead nowhere, and what a job asks of the cluster."""

import socket

import pytest

from harness.errors import UserError
from harness.interfaces import Job, Resources
from harness.process import stop
from harness_ray.cluster import Cluster
from harness_ray.executor import RayExecutor
from harness_ray.pool import GIB, Pool
from harness_ray.settings import RayConfig


def one_job(ends):
    return [Job("never", print, ())]


@pytest.mark.parametrize("address", ["auto", "head:6379", "10.0.0.1:6379", "[::1]:6379", None])
def test_addresses_of_clusters_are_taken(address):
    assert RayConfig(address=address).address == address


@pytest.mark.parametrize(("settings", "message"), [
    ({"address": "ray://head:10001"}, "Ray's client"),
    ({"address": "head"}, "neither HOST:PORT nor auto"),
    ({"gpus": 1.5}, "a job has a part of one card, or whole cards"),
    ({"cpus": 0}, "greater than 0"),
])  # fmt: skip
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        RayConfig(**settings)


def test_an_address_where_nobody_answers_is_one_line_before_any_work():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(
        UserError, match=f"executor ray, address {address}: nothing answers there .*; start Ray: ray start --head"
    ):
        RayExecutor(RayConfig(address=address)).run(one_job, slots=1)


def test_a_variable_with_another_kind_of_address_is_named(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(UserError, match=r"address ray://head:10001: neither HOST:PORT nor auto; look at \$RAY_ADDRESS"):
        RayExecutor(RayConfig()).run(one_job, slots=1)


def test_no_cluster_is_started_where_nothing_is_to_do():
    RayExecutor(RayConfig(address="127.0.0.1:1")).run(lambda _: None, slots=1)
    stop.request()
    RayExecutor(RayConfig(address="127.0.0.1:1")).run(one_job, slots=1)


class FakeCluster(Cluster):
    is_own = True

    def __init__(self, cards):
        self.cards = cards

    def has_cards(self):
        return bool(self.cards)

    def lacks(self, request):
        return "" if request.get("GPU", 0) <= self.cards else "GPU 4"


@pytest.mark.parametrize(("cards", "settings", "asked", "expected"), [
    (0, {}, {}, (1, 0, 0)),
    (8, {}, {}, (1, 1, 0)),
    (8, {"gpus": 0}, {}, (1, 0, 0)),
    (8, {"gpus": 0.5, "cpus": 4, "memory_gib": 2}, {}, (4, 0.5, 2 * GIB)),
    (8, {"gpus": 0.5, "cpus": 4}, {"gpus": 2, "cpus": 3, "memory_gib": 0.5, "hours": 1}, (3, 2, GIB // 2)),
])  # fmt: skip
def test_what_a_job_asks_for_comes_before_the_settings(cards, settings, asked, expected):
    assert Pool(FakeCluster(cards), RayConfig(**settings), 1)._request(Resources(**asked)) == expected


def test_a_job_that_a_cluster_on_this_machine_can_never_run_is_one_line():
    pool = Pool(FakeCluster(1), RayConfig(), 1, [Job("base large", print, (), resources=Resources(gpus=4))])
    with pytest.raises(UserError, match="base large asks for GPU 4, and this machine has less; name a cluster, or ask for less"):
        pool.fill()
