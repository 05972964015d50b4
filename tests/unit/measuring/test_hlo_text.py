"""Compiled programs are read from their text: types, operands, loops, groups."""

from moebench.measuring.compiled.hlo_text import ArrayType, Module, Operation

ALIASES = "input_output_alias={ {0}: (0, {}, may-alias), {1, 0}: (2, {}, must-alias) }"
TRIPS = 'backend_config={"known_trip_count":{"n":"6"}}'
TARGET = 'custom_call_target="__cublas$lt$matmul", metadata={op_name="jit(step)/head/dot" stack_frame_id=1}'
TEXT = (
    f"HloModule jit_step, is_scheduled=true, {ALIASES}"
    + """

%body (p: (s32[], f32[4,8])) -> (s32[], f32[4,8]) {
  %p = (s32[], f32[4,8]{1,0}) parameter(0)
  %i = s32[] get-tuple-element(%p), index=0
  %x = f32[4,8]{1,0} get-tuple-element(%p), index=1
  %y = f32[4,8]{1,0} negate(%x)
  ROOT %t = (s32[], f32[4,8]{1,0}) tuple(%i, %y)
}

%condition (p.1: (s32[], f32[4,8])) -> pred[] {
  %p.1 = (s32[], f32[4,8]{1,0}) parameter(0)
  ROOT %c = pred[] constant(true)
}

%fused (a.1: bf16[16,8]) -> bf16[16] {
  %a.1 = bf16[16,8]{1,0:T(8,128)(2,1)S(1)} parameter(0)
  ROOT %r = bf16[16]{0} reduce(%a.1, %z), dimensions={1}, to_apply=%sum
}

ENTRY %main (a: bf16[16,8], b: f32[4,8], c: s4[3]) -> (bf16[16], f32[4,8]) {
  %b = f32[4,8]{1,0} parameter(1), metadata={op_name="b"}
  %a = bf16[16,8]{1,0:T(8,128)(2,1)S(1)} parameter(0)
  %c.2 = s4[3]{0} parameter(2)
  %zero = s32[] constant(0)
  %in = (s32[], f32[4,8]{1,0}) tuple(%zero, %b)
  %loop = (s32[], /*index=1*/f32[4,8]{1,0}) while(%in), condition=%condition, body=%body, TRIPS
  %out = f32[4,8]{1,0} get-tuple-element(%loop), index=1
  %product = (f32[4,4]{1,0}, s8[64]{0}) custom-call(%b, %out), TARGET
  %fusion = bf16[16]{0} fusion(%a), kind=kInput, calls=%fused
  ROOT %all = (bf16[16]{0}, f32[4,8]{1,0}) tuple(%fusion, %out)
}
""".replace("TRIPS", TRIPS).replace("TARGET", TARGET)
)


def test_the_operations_of_the_entry() -> None:
    module = Module.parse(TEXT)
    entry = module.computations[module.entry]
    assert module.entry == "main"
    assert [each.name for each in entry.parameters] == ["a", "b", "c.2"]
    assert entry.by_name["a"].types == (ArrayType("bf16", (16, 8), space=1),)
    product = entry.by_name["product"]
    assert product.types == (ArrayType("f32", (4, 4)), ArrayType("s8", (64,)))
    assert (product.opcode, product.operands, product.target) == ("custom-call", ("b", "out"), "__cublas$lt$matmul")
    assert product.scope == "jit(step)/head/dot"
    assert entry.by_name["fusion"].fusion_kind == "Input"
    assert entry.by_name["loop"].types[1].shape == (4, 8)
    assert [each.is_root for each in entry.operations][-2:] == [False, True]


def test_a_loop_runs_its_body_as_often_as_the_compiler_says() -> None:
    found = [(operation.opcode, times) for _, operation, times in Module.parse(TEXT).kernels()]
    assert found == [("negate", 6), ("custom-call", 1), ("fusion", 1)]


def test_parameters_whose_memory_is_taken_over() -> None:
    assert Module.parse(TEXT).aliased_parameters == {0, 2}
    assert Module.parse(TEXT.replace("input_output_alias", "no_alias")).aliased_parameters == set()


def test_bytes_of_types() -> None:
    assert ArrayType("bf16", (16, 8)).bytes == 256
    assert ArrayType("pred", (3,)).bytes == 3
    assert ArrayType("s4", (3,)).bytes == 2
    assert ArrayType("f8e4m3fn", (5,)).bytes == 5
    assert ArrayType("f32", ()).bytes == 4
    assert ArrayType("token", ()).bytes == 0


def test_groups_in_each_notation() -> None:
    def groups(attributes: str) -> list[list[int]]:
        return Operation("x", "all-reduce", (), (), attributes, False).groups(4)

    assert groups(", replica_groups={{0,1},{2,3}}, to_apply=%sum") == [[0, 1], [2, 3]]
    assert groups(", replica_groups=[2,2]<=[4]") == [[0, 1], [2, 3]]
    # Devices 0 to 7 as [2, 4], transposed and cut into four groups of two.
    assert groups(", replica_groups=[4,2]<=[2,4]T(1,0)") == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert groups(", source_target_pairs={{0,1},{1,0}}") == [[0, 1], [1, 0]]
    assert groups(", replica_groups={}") == [[0, 1, 2, 3]]
    assert groups("") == [[0, 1, 2, 3]]
