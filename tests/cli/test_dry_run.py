"""What a dry run shows beside the plan: estimates where they were asked for, and where networks are large."""

import json

import pytest

from harness.cli import dry_run
from harness.errors import UserError
from harness.process import devices
from harness.process.cards import CARDS
from harness.process.devices import CardHere


def test_a_card_shows_memory_and_hours_of_each_row(shell):
    done = shell("run", "leaderboards/small", "--dry-run", "--card", "h100")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("estimate "))
    assert lines[header].split()[-2:] == ["samples", "h"]
    assert [line.split()[0] for line in lines[header + 1 : header + 5]] == ["ddpm", "ddpm/none", "ddpm/mle", "ddpm/ddo"]
    assert lines[header + 5].startswith("these are estimates from the shapes of networks, and nothing was measured")
    assert any(line.startswith("hours are those of one h100") for line in lines)
    assert not shell.runs.root.exists()


def test_json_has_the_estimate_beside_each_cell_that_would_run(shell):
    cells = json.loads(
        shell("run", "leaderboards/small", "--rehearse", "--json", "--only", "method=ddo").stdout.partition("]\n")[0] + "]"
    )
    assert [cell["estimate"]["row"] for cell in cells] == ["ddpm/ddo"] * 2
    assert cells[0]["estimate"]["card_hours"] is None


def test_json_has_the_bases_that_are_trained_before_a_cell(shell):
    (cell, _) = json.loads(shell("run", "leaderboards/small", "--dry-run", "--json", "--only", "method=ddo").stdout)
    (base,) = cell["bases_to_train"]
    assert (base["base"], base["seconds"]) == ("ddpm", None)


def test_large_networks_are_estimated_unasked(shell, monkeypatch):
    assert "estimate " not in shell("run", "leaderboards/small", "--dry-run").stdout.replace("no estimate", "")
    monkeypatch.setattr("harness.run.estimates.LARGE", 100)
    done = shell("run", "leaderboards/small", "--dry-run")
    assert "≥: a step of the pretraining loss with Adam" in done.stdout
    assert "train h" not in done.stdout
    assert "ddpm: cells share the seed 0 with the pretraining of their base" in done.stderr


def test_a_card_is_for_estimates_alone_and_has_a_name_of_the_table(shell):
    done = shell("run", "leaderboards/small", "--card", "h100")
    assert (done.returncode, done.stderr) == (
        2,
        "error: --card: an estimate is for a card, and a run is not: add --dry-run or --rehearse\n",
    )
    done = shell("run", "leaderboards/small", "--dry-run", "--card", "h10")
    assert done.returncode == 2
    assert "--card h10: no card is called 'h10'; did you mean 'h100'?" in done.stderr


def test_the_card_that_is_here_is_taken_with_its_memory(monkeypatch):
    found = {"card": CardHere("NVIDIA A100-SXM4-40GB", 40 * 2**30)}
    monkeypatch.setattr(devices, "card_here", lambda device: None if device == "cpu" else found["card"])
    card = dry_run.estimate_card("here", "auto")
    assert (card.name, card.memory_gib) == ("a100", 40.0)
    assert dry_run.estimate_card("v100", "auto") is CARDS["v100"]
    assert dry_run.estimate_card(None, "auto") is None
    with pytest.raises(UserError, match="--card here: no card is here; name one, such as h100"):
        dry_run.estimate_card("here", "cpu")
    found["card"] = CardHere("Some Card", 1)
    with pytest.raises(UserError, match="--card here: nothing is known of Some Card"):
        dry_run.estimate_card("here", "auto")
