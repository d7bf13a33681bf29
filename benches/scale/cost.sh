#!/usr/bin/env bash
# Wall seconds, processor seconds and peak memory of every piece of a build beyond memory, and of the build in memory:
# `cost.sh path/to/nndescent x.npy 256MiB [options of partition]`. One line of `piece wall user+sys peak_MiB`
# each, after one of `rows N parts P`. `model.py` fits a model to several.
set -euo pipefail
binary=$(realpath "$1") input=$(realpath "$2") memory=$3
shift 3
folder=$(mktemp -d -p "$(dirname "$input")")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
timed() {
    local name=$1
    shift
    /usr/bin/time -a -o times -f "$name %e %U %S %M" "$binary" "$@" > out 2>&1 || { cat out; exit 1; }
}
sum() { awk '{ w[$1] += $2; c[$1] += $3 + $4; if ($5 > m[$1]) m[$1] = $5 } END { for (p in w) printf "%s %.1f %.1f %.0f\n", p, w[p], c[p], m[p] / 1024 }' times; }
timed partition partition "$input" -o w --memory "$memory" --algorithm nndescent "$@"
rows=$(awk '{ print $1; exit }' out)
parts=$(ls w/*.rows | wc -l)
for part in $(seq 0 $((parts - 1))); do
    timed parts graph w --part "$part" --device cpu
done
timed merge merge w --memory "$memory"
timed refine refine w --memory "$memory" --recall-sample 0
timed recall refine w --memory "$memory" --rounds 0
timed write refine w --memory "$memory" --rounds 0 --recall-sample 0 -o g.npz
rm -rf w
timed in_memory graph "$input" -o g.npz --algorithm nndescent --device cpu --recall-sample 0
echo "rows $rows parts $parts"
sum
