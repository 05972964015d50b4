"""From files of every mode and depth to square images of bytes, with hand-worked values."""

import io
import struct
import zlib
from collections.abc import Mapping

import numpy as np
import pytest
from own_images import encoded
from PIL import Image

from moebench.data.user.decode import MOST_PIXELS, decode, look
from moebench.data.user.modes import GROUND
from moebench.errors import BadInput


def decoded(content: bytes | np.ndarray, size: int, channels: int, **levels: tuple[float, float]) -> np.ndarray:
    named: Mapping[str, tuple[float, float]] = {key.replace("_", "-"): value for key, value in levels.items()}
    return decode("it", content, size, channels, {key.removeprefix("of-"): value for key, value in named.items()})


def of(mode: str, pixels: list[list[object]], kind: str = "png", **options: object) -> bytes:
    """A file with these pixels."""
    image = Image.new(mode, (len(pixels[0]), len(pixels)))
    image.putdata([pixel for row in pixels for pixel in row])
    return encoded(image, kind, **options)


def test_the_middle_of_an_image_is_kept() -> None:
    # Twelve columns, red, green and blue in fours: the square in the middle is green.
    pixels = np.zeros((4, 12, 3), np.uint8)
    for third in range(3):
        pixels[:, 4 * third : 4 * third + 4, third] = 255
    assert decoded(pixels, 4, 3).reshape(-1, 3).tolist() == [[0, 255, 0]] * 16
    # The luminance of green is 0.587 of white.
    assert decoded(pixels, 4, 1).ravel().tolist() == [round(0.587 * 255)] * 16


ORIENTATIONS = {
    # What a viewer shows for an image stored as [[1, 2], [3, 4]], by EXIF orientation.
    1: [[1, 2], [3, 4]], 2: [[2, 1], [4, 3]], 3: [[4, 3], [2, 1]], 4: [[3, 4], [1, 2]],
    5: [[1, 3], [2, 4]], 6: [[3, 1], [4, 2]], 7: [[4, 2], [3, 1]], 8: [[2, 4], [1, 3]],
}  # fmt: skip


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["png", "tiff", "webp"])
def test_an_image_is_turned_as_its_camera_says(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.array([[1, 2], [3, 4]], np.uint8) * 50
    content = encoded(
        Image.fromarray(stored).convert("RGB"), kind, exif=exif, **({"lossless": True} if kind == "webp" else {})
    )
    assert (decoded(content, 2, 1)[..., 0] // 50).tolist() == ORIENTATIONS[orientation]


def test_damaged_metadata_do_not_hide_an_image() -> None:
    content = encoded(
        Image.fromarray(np.array([[7, 8], [9, 10]], np.uint8)), "png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"
    )
    assert decoded(content, 2, 1)[..., 0].tolist() == [[7, 8], [9, 10]]


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 1), ("I;16", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)],
)
def test_colour_is_told_from_the_header(mode: str, channels: int) -> None:
    found = look("it", encoded(Image.new(mode, (3, 2))))
    assert (found.width, found.height, found.channels) == (3, 2, channels)


