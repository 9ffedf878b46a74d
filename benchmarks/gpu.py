"""Speed and memory on a card: training, a step of DDO, sampling and features at published sizes, beside a bare PyTorch loop.

    python benchmarks/gpu.py --out results                     # on a card: five minutes at most
    python benchmarks/gpu.py --out results --device cpu --tiny # rehearses it, on tiny networks

Each network is measured in a process of its own, which has a time limit. Every result is in FOLDER/gpu.jsonl as soon as it is
measured, whatever happens to the others, and FOLDER/gpu.md has the tables. Networks have random weights, on which speed does not
depend; nothing is downloaded. `bare` is a plain loop on the network's own loss: it reads no data and draws its noise once, so
that the harness's loop (`mle`) can be as fast and no faster. Kernels are deterministic where nothing else is said.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from gpu_pieces import SUBJECTS
from tabulate import tabulate

from harness.process import environment

HERE = Path(__file__).parent
LIMITS = {"edm": 80.0, "edm2": 70.0, "var": 70.0, "inception": 30.0, "edm-compiled": 60.0}
"""Seconds that each group of pieces may take, start of its process included."""
INCEPTION = 300.0
"""Images a second of Inception that others report: below it the harness is slower than cards of 2022."""
Result = Mapping[str, object]


def run_group(name: str, options: argparse.Namespace, limit: float) -> str:
    """Measure a group in a process of its own. Returns: why it ended early; "" where it did not."""
    command = [
        sys.executable,
        str(HERE / "gpu_pieces.py"),
        name,
        "--device",
        options.device,
        "--out",
        str(options.out / "gpu.jsonl"),
    ]
    command += ["--seconds", str(options.seconds), *(["--tiny"] if options.tiny else [])]
    path = [str(HERE), str(HERE.parent / "tests/fakes"), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(path)}, start_new_session=True)
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"stopped after its {limit:.0f} s; what it had measured is kept"
    return "" if code == 0 else f"ended with exit code {code}"


def results(file: Path) -> list[Result]:
    """Return what the groups have written so far."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def number(result: Result | None, name: str, digits: int = 1) -> str:
    """Return a measured number as text; a dash where there is none."""
    value = None if result is None else result.get(name)
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "–"


def ratio(ours: Result, bare: Result | None) -> str:
    """Return how fast the harness's loop is, as a share of the bare loop's speed."""
    mine, plain = ours.get("images_per_second"), None if bare is None else bare.get("images_per_second")
    return f"{mine / plain:.2f}" if isinstance(mine, float) and isinstance(plain, float) else "–"


def yardstick(result: Result, *, is_tiny: bool) -> str:
    """Return what others report, where the piece can be compared with it."""
    if is_tiny:
        return "–"
    name, piece = str(result["subject"]), str(result["piece"])
    if name == "inception":
        return f"{INCEPTION:.0f}"
    known = SUBJECTS[name.removesuffix("-compiled")].yardstick
    return f"{known:.0f}" if known is not None and piece.startswith("mle") else "–"


def table(found: Iterable[Result], *, is_tiny: bool = False) -> str:
    """Return the results as a table in Markdown."""
    lines, by_name = [], {(str(each["subject"]), str(each["piece"])): each for each in found}
    for (subject, piece), each in by_name.items():
        bare = by_name.get((subject, piece.replace("mle", "bare"))) if piece.startswith("mle") else None
        if "error" in each:
            lines.append([subject, piece, str(each["error"]).replace("|", "\\|"), *["–"] * 5])
            continue
        memory, nfe = number(each, "peak_memory_gib", 2), number(each, "nfe", 0)
        others = yardstick(each, is_tiny=is_tiny)
        speed, spent = number(each, "images_per_second"), number(each, "seconds_a_call", 3)
        lines.append([subject, piece, speed, ratio(each, bare) if bare else "–", others, spent, memory, nfe])
    heads = ["network", "piece", "images a second", "to bare", "others report", "s a call", "peak GiB", "NFE"]
    return tabulate(lines, headers=heads, tablefmt="pipe", disable_numparse=True)


def page(options: argparse.Namespace, notes: Iterable[str], facts: Mapping[str, object]) -> str:
    """Return the page of the results so far."""
    sizes = [
        f"- `{name}`: {each.preset}, training batch {each.batch} in micro-batches of {each.micro or each.batch}, DDO {each.ddo}, "
        f"{each.drawn} samples at once"
        for name, each in SUBJECTS.items()
    ]
    title = f"# {facts.get('device', options.device)}" + (", a rehearsal on tiny networks" if options.tiny else "")
    said = [f"- {name}: {value}" for name, value in facts.items()]
    told = [f"- {note}" for note in notes]
    parts = [
        title,
        "\n".join(said),
        "\n".join(sizes),
        table(results(options.out / "gpu.jsonl"), is_tiny=options.tiny),
        "\n".join(told),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def facts_of(device: str) -> dict[str, object]:
    """Return what a record says of the machine, from a process of its own: this one must not hold a card."""
    code = (
        "import json, sys; from harness.process import devices, environment; "
        "print(json.dumps(environment.describe(devices.use(sys.argv[1]).type)))"
    )
    told = subprocess.run([sys.executable, "-c", code, device], capture_output=True, text=True, check=False)
    return (
        dict(json.loads(told.stdout)) if told.returncode == 0 else {"commit": environment.commit(), "error": told.stderr[-300:]}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu-results"), help="folder for the results")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="tiny networks in the place of the published sizes")
    parser.add_argument("--minutes", type=float, default=5.0, help="time for all of it")
    parser.add_argument("--seconds", type=float, default=2.5, help="time of one measurement, about")
    parser.add_argument("--only", nargs="+", choices=list(LIMITS), default=list(LIMITS), help="networks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "gpu.jsonl").unlink(missing_ok=True)
    ends, notes, facts = time.monotonic() + 60 * options.minutes, list[str](), facts_of(options.device)
    for name in options.only:
        left = ends - time.monotonic() - 2
        if left < 5:
            notes.append(f"{name}: not begun, since the {options.minutes:g} minutes were over")
            continue
        if said := run_group(name, options, min(LIMITS[name], left)):
            notes.append(f"{name}: {said}")
        (options.out / "gpu.md").write_text(page(options, notes, facts))
    (options.out / "gpu.md").write_text(page(options, notes, facts))
    print((options.out / "gpu.md").read_text())


if __name__ == "__main__":
    main()
