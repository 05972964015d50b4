"""A router's look: apart for colour-blind readers, visible on both grounds, the same on every machine."""

from itertools import combinations

import numpy as np
import pytest

from moebench import routers
from moebench.reports import style

FIVE = ("dense", "tokens-choice", "bpr", "experts-choice", "soft")
ABLATION = ("dense", "soft", "identity", "uniform", "soft-uniform", "uniform-soft")
# Colour blindness in linear RGB, severity 1: Machado, Oliveira and Fernandes (2009), table 1.
SIGHT = {
    "full": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(color: str) -> np.ndarray:
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours as WCAG 2 defines it."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB, white D65."""
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    xyz = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_contrast_is_that_of_the_standard() -> None:
    # Black on white is 21 : 1, and #777777 on white 4.48 : 1 in every published table.
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("sight", SIGHT)
def test_the_five_routers_stay_apart(sight: str) -> None:
    # A difference of 2.3 is just noticeable; 15 is plain even between small marks.
    for one, other in combinations(FIVE, 2):
        seen = [lab(np.array(SIGHT[sight]) @ linear(style.style_of(name).color)) for name in (one, other)]
        assert np.linalg.norm(seen[0] - seen[1]) > 15, (one, other)


def test_every_colour_stands_out_on_white_and_on_the_dark_page() -> None:
    for name in (*FIVE, *ABLATION, *(f"plugin-{i}" for i in range(200))):
        assert contrast(style.style_of(name).color, "#ffffff") >= 3, name
        assert contrast(style.style_of(name).color, "#16181d") >= 3, name


def test_markers_tell_the_five_apart_without_colour() -> None:
    assert len({style.style_of(name).marker for name in FIVE}) == 5
    assert len({style.style_of(name).shape for name in FIVE}) == 5


def test_the_routers_of_the_ablation_have_colours_and_forms_of_their_own() -> None:
    assert len({style.style_of(name).color for name in ABLATION}) == 6
    assert len({style.style_of(name).marker for name in ABLATION}) == 6
    for one, other in combinations(ABLATION, 2):
        assert np.linalg.norm(lab(linear(style.style_of(one).color)) - lab(linear(style.style_of(other).color))) > 15


def test_every_router_of_the_registry_has_a_look_of_its_own() -> None:
    shipped = [name for name in routers.names() if routers.find(name).__module__.startswith("moebench.")]
    assert len(shipped) > 20
    assert len({style.style_of(name) for name in shipped}) == len(shipped)


def test_a_plugin_looks_the_same_on_every_machine_and_like_none_of_the_five() -> None:
    # crc32("my-router") = 2722165564; mod 6 it is 4; 2722165564 // 6 = 453694260, mod 3 it is 0.
    assert style.style_of("my-router") == style.RouterStyle("#b0605a", "v", "triangle-down")
    known = {style.style_of(name) for name in FIVE}
    assert not known & {style.style_of(f"plugin-{i}") for i in range(200)}


def test_routers_come_in_one_order() -> None:
    assert style.in_order(["zeta", "soft", "dense", "alpha", "soft"]) == ["dense", "soft", "alpha", "zeta"]
