from dataclasses import replace

from harness.board.bases import Base, Examples
from harness.board.components import Resolved
from harness.components import Dataset, Sampler
from harness.config import Config, NoConfig


class Steps(Config):
    steps: int = 8


EULER = Resolved(Sampler("euler", build="a:b", summary="", config=Steps), Steps(), "solvers", "2/1")
RING = Resolved(Dataset("ring", build="a:b", summary=""), NoConfig(), "points", "1/1")


def test_the_identity_has_the_name_the_version_and_every_default():
    assert EULER.identity == {"name": "euler", "version": "2/1", "settings": {"steps": 8}}
    assert EULER.name == "euler"


def test_the_plugin_and_the_settings_before_a_smoke_run_are_no_part_of_the_identity():
    assert replace(EULER, plugin="others", full=Steps(steps=64)).identity == EULER.identity


def test_the_identity_of_a_sampler_that_names_bases_has_their_keys():
    guide = Base("guide", "Guide", RING, Examples(RING))
    assert replace(EULER, bases=(guide,)).identity == {**EULER.identity, "bases": {"guide": guide.key}}
