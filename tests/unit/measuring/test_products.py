"""FLOPs of products in compiled programs, against numbers worked by hand."""

from moebench.measuring.compiled.hlo_text import Module
from moebench.measuring.compiled.products import product_flops

DIMENSIONS = '"dot_dimension_numbers":{"lhs_contracting_dimensions":["2"],"rhs_contracting_dimensions":["1"]}'
SCORES = '"intermediate_tensor_shape": {"element_type": "BF16", "dimensions": ["16", "6", "64", "32"]}'


def flops(entry: str) -> float | None:
    return product_flops(
        Module.parse(
            f"""HloModule m

%inside (t: f32[4,8]) -> f32[4,4] {{
  %t = f32[4,8]{{1,0}} parameter(0)
  ROOT %d = f32[4,4]{{1,0}} dot(%t, %t), lhs_contracting_dims={{1}}, rhs_contracting_dims={{1}}
}}

ENTRY %main () -> f32[] {{
  %x = bf16[3,5,7]{{2,1,0}} parameter(0)
  %y = f32[4,8]{{1,0}} parameter(1)
{entry}
}}
"""
        )
    )


def test_a_product_of_cublas() -> None:
    line = "  ROOT %p = (bf16[3,5,9]{2,1,0}, s8[64]{0}) custom-call(%x, %w), "
    # 3 · 5 · 9 results, each a sum of 7 products.
    assert flops(line + f'custom_call_target="__cublas$lt$matmul", backend_config={{{DIMENSIONS}}}') == 2 * 135 * 7


def test_a_product_in_a_fusion() -> None:
    assert flops("  ROOT %f = f32[4,4]{1,0} fusion(%y), kind=kLoop, calls=%inside") == 2 * 16 * 8


def test_fused_attention() -> None:
    # 16 images, 6 heads, 64 queries, 32 keys, heads of 32.
    one = 2 * 16 * 6 * 64 * 32 * 32
    line = "  ROOT %a = (bf16[16,6,64,32]{3,2,1,0}, u8[0]{0}) custom-call(%x), custom_call_target="
    assert flops(line + f'"__cudnn$fmhaSoftmax", backend_config={{{SCORES}}}') == 2 * one
    assert flops(line + f'"__cudnn$fmhaSoftmaxBackward", backend_config={{{SCORES}}}') == 5 * one


def test_a_program_without_products_and_one_with_unreadable_ones() -> None:
    assert flops("  ROOT %n = f32[4,8]{1,0} negate(%y)") == 0
    assert flops("  ROOT %c = f32[4,8]{1,0} convolution(%y, %y), dim_labels=bf_io->bf") is None
