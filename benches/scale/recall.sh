#!/usr/bin/env bash
# Recall of builds beyond memory by overlap and part size, and the processor seconds they take:
# `recall.sh path/to/nndescent x.npy [options of graph]`. A row of a Markdown table for each.
set -euo pipefail
binary=$(realpath "$1") input=$(realpath "$2")
shift 2
folder=$(mktemp -d -p "$(dirname "$input")")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
options=(--device cpu --algorithm nndescent --recall-sample 1000 "$@")
row() {
    local name=$1
    shift
    /usr/bin/time -o time -f '%U %S' "$binary" graph "$input" -o g.npz "${options[@]}" "$@" > out
    awk -v name="$name" -v seconds="$(awk '{ print $1 + $2 }' time)" '
        / parts of at most / { parts = $1; rows = $6 }
        /^estimated recall/ { recall = $3 }
        END { printf "| %s | %s | %s | %s | %.0f |\n", name, parts, rows, recall, seconds }' out
}
echo '| overlap | parts | rows of the largest | recall@15 | processor s |'
echo '|---|---|---|---|---|'
for overlap in 1 2 3; do
    for memory in 128MiB 256MiB 512MiB; do
        row "$overlap" --memory "$memory" --overlap "$overlap"
    done
done
row 'in memory'
