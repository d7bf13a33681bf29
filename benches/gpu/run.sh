#!/usr/bin/env bash
# The table of a GPU, in under eight minutes: nothing is built here, a binary is handed over.
#
#     benches/gpu/run.sh target/release/nndescent [FASHION.npy [DEVICE]]
#
# FASHION.npy: Fashion-MNIST, 60,000 x 784, or any other matrix; - for none. DEVICE: as for `nndescent graph --device`.
# SHAPE=ROWSxCOLUMNS: other than a million x 128, to try the script on a small machine.
# Save what it prints in docs/gpu/, with device, driver and date.
set -uo pipefail
nndescent=${1:?the nndescent binary}
data=${2:--}
device=${3:-gpu}
shape=${SHAPE:-1000000x128}

# Runs one part of the table; the parts after it are worth having even if it fails. The limits add up to 450 s.
part() {
    local limit=$1
    shift
    echo
    echo "## nndescent bench $*"
    echo
    timeout "$limit" "$nndescent" bench "$@" --device "$device" 2>&1 || echo "ended with status $? (124: after $limit s)"
}

date -u +%F
"$nndescent" --version
"$nndescent" devices
if command -v nvidia-smi > /dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
fi
nproc

if [ "$data" != - ]; then
    part 90 "$data" -k 30 --repeats 3 --exact
fi
part 220 --generate "$shape" -k 32 --repeats 3
part 140 --generate "$shape" -k 32 --repeats 1 --cpu-repeats 0 --exact=gpu
