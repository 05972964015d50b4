"""sbatch, sacct, scancel and sinfo for one machine, as far as submitit asks for them; called by those names.

The folder FAKE_SLURM keeps for each task of an array its process id, its state if a test sets it, and every command.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(os.environ["FAKE_SLURM"])


def sbatch(script: str) -> None:
    array = re.search(r"#SBATCH --array=0-(\d+)", Path(script).read_text())
    job = str(time.time_ns() // 1000)  # submitit remembers the jobs of a process
    (HOME / f"script-{job}").write_text(Path(script).read_text())
    for index in range(int(array[1]) + 1) if array else [None]:
        task = job if index is None else f"{job}_{index}"
        names = {"SLURM_JOB_ID": task, "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1", "SLURM_NODEID": "0"}
        names |= {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_JOB_NODELIST": "here"}
        if index is not None:
            names |= {"SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": str(index)}
        log = (HOME / f"log-{task}").open("wb")
        process = subprocess.Popen(
            ["bash", script], env={**os.environ, **names}, stdout=log, stderr=log, start_new_session=True
        )
        (HOME / f"pid-{task}").write_text(str(process.pid))
    print("Submitted batch job", job)


def sacct(*_: str) -> None:
    print("JobID|State|NodeList")
    for path in HOME.glob("pid-*"):
        task = path.name.removeprefix("pid-")
        state = HOME / f"state-{task}"
        print(f"{task}|{state.read_text() if state.exists() else 'RUNNING'}|here")


def scancel(task: str, *_: str) -> None:
    for path in [*HOME.glob(f"pid-{task}"), *HOME.glob(f"pid-{task}_*")]:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(path.read_text()), signal.SIGKILL)


def sinfo(*_: str) -> None:
    print(os.environ.get("FAKE_GRES", "(null)"))


if __name__ == "__main__":
    name = Path(sys.argv[0]).name
    with (HOME / "commands").open("a") as file:
        print(name, *sys.argv[1:], file=file)
    {"sbatch": sbatch, "sacct": sacct, "scancel": scancel, "sinfo": sinfo}[name](*sys.argv[1:])
