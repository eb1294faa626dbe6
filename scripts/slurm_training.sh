#!/usr/bin/env bash
#SBATCH --job-name=spatial-swin
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@300
#SBATCH --output=slurm_%j.log
#
# One training on the nodes of a SLURM job, one process per GPU; submit it from the checkout:
#
#   sbatch scripts/slurm_training.sh recipes/swin-base-384/spatial_audio.yaml --data_dir /shared/data --output_dir /shared/runs/first
#   sbatch --nodes=1 --gpus-per-node=1 scripts/slurm_training.sh ...        any #SBATCH line above can be set like this
#   bash scripts/monitor_training.sh /shared/runs/first                     watch it from the login node
#   scancel --signal=TERM JOBID                                             stop it with a checkpoint
#
# Data and run folder must be on a file system that all nodes see; per_device_train_batch_size counts for one GPU.
# 300 s before --time is over SLURM sends SIGTERM: the step is finished, a checkpoint saved, and the same sbatch line
# continues the run. `sbatch --dependency=singleton` several times over queues a run longer than --time allows (those
# left over when it is finished are refused at once). Without network on the nodes: download the model first, then
# export HF_HUB_OFFLINE=1.
set -euo pipefail
if [ -z "${SLURM_JOB_NODELIST:-}" ] || [ $# -eq 0 ]; then
  echo "usage: sbatch scripts/slurm_training.sh RECIPE [--key value ...]" >&2
  exit 2
fi
root=${SLURM_SUBMIT_DIR:-$PWD}   # SLURM runs a copy of this file from elsewhere
here=$root/scripts
source "$here/python_of_checkout.sh"
gpus=${SLURM_GPUS_ON_NODE:-1}
hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")   # not through head, which could end scontrol by SIGPIPE

export PYTHONUNBUFFERED=1
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=280   # seconds for the last step and the checkpoint, instead of 30
export TORCHELASTIC_SIGNALS_TO_HANDLE=SIGTERM,SIGINT,SIGQUIT
launch=(
  --config_file "$root/accelerate_config_nodes.yaml"
  --num_machines "$SLURM_NNODES" --num_processes $((SLURM_NNODES * gpus))
  --main_process_ip "${hosts%%[[:space:]]*}" --main_process_port $((20000 + SLURM_JOB_ID % 20000))
)
# SLURM_NODEID differs from node to node: it is read there
exec srun --kill-on-bad-exit=1 \
  bash -c 'exec "$0" -m accelerate.commands.launch --machine_rank "$SLURM_NODEID" "$@"' \
  "$python" "${launch[@]}" -m spatial_swin.cli train --config "$@"
