"""Kernels and collectives of compiled programs, against numbers worked by hand."""

import pytest

from moebench.measuring.compiled.hlo_text import Module
from moebench.planning import facts


def module(entry: str, computations: str = "") -> Module:
    return Module.parse(f"HloModule m\n\n{computations}\n\nENTRY %main () -> f32[] {{\n{entry}\n}}\n")


def test_kinds_of_kernels() -> None:
    inside = """%product (t: f32[4,4]) -> f32[4,4] {
  %t = f32[4,4]{1,0} parameter(0)
  ROOT %d = f32[4,4]{1,0} dot(%t, %t), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

%sum (u: f32[4,4]) -> f32[4] {
  %u = f32[4,4]{1,0} parameter(0)
  ROOT %r = f32[4]{0} reduce(%u), dimensions={1}
}"""
    read = module(
        """  %a = f32[4,4]{1,0} parameter(0)
  %1 = f32[4,4]{1,0} custom-call(%a), custom_call_target="__cublas$gemm"
  %2 = f32[4,4]{1,0} custom-call(%a), custom_call_target="__cudnn$fmhaSoftmax"
  %3 = f32[4,4]{1,0} custom-call(%a), custom_call_target="TopK"
  %4 = f32[4,4]{1,0} fusion(%a), kind=kOutput, calls=%product
  %5 = f32[4]{0} fusion(%a), kind=kInput, calls=%sum
  %6 = f32[4]{0} fusion(%a), kind=kCustom, calls=%sum, backend_config={"kind":"__triton"}
  %7 = f32[4,4]{1,0} all-reduce-start(%a), to_apply=%sum
  %8 = f32[4,4]{1,0} all-reduce-done(%7)
  ROOT %9 = f32[4,4]{1,0} sort(%8), dimensions={0}, to_apply=%sum""",
        inside,
    )
    assert [facts.kernel_kind(read, operation) for _, operation, _ in read.kernels()] == [
        *("cuBLAS product", "cuDNN attention", "custom call TopK", "product in a fusion", "input fusion"),
        *("Triton fusion", "all-reduce", "sort"),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # 8 devices on 2 hosts of 4. Each gives 100 floats, 400 bytes.
        # Each receives the parts of the 7 others; a host lacks 4 parts, 1600 bytes, of which each device fetches 400.
        ("all-gather(%a), replica_groups=[1,8]<=[8]", ("all-gather", 8, 2, 2800, 400)),
        # Within a host nothing crosses.
        ("all-gather(%a), replica_groups=[2,4]<=[8]", ("all-gather", 4, 1, 1200, 0)),
        # Scatter and gather of 7/8 of the data; between hosts 2 · 1/2 of a quarter of it.
        ("all-reduce(%a), replica_groups=[1,8]<=[8]", ("all-reduce", 8, 2, 700, 100)),
        # Pairs of one device of each host: no sharing.
        ("all-reduce(%a), replica_groups=[4,2]<=[2,4]T(1,0)", ("all-reduce", 2, 2, 400, 400)),
        ("reduce-scatter(%a), replica_groups=[1,8]<=[8]", ("reduce-scatter", 8, 2, 350, 50)),
        # 7/8 of the data is for others, 4/8 for the other host.
        ("all-to-all(%a), replica_groups=[1,8]<=[8]", ("all-to-all", 8, 2, 350, 200)),
        ("collective-permute(%a), source_target_pairs={{0,4},{4,0}}", ("collective-permute", 2, 2, 400, 400)),
    ],
)
def test_bytes_that_a_device_receives(line: str, expected: tuple[str, int, int, float, float]) -> None:
    read = module(f"  %a = f32[100]{{0}} parameter(0)\n  ROOT %c = f32[100]{{0}} {line}")
    (found,) = facts.collectives(read, hosts=[0, 0, 0, 0, 1, 1, 1, 1])
    kind, group, hosts, received, network = expected
    assert (found.kind, found.group, found.hosts, found.crosses_hosts) == (kind, group, hosts, hosts > 1)
    assert (found.count, found.bytes, found.network_bytes) == (1, received, network)


def test_groups_of_one_device_exchange_nothing() -> None:
    read = module("  %a = f32[100]{0} parameter(0)\n  ROOT %c = f32[100]{0} all-reduce(%a), replica_groups=[8,1]<=[8]")
    assert facts.collectives(read, hosts=[0] * 8) == []


def test_transfers_to_the_host() -> None:
    read = module(
        """  %a = f32[4]{0} parameter(0)
  %1 = f32[4]{0:S(5)} copy(%a)
  %2 = f32[4]{0} custom-call(%a), custom_call_target="xla_ffi_python_gpu_callback"
  %3 = token[] outfeed(%a)
  ROOT %4 = f32[4]{0} negate(%a)"""
    )
    assert [facts.is_host_transfer(each) for each in read.operations] == [False, True, True, True, False]
