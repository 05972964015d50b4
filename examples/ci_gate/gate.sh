#!/usr/bin/env bash
# Run a suite with the change and compare it with stored results: exit code 1 if the change is significantly worse.
#   gate.sh SUITE BASELINE [GATE…]     BASELINE: a results folder of the version that is compared with
set -euo pipefail
suite=$1 baseline=$2
shift 2
gates=("$@")
if [ ${#gates[@]} -eq 0 ]; then gates=(--fail-if-slower 5% --fail-if-worse 1%); fi
moebench suite "$suite" --results results
moebench compare results "$baseline" "${gates[@]}"
