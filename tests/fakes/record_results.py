"""The part of a record that may not depend on how its run went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def result(record: dict[str, Any]) -> object:
    """Everything of a record but times, memory and dates: a kill, a second process or another order may not change it."""
    if "metrics" not in record:
        return record["values"]
    costs = record["costs"]
    return {
        "cell": [record["base"], record["method"], record["seed"], record["key"]],
        "status": [record["status"], record["reason"]],
        "metrics": {name: measured["values"] for name, measured in record["metrics"].items()},
        "curve": record["curve"],
        "selected": record["selected_images"],
        "costs": [costs["images_seen"], costs["steps"], costs["network_evaluations"], costs["nfe"]],
        "hashes": [record[name] for name in ("weights_sha256", "samples_sha256", "base_weights_sha256")],
    }


def records(runs: Path) -> dict[str, dict[str, Any]]:
    """Content of all records of a runs folder, by the name of their file; floors too."""
    return {path.name: json.loads(path.read_bytes()) for path in runs.glob("records/*/*.json")}


def results(runs: Path) -> dict[str, object]:
    """The part of each record that may not depend on how the run went, by the name of its file."""
    return {name: result(record) for name, record in records(runs).items()}
