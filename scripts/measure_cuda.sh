#!/usr/bin/env bash
# Every CUDA figure of this repository, measured in one command; needs no network and no installation:
#
#   bash scripts/measure_cuda.sh OUT                            all parts, in under 9 minutes on one GPU
#   bash scripts/measure_cuda.sh OUT --parts steps cache        some of them
#   bash scripts/measure_cuda.sh OUT --device cpu --tiny true   the same code in a minute without a GPU, as CI runs it
#
# Writes OUT/cuda.json and OUT/cuda.md (the tables of recipes/README.md). The same command continues: a part that is
# done on this device is not measured again. torch, transformers, accelerate, datasets and kornia must be installed;
# a part that needs more says so in the table. Python: $PYTHON, else .venv of this checkout, else the active one.
set -euo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
root=$(cd -- "$here/.." && pwd)
export PYTHONPATH="$root/src${PYTHONPATH:+:$PYTHONPATH}"
source "$here/python_of_checkout.sh"
exec "$python" "$here/measure_cuda.py" "$@"
