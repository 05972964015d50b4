"""Bytes that kernels of compiled programs move, against numbers worked by hand."""

from moebench.measuring.compiled.hlo_text import Module
from moebench.measuring.compiled.traffic import traffic as bytes_of_kernel


def module(entry: str, computations: str = "") -> Module:
    return Module.parse(f"HloModule m\n\n{computations}\n\nENTRY %main () -> f32[] {{\n{entry}\n}}\n")


def traffic(read: Module) -> list[float]:
    """Return the bytes of each kernel."""
    return [sum(bytes_of_kernel(read, inside, operation)) for inside, operation, _ in read.kernels()]


def test_a_kernel_reads_each_operand_once_and_writes_its_result() -> None:
    read = module(
        """  %a = f32[10,4]{1,0} parameter(0)
  %b = bf16[10,4]{1,0:S(1)} parameter(1)
  %square = f32[10,4]{1,0} multiply(%a, %a)
  %chip = f32[10,4]{1,0} add(%a, %b)
  ROOT %view = f32[40]{0} bitcast(%square)"""
    )
    # b lies on the chip: only a is read and the sum written.
    assert traffic(read) == [160 + 160, 160 + 160]


def test_an_asynchronous_kernel_writes_its_results_alone() -> None:
    read = module(
        """  %a = f32[10]{0} parameter(0)
  %fetch = (f32[10]{0:S(1)}, f32[10]{0}, u32[]) copy-start(%a)
  %fetched = f32[10]{0:S(1)} copy-done(%fetch)
  %gather = (f32[10]{0}, f32[40]{0}) all-gather-start(%a), replica_groups=[1,4]<=[4], dimensions={0}
  ROOT %gathered = f32[40]{0} all-gather-done(%gather)"""
    )
    # A fetch onto the chip reads 40 bytes; the gather reads 40 and writes 160.
    assert traffic(read) == [40, 200]


def test_a_slice_reads_what_it_takes_and_an_update_writes_what_changes() -> None:
    read = module(
        """  %table = f32[100,4]{1,0} parameter(0)
  %row = f32[1,4]{1,0} parameter(1)
  %at = s32[] parameter(2)
  %slice = f32[1,4]{1,0} dynamic-slice(%table, %at, %at), dynamic_slice_sizes={1,4}
  ROOT %update = f32[100,4]{1,0} dynamic-update-slice(%table, %row, %at, %at)"""
    )
    assert traffic(read) == [16 + 4 + 16, 16 + 4 + 16]


def test_a_fusion_that_gathers_rows_reads_these_rows() -> None:
    inside = """%rows (t: f32[100,4], i: s32[3]) -> f32[3,4] {
  %t = f32[100,4]{1,0} parameter(0)
  %v = f32[100,4]{1,0} bitcast(%t)
  %i = s32[3]{0} parameter(1)
  %g = f32[3,4]{1,0} gather(%v, %i), offset_dims={1}
  ROOT %n = f32[3,4]{1,0} negate(%g)
}"""
    read = module(
        """  %table = f32[100,4]{1,0} parameter(0)
  %places = s32[3]{0} parameter(1)
  ROOT %fusion = f32[3,4]{1,0} fusion(%table, %places), kind=kLoop, calls=%rows""",
        inside,
    )
    assert traffic(read) == [48 + 12 + 48]


def test_the_room_of_a_cublas_product_is_not_moved() -> None:
    read = module(
        """  %a = bf16[8,8]{1,0} parameter(0)
  ROOT %p = (bf16[8,8]{1,0}, s8[33554432]{0}) custom-call(%a, %a), custom_call_target="__cublas$lt$matmul\""""
    )
    assert traffic(read) == [128 + 128]
