"""--level: one instruction set for every contender. What each of them is limited by is in README.md."""
import ctypes
import os
import sys

AVX2 = {
    "NNDESCENT_SIMD": "avx2",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+sse4.2,+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+popcnt,+lzcnt,+movbe",
    "ANN_SEARCH_SIMD": "avx2",
    "FAISS_SIMD_LEVEL": "AVX2",  # since 1.15
    "FAISS_OPT_LEVEL": "AVX2",  # before
    "NPY_DISABLE_CPU_FEATURES": "X86_V4,AVX512_ICL",
    "OPENBLAS_CORETYPE": "Haswell",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
ENVIRONMENT = {"native": {}, "avx2": AVX2}

# Size of the extension module of a wheel of scalable-vs: where it keeps what CPUID said (AVX2, AVX-512F, AVX-512 VNNI).
SVS_FLAGS = {17794352: 0x10F9028}


def add_argument(parser):
    parser.add_argument("--level", default="native", choices=ENVIRONMENT, help="instruction set that all are limited to")


def start(level):
    """Starts this process anew where its environment does not limit it yet: libraries read it when they are loaded."""
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT[level].items()):
        os.environ.update(ENVIRONMENT[level])
        os.execv(sys.executable, sys.orig_argv)


def limit_svs(level):
    """Clears what a loaded SVS knows of AVX-512, for it has no option. False if this is a wheel not looked into."""
    if level == "native":
        return True
    with open("/proc/self/maps") as maps:
        base, path = next((int(m.split("-")[0], 16), m.split()[-1]) for m in maps if "/svs/_svs" in m)
    if os.path.getsize(path) not in SVS_FLAGS:
        return False
    flags = (ctypes.c_char * 3).from_address(base + SVS_FLAGS[os.path.getsize(path)])
    flags[1:3] = b"\0\0"
    return True
