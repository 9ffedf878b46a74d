#!/bin/sh
# Fill a folder with the wheels that benchmarks/gpu.sh needs on a machine without a network.
#
#     sh benchmarks/gpu_wheels.sh FOLDER                      for Python 3.12, beside PyTorch and torchvision alone
#     PYTHON=3.11 HAS="numpy scipy pandas" sh benchmarks/gpu_wheels.sh FOLDER
#
# PYTHON: version of the machine's Python. HAS: packages that the machine has already, beside PyTorch; their wheels, and those
# that only they need, are left out. PIP: the pip to call, by default `python3 -m pip`. Wheels are of x86-64 Linux.
set -eu
folder=${1:?"say where the wheels go: sh benchmarks/gpu_wheels.sh FOLDER"}
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-3.12}
pip=${PIP:-python3 -m pip}
mkdir -p "$folder"
list=$(mktemp)
trap 'rm -f "$list"' EXIT
# What the project needs, and pytest with what its configuration names; PyTorch and what belongs to it are there.
python3 - "$here/pyproject.toml" ${HAS:-} > "$list" <<'PYTHON'
import re, sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
has = {re.sub("[-_.]+", "-", name).lower() for name in (*sys.argv[2:], "torch", "torchvision", "triton")}
tests = [each for each in project["optional-dependencies"]["test"] if re.match("pytest(>|-timeout)", each)]
for each in (*project["dependencies"], *tests):
    if re.sub("[-_.]+", "-", re.match("[A-Za-z0-9._-]+", each)[0]).lower() not in has:
        print(each)
PYTHON
platforms=$(for n in 17 24 27 28 31 34; do printf -- '--platform manylinux_2_%s_x86_64 ' $n; done)
# Without their needs first, so that PyTorch (gigabytes, which the machine has) is no part of it; then the needs of each wheel.
while [ -s "$list" ]; do
    # shellcheck disable=SC2086
    $pip download --quiet --no-deps --only-binary=:all: --implementation cp --python-version "$python" $platforms \
        --platform manylinux2014_x86_64 --platform manylinux1_x86_64 --dest "$folder" --requirement "$list"
    python3 - "$folder" "$python" ${HAS:-} > "$list" <<'PYTHON'
import email, pathlib, re, sys, zipfile
from importlib.util import find_spec
if find_spec("packaging"):
    from packaging.requirements import Requirement
else:
    from pip._vendor.packaging.requirements import Requirement

def plain(name):
    return re.sub("[-_.]+", "-", name).lower()

folder, python, *has = sys.argv[1:]
there = {plain(name) for name in (*has, "torch", "torchvision", "triton")}
needs = {}
for wheel in sorted(pathlib.Path(folder).glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        name = next(each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
        metadata = email.message_from_bytes(archive.read(name))
    there.add(plain(metadata["Name"]))
    for text in metadata.get_all("Requires-Dist") or []:
        need = Requirement(text)
        machine = {"extra": "", "python_version": python, "python_full_version": python + ".0", "sys_platform": "linux",
                   "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix",
                   "implementation_name": "cpython", "platform_python_implementation": "CPython"}
        if need.marker is None or need.marker.evaluate(machine):
            needs[plain(need.name)] = f"{need.name}{need.specifier}"
for name, text in needs.items():
    if name not in there and not name.startswith(("nvidia-", "cuda-")):
        print(text)
PYTHON
done
echo "$(ls "$folder" | wc -l) wheels, $(du -sh "$folder" | cut -f1), in $folder"
