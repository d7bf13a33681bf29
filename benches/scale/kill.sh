#!/usr/bin/env bash
# Kills a build beyond memory at random moments, resumes it, and compares the bytes with those of an undisturbed one:
# `kill.sh path/to/nndescent 20`. Ends with an error at the first difference.
set -euo pipefail
binary=$(realpath "$1") times=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 "$OLDPWD/benches/scale/data.py" clustered 100000 x.npy
build() {
    exec "$binary" graph x.npy -o "$1" --memory 96MiB --part-rows 20000 --recall-sample 64 --device cpu "${@:2}" > log 2>&1
}
start=$(date +%s%N)
(build whole.npz)
takes=$((($(date +%s%N) - start) / 1000000))
RANDOM=1
for i in $(seq "$times"); do
    # Up to three kills before the build that is left alone.
    kills=$((1 + RANDOM % 3))
    for _ in $(seq $kills); do
        build killed.npz --resume &
        sleep "$(((RANDOM * 1000 + RANDOM) % takes))e-3"
        kill -KILL $! 2> /dev/null || true
        wait $! 2> /dev/null || true
    done
    (build killed.npz --resume)
    cmp whole.npz killed.npz
    [ "$(ls | tr '\n' ' ')" = "killed.npz log whole.npz x.npy " ]
    rm killed.npz
    echo "$i: killed $kills times, the same bytes"
done
