#!/usr/bin/env bash
# Checks benchsuite on a CUDA device, in under 300 seconds: `bash benchmarks/gpu/check.sh [--help]`.
#
# It needs bash and a Python (3.11 or later) with torch and NumPy. Nothing is installed, downloaded or written into the
# repository but the table. What another package is missing for is skipped, and the table says so. PYTHON names another
# Python; packages in the folders of PYTHONPATH are used too.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d -t gpu_check.XXXXXX)
trap 'rm -rf "$work"' EXIT

# The tree as it would be installed: its packages are in three folders, and its version and plugins in metadata.
site=$work/site
mkdir -p "$site/benchsuite" "$site/benchsuite-0.1.0.dist-info"
ln -s "$root"/benchsuite/* "$root/plugins" "$root/protocols" "$site/benchsuite/"
ln -s "$root/benchmarks/gpu" "$site/gpu_check"
case " $* " in *" --pretend "*) ln -s "$root/benchmarks/gpu/stand_ins/sitecustomize.py" "$site/" ;; esac
printf 'Metadata-Version: 2.1\nName: benchsuite\nVersion: 0.1.0\n' > "$site/benchsuite-0.1.0.dist-info/METADATA"
printf '[benchsuite]\ngpu-check = gpu_check.made_up\n' > "$site/benchsuite-0.1.0.dist-info/entry_points.txt"
export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH} PYTHONSAFEPATH=1
export BENCHSUITE_CACHE=$work/cache BENCHSUITE_RESULTS=$work/results GPU_CHECK_WORK=$work
export TORCHINDUCTOR_CACHE_DIR=$work/inductor TRITON_CACHE_DIR=$work/triton PYTHONUNBUFFERED=1
"$python" -c 'import pluggy' 2> "$work/errors" || ln -s "$root/benchmarks/gpu/stand_ins/pluggy.py" "$site/"
"$python" -m gpu_check --results "$root/results/gpu" "$@"
