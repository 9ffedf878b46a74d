#!/bin/sh
# Fill a folder with all that benchmarks/gpu.sh needs on a machine that has a card and no network: this commit, the wheels of
# gpu_wheels.sh, and Fashion-MNIST. Commit and dataset are 35 MB; how many wheels come on top depends on what the machine has (HAS
# and PYTHON, as in gpu_wheels.sh).
#
#     sh benchmarks/gpu_bundle.sh FOLDER
#
# And on the machine, which needs git, so that records name the commit (FOLDER by its whole path):
#
#     sh FOLDER/unpack.sh THERE && cd THERE && HARNESS_DATA=FOLDER/data sh benchmarks/gpu.sh --wheels FOLDER/wheels --board
#
# FASHION_MNIST: where its four files are, by default where Debian's package puts them. WHEELS=no leaves the wheels out. Files of
# the reference implementations and records of boards stay behind: neither the tests on a card nor a board needs them.
set -eu
folder=${1:?"say where the bundle goes: sh benchmarks/gpu_bundle.sh FOLDER"}
here=$(cd "$(dirname "$0")/.." && pwd)
images=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
[ -e "$images/train-images-idx3-ubyte.gz" ] || { echo "gpu_bundle.sh: no Fashion-MNIST in $images: set FASHION_MNIST (docs/datasets.md)" >&2; exit 2; }
[ -z "$(git -C "$here" status --porcelain --untracked-files=no)" ] || { echo "gpu_bundle.sh: commit first: the bundle is of a commit" >&2; exit 2; }
mkdir -p "$folder/data/fashion-mnist"
folder=$(cd "$folder" && pwd)
cp "$images"/*ubyte.gz "$folder/data/fashion-mnist/"

# A repository of one commit and the files that travel. A commit names all of its tree, so what stays behind is left out by sparse checkout.
rm -rf "$folder/.git" && git init --quiet "$folder"
commit=$(git -C "$here" rev-parse HEAD)
{
    git -C "$here" rev-parse "$commit" "$commit^{tree}"
    git -C "$here" ls-tree -r -t "$commit" | awk -F '[ \t]' '
        $2 == "tree" || !($4 ~ /^tests\/golden\// || $4 ~ /^leaderboards\/[^\/]*\/(results|plots|bases)\// || $4 ~ /^leaderboards\/[^\/]*\/README.md/) { print $3 }'
} | sort -u | git -C "$here" pack-objects --quiet "$folder/.git/objects/pack/pack" > "$folder/.git/pack-name"
rm "$folder/.git/pack-name"
echo "$commit" > "$folder/.git/shallow"
git -C "$folder" symbolic-ref HEAD refs/heads/main
git -C "$folder" update-ref refs/heads/main "$commit"
git -C "$folder" sparse-checkout set --no-cone '/*' '!/tests/golden/' '!/leaderboards/*/results' '!/leaderboards/*/plots' \
    '!/leaderboards/*/bases' '!/leaderboards/*/README.md'
tar -C "$folder" -cf "$folder/commit.tar" .git && rm -rf "$folder/.git"
cat > "$folder/unpack.sh" <<'UNPACK'
#!/bin/sh
# Check the bundle's commit out: sh unpack.sh THERE
set -eu
there=${1:?"say where the files go: sh unpack.sh THERE"}
bundle=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$there" && cd "$there"
tar -xf "$bundle/commit.tar" && rm -f .git/index && git read-tree -m -u HEAD && git log -1 --format=%h
UNPACK
[ "${WHEELS:-}" = no ] || sh "$here/benchmarks/gpu_wheels.sh" "$folder/wheels"
echo "$(du -sh "$folder" | cut -f1) in $folder, of commit $(git -C "$here" rev-parse --short "$commit")"
