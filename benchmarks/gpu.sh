#!/bin/sh
# Everything that needs a card, in one go: `pytest -m gpu`, then benchmarks/gpu.py; ten minutes at most. From a machine that has
# Python 3.11 or later with PyTorch 2.11 or later, and a folder of wheels for the rest (benchmarks/gpu_wheels.sh fills it).
#
#     sh benchmarks/gpu.sh [--wheels FOLDER] [--out FOLDER] [--only tests|speed] [--board] [--rehearse]
#
# --wheels    wheels of the packages that the machine lacks; without it nothing is installed
# --out       where logs and results go, by default $OUT, or gpu-results: tests.log, tests.xml, gpu.jsonl, gpu.md, summary.txt
# --only      one of the two parts
# --board     instead of both: leaderboards/fashion-gpu, ten minutes of one H100, which needs the dataset (docs/datasets.md). It is
#             stopped after BOARD_SECONDS (570), and goes on when it is called again with the same --out; the page and the records
#             of what is whole are in the results as `fashion-gpu`. BOARD and BOARD_JOBS (2) take another board, or more jobs
# --rehearse  on a CPU, with tiny networks
#
# TESTS_WORKERS runs the tests in as many processes, which share the card; it needs pytest-xdist.
#
# What it installs lies in a temporary folder; the machine's own packages stay as they are. Exit code: 0 where all went well, 1
# where tests failed or figures are missing; with --board that of the run: 124 where its time was over, 137 where it then had to be
# killed; where the run ended well and its page could not be written, 1.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
out=${OUT:-gpu-results}
wheels='' part=all rehearse=''
while [ $# -gt 0 ]; do
    case $1 in
        --wheels) wheels=${2:?"--wheels needs a folder"}; shift ;;
        --out) out=${2:?"--out needs a folder"}; shift ;;
        --only) part=${2:?"--only needs tests or speed"}; shift ;;
        --board) part=board ;;
        --rehearse) rehearse=yes ;;
        *) echo "gpu.sh: what is $1? See the top of $0" >&2; exit 2 ;;
    esac
    shift
done
case $part in all | tests | speed | board) ;; *) echo "gpu.sh: --only takes tests or speed, not $part" >&2; exit 2 ;; esac
mkdir -p "$out" && out=$(cd "$out" && pwd)
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
summary=$out/summary.txt
: > "$summary"
say() { echo "$1" | tee -a "$summary"; }

if [ -n "$wheels" ]; then
    started=$(date +%s)
    python3 -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --disable-pip-version-check --upgrade \
        --target "$site" "$wheels"/*.whl > "$out/install.log" 2>&1 ||
        for wheel in "$wheels"/*.whl; do python3 -m zipfile -e "$wheel" "$site"; done  # without pip: a wheel is a zip
    say "wheels: $(($(date +%s) - started)) s"
fi
export PYTHONPATH="$here:$here/plugins:$site${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MPLBACKEND=agg
# Plugins are found by the entry points of the installed project; here they are read off the checkout.
python3 - "$here/pyproject.toml" "$site" <<'PYTHON' || exit 2
import pathlib, sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
info = pathlib.Path(sys.argv[2], "finetune_harness-0.dist-info")
info.mkdir(exist_ok=True)
(info / "METADATA").write_text("Metadata-Version: 2.1\nName: finetune-harness\nVersion: 0\n")
lines = [f"{name} = {module}" for name, module in project["entry-points"]["harness"].items()]
(info / "entry_points.txt").write_text("[harness]\n" + "\n".join(lines) + "\n")
PYTHON
cd "$here" || exit 2
python3 -c 'import torch, harness.plugins; print("PyTorch", torch.__version__, "on", torch.cuda.get_device_name() if torch.cuda.is_available() else "no card")' \
    2> "$out/start.log" | tee -a "$summary"
ended=0

if [ "$part" = board ]; then
    device=cuda; [ -z "$rehearse" ] || device=cpu
    # An interrupted run writes checkpoints. Two jobs: one draws samples or starts while the other trains.
    board=${BOARD:-fashion-gpu}
    timeout -s INT -k 30 "${BOARD_SECONDS:-570}" python3 -m harness run "leaderboards/$board" --device $device \
        --jobs "${BOARD_JOBS:-2}" --runs-dir "$out/runs" ${rehearse:+--smoke} > "$out/board.log" 2>&1 || ended=$?
    tail -n 15 "$out/board.log"
    if [ -z "$rehearse" ]; then
        python3 -m harness publish "leaderboards/$board" --partial --runs-dir "$out/runs" > "$out/publish.log" 2>&1 || {
            say "publish: exit code $? (publish.log)"
            [ $ended -ne 0 ] || ended=1
        }
        rm -rf "${out:?}/$board" && cp -r "leaderboards/$board" "$out/"
    fi
    say "board: exit code $ended"
    exit $ended
fi

if [ "$part" != speed ]; then
    started=$(date +%s)
    HARNESS_GPU_TESTS=${rehearse:+cpu} ; export HARNESS_GPU_TESTS
    [ -n "$HARNESS_GPU_TESTS" ] || unset HARNESS_GPU_TESTS
    timeout -s INT -k 10 "${TESTS_SECONDS:-240}" python3 -m pytest -m gpu tests/gpu -q -p no:cacheprovider --durations=15 \
        ${TESTS_WORKERS:+-n "$TESTS_WORKERS"} \
        --junitxml "$out/tests.xml" > "$out/tests.log" 2>&1 || ended=1
    say "tests: $(tail -n 1 "$out/tests.log") ($(($(date +%s) - started)) s)"
fi
if [ "$part" != tests ]; then
    started=$(date +%s)
    python3 benchmarks/gpu.py --out "$out" --minutes "${SPEED_MINUTES:-5}" ${rehearse:+--device cpu --tiny --seconds 0.01} \
        > "$out/speed.log" 2>&1 || ended=1
    grep -q images_per_second "$out/gpu.jsonl" 2> /dev/null || ended=1
    ! grep -q '"error"' "$out/gpu.jsonl" 2> /dev/null || ended=1
    say "speed: $(grep -c images_per_second "$out/gpu.jsonl" 2> /dev/null || true) figures ($(($(date +%s) - started)) s)"
fi
say "results: $out"
exit $ended
