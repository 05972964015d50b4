#!/usr/bin/env bash
# A suite on a Slurm cluster: this job only drives; every cell becomes a job of its own.
#   sbatch examples/cluster/slurm.sh SUITE SHARED_FOLDER
#SBATCH --job-name=moebench
#SBATCH --time=24:00:00
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --requeue
set -euo pipefail
# Results lie on a disk that all nodes see. If the job is stopped or requeued, the same line goes on where it was.
moebench suite "$1" --executor "${EXECUTOR:-slurm}" --jobs "${JOBS:-8}" --results "$2"
