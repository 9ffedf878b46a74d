"""Every golden case agrees with the plugin that re-implements it.

The folder is $HARNESS_GOLDEN_DIR, or tests/golden. The kinds of cases are the files in tests/parity/kinds.
"""

import importlib.util
import os
from pathlib import Path

import pytest

from harness.testing import golden

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("HARNESS_GOLDEN_DIR") or HERE.parent / "golden")


def load_kinds() -> None:
    for path in sorted((HERE / "kinds").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"parity_kinds_{path.stem}", path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


load_kinds()
CASES = golden.cases(ROOT)


def test_the_golden_folder_has_cases():
    assert CASES, f"no manifest.json with cases under {ROOT}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_outputs_agree_with_the_reference(case):
    golden.compare(case)
