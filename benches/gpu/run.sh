#!/usr/bin/env bash
# The table of a GPU, in under eight minutes: nothing is built here, a binary is handed over.
#
#     benches/gpu/run.sh target/release/nndescent [FOLDER WITH fashion.npy]
#
# Save what it prints in docs/gpu/, with device, driver and date.
set -euo pipefail
nndescent=$1
data=${2:-}

date -u +%F
"$nndescent" devices
if command -v nvidia-smi > /dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
fi
nproc

for shape in 100000x96 1000000x128; do
    timeout 200 "$nndescent" bench --generate "$shape" -k 32 --repeats 3
done
if [ -n "$data" ]; then
    timeout 100 "$nndescent" bench "$data/fashion.npy" -k 30 --repeats 3 --exact
fi
