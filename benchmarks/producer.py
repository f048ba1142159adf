"""Programs that print faster than any container manager carries: the benchmark must not measure its source.

Zeros come from busybox' ``dd``. For lines its ``yes`` is too slow, so a static ELF executable is made here, instruction by
instruction (neither compiler nor libc is needed): it writes one buffer of lines again and again. On a processor for which
there is no such program ``cat`` prints a file of lines over and over.

Source: System V ABI, AMD64 supplement, and its gABI chapter 4 (ELF header, program header); Linux system calls 1 and 60.
"""

from __future__ import annotations

import platform
import struct

LINE = 80
#: What fits a pipe, in whole lines.
BUFFER = 65_536 // LINE * LINE
#: Of the file of lines, where there is no program.
FILE = 64 * BUFFER
_BASE = 0x400000
_HEADERS = 64 + 56


def lines(size: int) -> bytes:
    """``size`` bytes of numbered lines, 80 bytes each with the newline."""
    return b"".join(b"%0*d\n" % (LINE - 1, number) for number in range(size // LINE))


def _code(total: int) -> bytes:
    """x86-64: write(1, buffer, min(len(buffer), left)) until ``total`` bytes are out; exit(0), or exit(1) on an error.

    The buffer lies right behind the code.
    """
    loop = bytes.fromhex(
        "bf01000000"      # mov edi, 1
        "488d3500000000"  # lea rsi, [rip + buffer]      (filled in below)
        "ba00000000"      # mov edx, BUFFER              (filled in below)
        "4839da"          # cmp rdx, rbx
        "480f47d3"        # cmova rdx, rbx
        "b801000000"      # mov eax, 1: write
        "0f05"            # syscall
        "4885c0"          # test rax, rax
        "7e09"            # jle failed
        "4829c3"          # sub rbx, rax
        "75d7"            # jnz loop
        "31ff"            # xor edi, edi
        "eb05"            # jmp end
        "bf01000000"      # failed: mov edi, 1
        "b83c000000"      # end: mov eax, 60: exit
        "0f05")           # syscall
    start = b"\x48\xbb" + struct.pack("<Q", total)  # mov rbx, total
    after_lea = 12
    patched = bytearray(loop)
    patched[8:12] = struct.pack("<i", len(loop) - after_lea)
    patched[13:17] = struct.pack("<I", BUFFER)
    return start + bytes(patched)


def program(total: int) -> bytes:
    """An executable for x86-64 Linux that prints ``total`` bytes of lines."""
    image = _code(total) + lines(BUFFER)
    size = _HEADERS + len(image)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + image


def files(total: int) -> dict[str, bytes]:
    """Name below ``/bench`` -> content of what :func:`words` needs."""
    return {"lines": program(total)} if platform.machine() == "x86_64" else {"lines": lines(FILE)}


def words(total: int, folder: str) -> list[str]:
    """The command that prints lines. Other processors' prints whole files: :func:`lines_size` bytes."""
    path = f"{folder}/lines"
    return [path] if platform.machine() == "x86_64" else ["cat", *[path] * (total // FILE)]


def lines_size(total: int) -> int:
    """How many bytes :func:`words` prints where ``total`` are wanted."""
    return total if platform.machine() == "x86_64" else total // FILE * FILE
