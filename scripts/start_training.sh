#!/usr/bin/env bash
# Start a training on this machine that outlives the terminal and the SSH session:
#
#   bash scripts/start_training.sh RECIPE [--key value ...]     e.g. recipes/swin-base-384/spatial_audio.yaml --data_dir data
#   bash scripts/start_training.sh --stop RUN                   end the step, save a checkpoint, stop
#
# The run folder gets training.log and pid. Options beside the recipe's keys: --processes N, --wait SECONDS (see
# `spatial-swin start --help`). Paths are relative to where you are. Python: $PYTHON, else .venv of this checkout, else
# the active environment. Logging out may still end it where systemd does so (KillUserProcesses): `loginctl
# enable-linger` once helps.
set -euo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
root=$(cd -- "$here/.." && pwd)
source "$here/python_of_checkout.sh"

case "${1:---help}" in
  -h | --help) exec "$python" -m spatial_swin.cli start --help ;;
  --stop) exec "$python" -m spatial_swin.cli stop "${@:2}" ;;
  --config) shift ;;
esac
exec "$python" -m spatial_swin.cli start --launch_config "$root/accelerate_config.yaml" "$@"
