"""What a machine says of itself."""

from praxino.accel.hardware import cpu_computes_bfloat16, cpu_multiplies_int8


def test_the_processor_is_asked_for_its_instructions(tmp_path):
    for index, (flags, able) in enumerate(
        {"avx512f avx512_bf16": True, "avx2 fma": False, "asimd bf16 i8mm": True}.items()
    ):
        listed = tmp_path / f"{index}"
        listed.write_text(f"flags\t\t: fpu {flags} mmx\n")
        assert cpu_computes_bfloat16(listed) is able
        assert cpu_multiplies_int8(listed) is False
    assert cpu_computes_bfloat16(tmp_path / "none") is False
    listed.write_text("flags\t\t: fpu avx_vnni mmx\n")
    assert cpu_multiplies_int8(new := listed.rename(tmp_path / "new")) and not cpu_computes_bfloat16(new)
