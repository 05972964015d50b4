"""Reads many damaged data files, and reports what did not end as it should: `python damaged_data.py FOLDER COUNT`.

A process of its own, so that a crash of a library ends no test run and the memory of reading can be told.
"""

import faulthandler
import json
import os
import random
import resource
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from own_images import encoded, parquet, saved, silent, table, write
from PIL import Image

from moebench import data
from moebench.errors import BadInput


def pictures(kind: str, mode: str = "RGB", **options: object) -> Callable[[Path], Path]:
    """Makes a folder with an image of a kind in each of two classes, and returns the file to damage."""

    def make(root: Path) -> Path:
        pixels = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
        image = Image.fromarray(pixels)
        deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
        content = encoded(deep if mode == "I;16" else image.convert(mode), kind, **options)
        for name in ("a/0", "a/1", "b/0", "b/1"):
            write(root / f"{name}.{kind}", content)
        return root / "a" / f"1.{kind}"

    return make


def archive(root: Path, *, packed: bool = False) -> Path:
    images = np.arange(16 * 64, dtype=np.uint8).reshape(16, 8, 8)
    (np.savez_compressed if packed else np.savez)(root / "mine.npz", images=images, labels=[0, 1] * 8)
    return root / "mine.npz"


def rows(root: Path) -> Path:
    return parquet(root / "mine.parquet", table(list(range(8)), [0, 1] * 4, ["no", "yes"]))


def texts(root: Path) -> Path:
    return parquet(root / "mine.parquet", table(list(range(8)), ["no", "yes"] * 4))


def arrow(root: Path) -> Path:
    return saved(root / "mine", table(list(range(8)), ["no", "yes"] * 4)) / "data-00000-of-00001.arrow"


def state(root: Path) -> Path:
    return saved(root / "mine", table(list(range(8)), [0, 1] * 4)) / "state.json"


def cifar(root: Path) -> Path:
    for name in ("train.bin", "test.bin"):
        (root / name).write_bytes(b"".join(bytes([9, fine]) + bytes(3072) for fine in (1, 0)))
    write(root / "fine_label_names.txt", "\n".join(f"class{number}" for number in range(100)))
    return root / "train.bin"


exif = Image.Exif()
exif[0x0112], exif[0x010F] = 6, "a camera"
KINDS: dict[str, Callable[[Path], Path]] = {
    "png": pictures("png"),
    "png with alpha": pictures("png", "RGBA"),
    "png of 16 bits": pictures("png", "I;16"),
    "png with palette": pictures("png", "P"),
    "jpeg": pictures("jpeg", exif=exif),
    "gif": pictures("gif", "P"),
    "webp": pictures("webp"),
    "tiff": pictures("tiff", compression="tiff_lzw"),
    "tiff of 16 bits": pictures("tiff", "I;16"),
    "bmp": pictures("bmp"),
    "ppm": pictures("ppm"),
    "ico": pictures("ico"),
    "tga": pictures("tga"),
    "archive": archive,
    "packed archive": lambda root: archive(root, packed=True),
    "Parquet": rows,
    "Parquet of texts": texts,
    "Arrow": arrow,
    "state": state,
    "CIFAR": cifar,
}


def damaged(content: bytes, draw: random.Random) -> bytes:
    """The content with one to four damages of a kind that disks, transfers and attackers do."""
    found = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at, span = draw.randrange(len(found) or 1), draw.choice((1, 2, 4, 8, 64))
        match draw.randrange(7):
            case 0:
                found[at : at + span] = draw.randbytes(span)
            case 1:
                found[at : at + span] = b"\xff" * span
            case 2:
                found[at : at + span] = bytes(span)
            case 3:
                del found[at:]
            case 4:
                del found[at : at + span]
            case 5:
                found[at:at] = found[:span]
            case 6:
                found[at : at + 1] = bytes([(found[at] if at < len(found) else 0) ^ (1 << draw.randrange(8))])
    return bytes(found)


def tried(place: Path) -> str:
    """How reading a place ended: "read", "refused", or what is wrong with the way it ended."""
    try:
        data.find(str(place)).load(8, silent)
    except BadInput as mistake:
        text = str(mistake)
        return "refused" if text.isprintable() and len(text) < 1500 else f"no sentence: {text!r}"
    except BaseException:
        return traceback.format_exc(limit=-4)
    return "read"


def main(folder: Path, count: int) -> None:
    """Prints a JSON object: how often each end came, the faults by case, and the growth of memory in MiB."""
    os.environ["MOEBENCH_CACHE"] = str(folder / "cache")
    draw, ends, faults = random.Random(20), Counter[str](), {}
    slowest = 0.0
    for kind, make in KINDS.items():  # what is imported and mapped at first is no memory of a damaged file
        (folder / kind).mkdir(parents=True)
        file = make(folder / kind)
        place = file if file.suffix in (".npz", ".parquet") else file.parent
        place = place.parent if place.name == "a" else place
        assert tried(place) == "read", (kind, tried(place))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        root = folder / f"{number}"
        root.mkdir()
        file = KINDS[kind](root)
        place = file if file.suffix in (".npz", ".parquet") else file.parent
        place = place.parent if place.name == "a" else place
        file.write_bytes(damaged(file.read_bytes(), draw))
        print(f"{number}: {kind}", file=sys.stderr, flush=True)
        began = time.perf_counter()
        end = tried(place)
        slowest = max(slowest, time.perf_counter() - began)
        if end not in ("read", "refused"):
            faults[f"{number}: {kind}"] = end
        ends[end if end in ("read", "refused") else "fault"] += 1
        shutil.rmtree(root)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"ends": ends, "faults": faults, "grown_mib": grown, "slowest_s": slowest}))


if __name__ == "__main__":
    faulthandler.enable()
    main(Path(sys.argv[1]), int(sys.argv[2]))
