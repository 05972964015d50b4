#!/usr/bin/env bash
# A suite on a Ray cluster, started on its head node or with `ray job submit`: every cell is a task with one device.
#   bash examples/cluster/ray.sh SUITE SHARED_FOLDER
set -euo pipefail
# RAY_ADDRESS says which cluster; without it Ray starts one on this machine.
moebench suite "$1" --executor "${EXECUTOR:-ray}" --results "$2"
