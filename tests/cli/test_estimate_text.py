"""Estimates as text: what is in the table, what does not fit a card, and what is not known."""

import dataclasses

import pytest

from harness.cli.estimate_text import EstimateText, as_json, on_card
from harness.process.cards import Card
from harness.run.disk_estimate import Disk
from harness.run.downloads import Downloads
from harness.run.estimates import RowEstimate, Work
from harness.stages.step_cost import Flops, NetworkSize, SamplingCost, StepCost

GIB = 2**30
CARD = Card("made-up", 10, {"fp32": 1.0})
HOUR: Flops = {"fp32": 0.7e12 * 3600}
STEP = StepCost(examples=64, state_bytes=2 * GIB, peak_bytes=10 * GIB, flops={"fp32": 1.0})
ROW = RowEstimate(
    "net/fit",
    3,
    NetworkSize(55_733_891, GIB),
    STEP,
    GIB,
    {"heun": (100, SamplingCost(GIB, GIB // 100, {"fp32": 1.0}, 35.0))},
    Disk(weights=10**9, samples=5 * 10**8, checkpoints=4 * 10**9),
    Work(HOUR, {}, HOUR),
)


def sentences(row, card=CARD, examples=None):
    return list(EstimateText([row], card, examples).sentences())


def test_the_table_has_memory_disk_and_hours_by_hand():
    assert EstimateText([ROW], CARD).table() == [
        {
            "estimate": "net/fit",
            "cells": "3",
            "params": "55.7 M",
            "at once": "64",
            "kept GiB": "3.0",
            "step GiB": "11",
            "sample GiB": "2.0",
            "disk GB": "1.5",
            "train h": "1.0",
            "curve h": "0",
            "samples h": "1.0",
        }
    ]
    assert "train h" not in EstimateText([ROW], None).table()[0]


def test_what_is_assumed_is_said():
    lines = sentences(ROW)
    assert lines[0].startswith("these are estimates from the shapes of networks, and nothing was measured")
    assert "while a training runs, its checkpoints take up to 4.0 GB of disk more" in lines
    assert "hours are those of one made-up for all cells of a row" in lines[2]
    assert "Those of the curve hold banks." in lines[2]
    assert "fp32 at 0.7 of 1 TFLOP/s" in lines[2]
    assert "in all about 2.0 hours of one made-up" in lines
    assert not any("hours" in line for line in sentences(ROW, None))


@pytest.mark.parametrize(
    ("memory", "advice"),
    [
        # Of 9 GiB that are there for tensors, 3 stay between steps; 64 examples take 8.
        (10, "lower `training: micro_batch` to 48 or less"),
        (3, "no micro_batch fits beside what stays between steps"),
    ],
)
def test_a_step_that_does_not_fit_names_the_micro_batch_that_does(memory, advice):
    card = on_card(CARD, memory * GIB)
    assert sentences(ROW, card)[-1] == f"net/fit: a step of 64 at once takes about 11 GiB, and made-up has {memory}: {advice}"
    assert sentences(ROW, on_card(CARD, 80 * GIB))[-1].startswith("in all")


def test_a_bank_that_is_too_large_for_a_card_stays_on_the_host():
    step = dataclasses.replace(STEP, banks=((100, GIB), (50, GIB // 2)))  # of the 2 GiB that stay between steps
    row = dataclasses.replace(ROW, step=step)
    texts = [
        (columns["kept GiB"], columns["step GiB"], sentences(row, card)[-1].endswith("48 or less"))
        for card in (CARD, on_card(CARD, 3 * GIB))
        for (columns,) in [EstimateText([row], card).table()]
    ]
    assert texts[0] == ("3.0", "11", True)  # 1 GiB is less than a quarter of 10
    assert texts[1] == ("2.0", "10", False)  # and more than a quarter of 3; half a GiB stays
    assert as_json(row, CARD)["step_bytes"] == 11 * GIB
    assert as_json(row, on_card(CARD, 3 * GIB))["step_bytes"] == 10 * GIB


def test_lower_bounds_are_marked_with_their_reason():
    step = dataclasses.replace(STEP, reason="it asks for values")
    row = dataclasses.replace(ROW, step=step, work=Work(HOUR, {}, {}, ("samples of sn: too long",)))
    (columns,) = EstimateText([row], CARD).table()
    assert (columns["step GiB"], columns["train h"], columns["samples h"]) == ("≥ 11", "≥ 1.0", "≥ 0")
    lines = sentences(row)
    assert "≥: a step of the pretraining loss with Adam, which is less than the method's (net/fit): it asks for values" in lines
    assert "net/fit: hours do not hold all: samples of sn: too long" in lines
    assert "in all about 1.0 hours of one made-up, without what is not known" in lines


def test_a_step_that_nobody_can_take_is_named():
    row = dataclasses.replace(ROW, step="no loss", work=None)
    assert [columns.get("step GiB") for columns in EstimateText([row, ROW], CARD).table()] == ["–", "11"]
    assert "step GiB" not in EstimateText([row], CARD).table()[0]  # where nothing would stand in the column
    assert "net/fit: a step is not known: no loss" in sentences(row)


def test_encoded_latents_are_counted_for_all_training_examples_or_each():
    row = dataclasses.replace(ROW, size=NetworkSize(1, 1, kept_bytes=131_072))
    assert "latents of the training examples take 128 KiB of disk each" in sentences(row)
    assert "latents of 1,281,167 training examples take 168 GB of disk" in sentences(row, examples=1_281_167)


@pytest.mark.parametrize(
    ("downloads", "size"),
    [
        (Downloads(2, 1_240_000_000, 2_480_000_000), "2, about 1.2 to 2.5 GB, by the networks' numbers in 16 or 32 bits"),
        (Downloads(1, 436_075_834, 436_075_834), "1, about 0.44 GB"),
    ],
)
def test_absent_files_have_a_size(downloads, size):
    assert f"absent files of weights: {size}" in list(EstimateText([ROW], None, None, downloads).sentences())


def test_json_has_the_row_in_bytes_and_hours():
    assert as_json(ROW, CARD) == {
        "row": "net/fit",
        "cells": 3,
        "parameters": 55_733_891,
        "step_bytes": 11 * GIB,
        "step_is_lower_bound": False,
        "sampling_bytes": GIB + 100 * (GIB // 100),
        "disk_bytes": 1_500_000_000,
        "card": "made-up",
        "card_hours": pytest.approx(2.0),
    }