HALF = round((100 * 128 + GROUND * 127) / 255)
"""100 with an alpha of 128 on the ground."""
EIGHT_BITS: dict[str, tuple[bytes, int, list[object]]] = {
    "1": (of("1", [[0, 255]]), 1, [[0], [255]]),
    "L": (of("L", [[0, 77]]), 1, [[0], [77]]),
    "L with a transparent grey": (of("L", [[0, 77]], transparency=0), 1, [[GROUND], [77]]),
    "1 with a transparent value": (of("1", [[0, 255]], transparency=0), 1, [[GROUND], [255]]),
    "LA": (of("LA", [[(0, 0), (77, 255)]]), 1, [[GROUND], [77]]),
    "half transparent": (of("LA", [[(100, 128), (0, 255)]]), 1, [[HALF], [0]]),
    "RGB": (of("RGB", [[(1, 2, 3), (250, 0, 9)]]), 3, [[1, 2, 3], [250, 0, 9]]),
    "RGB with a transparent colour": (
        of("RGB", [[(1, 2, 3), (250, 0, 9)]], transparency=(1, 2, 3)), 3, [[GROUND] * 3, [250, 0, 9]],
    ),
    "black shape": (of("RGBA", [[(0, 0, 0, 0), (0, 0, 0, 255)]]), 3, [[GROUND] * 3, [0, 0, 0]]),
    "white shape": (of("RGBA", [[(255, 255, 255, 0), (255, 255, 255, 255)]]), 3, [[GROUND] * 3, [255] * 3]),
    "RGBA as grey": (of("RGBA", [[(9, 9, 9, 0), (50, 50, 50, 255)]]), 1, [[GROUND], [50]]),
    "CMYK": (of("CMYK", [[(0, 0, 0, 0), (255, 0, 0, 0)]], "tiff"), 3, [[255, 255, 255], [0, 255, 255]]),
    "webp with alpha": (
        of("RGBA", [[(0, 0, 0, 0), (10, 200, 30, 255)]], "webp", lossless=True), 3, [[GROUND] * 3, [10, 200, 30]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EIGHT_BITS)
def test_images_of_8_bits_are_taken_as_they_are_shown(what: str) -> None:
    content, channels, pixels = EIGHT_BITS[what]
    assert look("it", content).channels == channels or what == "RGBA as grey"
    rows = decoded(content, 1, channels)  # the middle of 1 × 2 pixels is between both; so each is taken alone
    assert rows.shape == (1, 1, channels)
    with Image.open(io.BytesIO(content)) as image:
        options = {"lossless": True} if image.format == "WEBP" else {}
        kind = image.format or ""
        keep = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}
        for column, wanted in enumerate(pixels):
            alone = encoded(image.crop((column, 0, column + 1, 1)), kind, **options, **keep)
            assert decoded(alone, 1, channels).ravel().tolist() == wanted


@pytest.mark.parametrize("transparency", [0, bytes([0, 255])], ids=["one colour", "an alpha for each colour"])
def test_palettes_are_looked_up_and_their_transparent_colours_become_the_ground(transparency: int | bytes) -> None:
    image = Image.new("P", (2, 2))
    image.putpalette([9, 9, 9, 200, 100, 50])
    image.putdata([0, 1, 1, 0])
    plain, transparent = encoded(image), encoded(image, transparency=transparency)
    assert decoded(plain, 2, 3).reshape(-1, 3).tolist() == [[9] * 3, [200, 100, 50], [200, 100, 50], [9] * 3]
    ground = [GROUND] * 3
    assert decoded(transparent, 2, 3).reshape(-1, 3).tolist() == [ground, [200, 100, 50], [200, 100, 50], ground]
    assert (look("it", plain).transparent, look("it", transparent).transparent) == (False, True)


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA", "RGBX", "YCbCr", "HSV", "LAB", "CMYK", "P"])
def test_every_mode_of_pillow_becomes_grey_or_colour(mode: str) -> None:
    from moebench.data.user.modes import flatten, to_8_bits

    source = Image.new("RGBA", (2, 2), (200, 100, 50, 255))
    if mode == "LAB":
        image = Image.new("LAB", (2, 2), (255, 128, 128))  # white
    elif mode in ("La", "RGBa"):
        image = source.convert({"La": "LA", "RGBa": "RGBA"}[mode]).convert(mode)
    else:
        image = source.convert("RGB").convert("P" if mode == "PA" else mode).convert(mode)
    for channels in (1, 3):
        found = np.asarray(flatten(to_8_bits("it", image, {}), channels)).reshape(4, channels)
        assert (found == found[0]).all()
    if mode in ("RGBa", "RGBX", "HSV", "YCbCr", "CMYK"):
        assert np.abs(found[0].astype(int) - [200, 100, 50]).max() <= 3
    if mode == "LAB":
        assert found[0].min() >= 254


def test_grey_images_of_16_bits_are_scaled_by_the_range_in_use() -> None:
    content = encoded(Image.fromarray(np.array([[0, 256], [32768, 65535]], np.uint16)))
    # 65535 / 255 = 257 levels become one: 256 becomes 0.996 and so 1, 32768 becomes 127.502.
    assert decoded(content, 2, 1, of_16_bit=(0, 65535))[..., 0].tolist() == [[0, 1], [128, 255]]
    # 12 bits stored in 16: 4095 becomes 255, and values of test images beyond the range are cut.
    content = encoded(Image.fromarray(np.array([[0, 819], [4095, 5000]], np.uint16)))
    assert decoded(content, 2, 1, of_16_bit=(0, 4095))[..., 0].tolist() == [[0, 51], [255, 255]]
    assert (look("it", content).depth, look("it", content).extent) == ("16-bit", (0.0, 5000.0))
    # A range that does not begin at 0, and none at all.
    assert decoded(content, 2, 1, of_16_bit=(819, 4095))[..., 0].tolist() == [[0, 0], [255, 255]]
    assert decoded(content, 2, 1, of_16_bit=(7, 7))[..., 0].tolist() == [[0, 0], [0, 0]]
    assert decoded(content, 2, 3, of_16_bit=(0, 4095))[0, 1].tolist() == [51, 51, 51]


def test_images_of_32_bits_and_floating_point_are_scaled_by_the_range_in_use() -> None:
    whole = encoded(Image.fromarray(np.array([[-100, 0], [50, 100]], np.int32)), "tiff")
    assert look("it", whole).extent == (-100.0, 100.0)
    # 0 lies in the middle: 127.5, rounded to the even 128; 50 at 191.25.
    assert decoded(whole, 2, 1, of_32_bit=(-100, 100))[..., 0].tolist() == [[0, 128], [191, 255]]
    real = encoded(Image.fromarray(np.array([[0.0, 0.2], [0.5, 1.0]], np.float32)), "tiff")
    assert look("it", real).depth == "floating-point"
    assert decoded(real, 2, 1, of_floating_point=(0, 1))[..., 0].tolist() == [[0, 51], [128, 255]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_are_refused(value: float) -> None:
    content = encoded(Image.fromarray(np.array([[0.0, value]], np.float32)), "tiff")
    with pytest.raises(BadInput, match="it has pixels that are infinite or no numbers"):
        look("it", content)


def deep_png(values: np.ndarray, colour: int) -> bytes:
    """A PNG of 16 bits a channel, written by hand since Pillow writes only grey ones: type 2 is RGB, 0 is grey."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_colour_images_of_16_bits_are_told_apart_since_pillow_keeps_only_8() -> None:
    content = deep_png(np.array([[[256, 512, 65535], [0, 0, 255]]]), 2)
    assert look("it", content).cut
    assert not look("it", encoded(Image.new("RGB", (2, 2)))).cut
    assert not look("it", deep_png(np.array([[256, 512]]), 0)).cut
    assert decoded(deep_png(np.array([[[256, 512, 65535]]]), 2), 1, 3).ravel().tolist() == [1, 2, 255]


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff", "avif"])
def test_of_several_frames_the_first_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), (value,) * 3) for value in (40, 200)]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert look("it", content).frames
    assert not look("it", encoded(frames[0], kind)).frames
    assert abs(int(decoded(content, 16, 3)[0, 0, 0]) - 40) <= 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is broken: its bytes are none of an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is broken: its bytes are none of an image"),
        (encoded(Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64)))[:90], "it is broken: "),
    ],
)
def test_broken_images_are_named(content: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        decoded(content, 4, 1)


def test_images_of_more_pixels_than_memory_should_hold_are_refused_by_their_header() -> None:
    side = int(MOST_PIXELS**0.5) + 1
    content = bytearray(deep_png(np.array([[256]]), 0))
    content[16:24] = struct.pack(">II", side, side)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    for use in (lambda: look("it", bytes(content)), lambda: decoded(bytes(content), 4, 1)):
        with pytest.raises(BadInput, match=f"it has {side:,} × {side:,} pixels, and images of up to"):
            use()
    content[16:24] = struct.pack(">II", 1 << 20, 1 << 20)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    with pytest.raises(BadInput, match=r"it has more than [0-9,]+ pixels"):
        look("it", bytes(content))
