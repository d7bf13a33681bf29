#!/usr/bin/env bash
# The table of a GPU, in four minutes (LIMIT seconds), on a machine that need not have anything but a driver:
#
#     benches/gpu/run.sh FOLDER [DEVICE]
#
# FOLDER holds what was carried to the machine, each file as it is or with gzip (.gz):
#   nndescent                 the command, of a release build
#   unit                      the library's unit tests (cargo test --release --lib --no-run), to compare kernels first,
#                             and to tell what the driver makes of them
#   train-images-idx3-ubyte   Fashion-MNIST, or any other matrix under that name
#   *.deb                     packages of the Vulkan loader for a bare machine, which are unpacked into /: libvulkan1
#                             libegl1 libglvnd0 libopengl0 libgl1 libglx0 libgles2
# All but the first may be missing.
# DEVICE: as for `nndescent graph --device`; gpu by default.
# SHAPE=ROWSxCOLUMNS: another size than a million x 128, to try the script on a small machine.
# LIMIT: seconds for all parts; 235 by default, which leaves out what comes last on slow devices. 540 is enough for all.
# OUT: the folder for log.md, all tables, and log.json, an array of what `nndescent bench --json` tells of each; this one by
# default.
#
# If a part fails, the others still run. Save the log in docs/gpu/, with device, driver and date.
set -uo pipefail
folder=$(cd "${1:?the folder with nndescent}" && pwd)
device=${2:-gpu}
shape=${SHAPE:-1000000x128}
limit=${LIMIT:-235}
out=${OUT:-.}
scripts=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: > "$work/benches.json"
exec > >(tee "$out/log.md") 2>&1
export PYTHONUNBUFFERED=1 XDG_RUNTIME_DIR="$work"

# What was carried, unpacked.
for package in "$folder"/*.deb "$folder"/*/*.deb; do
    if [ -f "$package" ]; then dpkg -x "$package" / && ldconfig; fi
done
for name in nndescent unit train-images-idx3-ubyte; do
    if [ -f "$folder/$name.gz" ]; then
        gzip -dc "$folder/$name.gz" > "$work/$name"
    elif [ -f "$folder/$name" ]; then
        cp "$folder/$name" "$work/$name"
    fi
done
chmod +x "$work/nndescent" "$work/unit" 2> /dev/null
# Drivers in containers are often not where the loader looks.
if [ -z "${VK_DRIVER_FILES:-}" ] && command -v nvidia-smi > /dev/null; then
    icd=$(find /usr /etc /opt -name nvidia_icd.json 2> /dev/null | head -1)
    if [ -n "$icd" ]; then export VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd; fi
fi

# Runs one part of the table for at most so many seconds; none begins when the time is nearly over. What it writes to
# standard output goes to the file $told if that is set, and all else to the log.
part() {
    local most=$1 left=$((limit - SECONDS))
    shift
    echo
    echo "## $(basename "$1") ${*:2} (at $SECONDS s)"
    echo
    if [ "$left" -lt 5 ]; then
        echo "left out: the time is over"
        return
    fi
    timeout "$((most < left ? most : left))" "$@" 2>&1 1>> "${told:-/dev/stdout}" || echo "ended with status $? (124: out of time)"
}
nndescent=$work/nndescent
bench() {
    local most=$1
    shift
    told=$work/benches.json part "$most" "$nndescent" bench "$@" --device "$device" --json
}

date -u +%F
"$nndescent" --version
nproc
lscpu | grep -E 'Model name|L3|Thread'
if command -v nvidia-smi > /dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total,pcie.link.gen.current,pcie.link.width.current --format=csv
fi

# Is it right?
part 20 "$nndescent" devices
if [ -x "$work/unit" ]; then
    if command -v python3 > /dev/null; then
        mkdir "$work/modules"
        NNDESCENT_SPIRV=$work/modules "$work/unit" modules_of_a_card > /dev/null
        part 30 python3 "$scripts/statistics.py" "$work/modules"
    fi
    NNDESCENT_REQUIRE_GPU=1 part 60 "$work/unit" gpu::tests::parity gpu::tests::devices --test-threads 1
fi

# What the machine can do at best.
has_torch() {
    python3 -c 'import torch; assert torch.cuda.is_available()' 2> /dev/null
}
if has_torch; then part 30 python3 "$scripts/ceilings.py"; fi

# Real rows, exact search, and exact search by PyTorch beside it.
data=$work/train-images-idx3-ubyte
if [ -f "$data" ]; then
    bench 45 "$data" -k 30 --repeats 5 --cpu-repeats 2 --exact=gpu
    if has_torch; then
        part 40 python3 "$scripts/torch_exact.py" "$data" 30
    fi
fi

# A million rows: in clusters, with the CPU beside it; then with little structure, as floats and as bytes.
bench 60 --generate "$shape" -k 32 --repeats 3 --cpu-repeats 1
bench 40 --generate "$shape" --structure flat -k 32 --repeats 2 --cpu-repeats 0
for values in f16 u8; do
    bench 40 --generate "$shape" --structure flat --values "$values" -k 32 --repeats 2 --cpu-repeats 0
done
bench 60 --generate "$shape" -k 32 --repeats 1 --cpu-repeats 0 --exact=gpu

# The variant of kernels that is off unless it is asked for.
if [ -f "$data" ]; then
    echo
    echo "With NNDESCENT_GPU_TRY=matrices:"
    NNDESCENT_GPU_TRY=matrices bench 30 "$data" -k 30 --repeats 3 --cpu-repeats 0 --exact=gpu
fi
sed '1s/^/[/; $!s/$/,/; $s/$/]/' "$work/benches.json" > "$out/log.json"
echo
echo "in all $SECONDS s"
