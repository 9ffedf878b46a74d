"""Scripts and styles of a site: those of others are as their notice says, and ours ask for nothing from elsewhere."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "harness" / "site" / "assets"
VENDORED = sorted(ASSETS.glob("vendor/*.js"))
OURS = sorted(file for file in ASSETS.iterdir() if file.is_file())


@pytest.mark.parametrize("file", VENDORED, ids=lambda file: file.name)
def test_a_script_of_others_is_the_one_that_its_notice_names(file):
    notice = (ASSETS / "vendor" / "NOTICE.txt").read_text(encoding="utf-8")
    (line,) = [line for line in notice.splitlines() if line.startswith(f"{file.name}  ")]
    assert line.split()[-1] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "sourceMappingURL" not in file.read_text(encoding="utf-8")


def test_the_notice_keeps_the_licences():
    notice = (ASSETS / "vendor" / "NOTICE.txt").read_text(encoding="utf-8")
    for part in ("University of Washington", "Redistribution and use", "Mike Bostock", "Permission is hereby granted", "Mapbox"):
        assert part in notice


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_our_assets_name_no_address_and_make_no_markup_of_texts(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text)


def test_the_package_has_all_files_of_the_site():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"][
        "harness"
    ]
    packed = {file for pattern in patterns for file in (ROOT / "harness").glob(pattern) if file.is_file()}
    parts = [file for name in ("assets", "pages") for file in (ROOT / "harness" / "site" / name).rglob("*") if file.is_file()]
    assert set(parts) <= packed
