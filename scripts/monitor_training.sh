#!/usr/bin/env bash
# What the trainings of this machine are doing; works over plain SSH and in `watch`:
#
#   bash scripts/monitor_training.sh                    all runs below runs/, newest first
#   bash scripts/monitor_training.sh RUN [--follow]     one run: state, epoch, time left, last figures, best, GPU
#   watch -n 10 bash scripts/monitor_training.sh RUN
#
# Exit codes for one RUN: 0 finished, 5 running or preparing, 6 stalled, 7 died, 8 failed, 143 stopped; 1 no such run.
set -euo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
root=$(cd -- "$here/.." && pwd)
source "$here/python_of_checkout.sh"
exec "$python" -m spatial_swin.cli monitor "$@"
