"""A cell program without jax, for tests of what runs cells; `behave` among the options makes it misbehave."""

import fcntl
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from moebench.spec.side_by_side import own_waiting

ROUTERS = {"dense": {}, "soft": {"experts": None}, "bpr": {"experts": None, "top_k": 1}}


def environment() -> dict[str, Any]:
    devices = int(os.environ.get("FAKE_DEVICES", "1"))
    platform = os.environ.get("FAKE_PLATFORM", "cpu")
    return {"platform": platform, "device_kind": "fake", "device_count": devices, "hostname": "test"}


def resolve(specs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_resolve(spec) for spec in specs]


def _resolve(spec: dict[str, Any]) -> dict[str, Any]:
    if spec["router"] not in ROUTERS:
        return {"error": f"unknown router '{spec['router']}': did you mean 'soft'?", "key": "router"}
    for key in spec["options"]:
        if key not in ("experts", "top_k", "behave"):
            return {"error": f"unknown option '{key}' of router '{spec['router']}'", "key": key}
    config = {key: value for key, value in spec.items() if key != "seeds"}
    cell_id = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
    options = ",".join(f"{key}={value}" for key, value in spec["options"].items())
    inputs = {"router": spec["router"], "model": spec["model"], "data": spec["data"], "steps": spec["steps"]}
    return {
        "cell_id": cell_id,
        "fingerprint": os.environ.get("FAKE_FINGERPRINT", "first"),
        "label": f"{spec['router']}[{options}]" if options else spec["router"],
        "inputs": {**inputs, "experts": spec["options"].get("experts", 1), "config": json.dumps(config)},
        "ready": "/" not in spec["data"],
    }


def prepare(specs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for spec in specs:
        print(f"decoding {Path(spec['data']).name} to {spec['image_size']} pixels", flush=True)
    time.sleep(0.6)
    return [
        {"error": f"{spec['data']}/1.png is broken.", "key": "data"}
        if "torn" in spec["data"]
        else {"notes": [f"{spec['data']}: 3 files are left out."]}
        for spec in specs
    ]


def main(argv: list[str]) -> int:
    from moebench.results import write_rows

    record = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    spec, identity = record["spec"], record["identity"]
    misbehave(spec["options"].get("behave"))
    inputs = _resolve(spec)["inputs"]
    rows = [
        {
            **identity,
            **inputs,
            **environment(),
            "seed": seed,
            "status": "ok",
            "accuracy": 0.9 + 0.01 * seed,
            "flops_forward_per_image": 1e6,
            "train_step_s": 0.01,
            "cell_wall_s": 0.1,
        }
        for seed in spec["seeds"]
    ]
    time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
    if spec["options"].get("behave") == "record":
        recording = Path(record["recordings"], "cell-0-1.parquet")
        recording.parent.mkdir(parents=True)
        recording.write_bytes(b"a recording")
        recording.with_name("_part.tmp").write_bytes(b"half of one")
    write_rows(rows, Path(argv[1]))
    if ledger := os.environ.get("FAKE_LEDGER"):
        names = ("cell_id", "seed", "attempt", "run_id")
        lines = "".join(" ".join(str(row[name]) for name in names) + "\n" for row in rows)
        handle = os.open(ledger, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(handle, lines.encode())
        os.close(handle)
    print("wrote", len(rows), "rows on", os.environ.get("CUDA_VISIBLE_DEVICES"))
    return 0


def misbehave(how: str | None) -> None:
    if how == "crash":
        raise ValueError("planted crash")
    if how == "hang":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print("pids", os.getpid(), child.pid, flush=True)
        time.sleep(60)
    if how == "allocate":
        print("pids", os.getpid(), os.getpid(), flush=True)
        allocate()
    if how == "allocate-in-child":
        child = subprocess.Popen([sys.executable, "-c", "import fake_cell; fake_cell.allocate()"])
        print("pids", os.getpid(), child.pid, flush=True)
        child.wait()
    if how == "allocate-in-session":
        program = [sys.executable, "-c", "import fake_cell; fake_cell.allocate()"]
        child = subprocess.Popen(program, start_new_session=True)
        print("pids", os.getpid(), child.pid, flush=True)
        child.wait()
    if how in ("hang-with-session", "leave-session", "leave-daemon"):
        # Of a daemon the parent ends at once, so that only whoever adopts it knows where it came from.
        program = f"import os, time; print('pids', {os.getpid()}, os.getpid(), flush=True); time.sleep(60)"
        if how == "leave-daemon":
            program = f"import os\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n  {program}"
        child = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
        time.sleep(60 if how == "hang-with-session" else 1)
    if how == "turns":
        print(os.environ.get("MOEBENCH_CELLS_AT_ONCE"), os.environ.get("MOEBENCH_TURNS"))
    if how == "keep-turn":  # waits for the turn, and ends without giving the turn back
        fcntl.flock(int(os.environ["MOEBENCH_TURNS"].split(",")[0]), fcntl.LOCK_EX)
    if how == "wait":
        with own_waiting().counted():
            time.sleep(1.2)
    if how == "allocate-some":  # pages of its own: half a GiB
        time.sleep(0.5 * len(b"x" * (1 << 29)) / (1 << 29))
    if how == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "exit":
        os._exit(0)
    if how == "shout":
        print("first words")
        for _ in range(int(os.environ.get("FAKE_SHOUT_MIB", "64"))):
            sys.stdout.write("x" * (1 << 20))
        print("\nlast words")
        sys.exit(3)
    if how == "free-and-allocate":
        for _ in range(3):  # in threads, as programs of JAX do
            thread = threading.Thread(target=lambda: b"x" * (80 << 20))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            thread.start()
            thread.join()
            print("pages", resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    if how == "memory":
        raise MemoryError("planted")


def allocate() -> None:
    """16 MiB every 10 ms, for as long as there are any."""
    taken = []
    while True:
        taken.append(b"x" * (16 << 20))
        time.sleep(0.01)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
