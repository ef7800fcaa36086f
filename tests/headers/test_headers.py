# SPDX-License-Identifier: Apache-2.0
"""Each public header compiles alone, as C99 and as C++17, without a warning.

So users may include any of them first, with warnings as strict as ours."""

import subprocess
from pathlib import Path

import pytest

INCLUDE = Path(__file__).resolve().parents[2] / "include"
HEADERS = sorted(str(p.relative_to(INCLUDE)) for p in INCLUDE.rglob("*.h"))

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wundef",
          "-Werror"]
STRICT_C = ["-Wshadow", "-Wstrict-prototypes"]
DIALECTS = {
    "gcc c99": ["gcc", "-x", "c", "-std=c99", "-Wc++-compat"] + STRICT_C,
    "clang c99": ["clang", "-x", "c", "-std=c99"] + STRICT_C,
    "gcc c++17": ["g++", "-x", "c++", "-std=c++17"],
    "clang c++17": ["clang++", "-x", "c++", "-std=c++17"],
}

# Every macro that a user writes down must be usable, too.
USES = {
    "pawl/state.h": "struct pawl_object o = PAWL_OBJECT_INIT;"
                    "struct pawl_tensor t = PAWL_TENSOR_INIT;"
                    "(void)o; (void)t;",
    "pawl/engine.h": "struct pawl_status s = PAWL_STATUS_INIT; (void)s;",
}


# Of MPI, which pawl_mpi.h alone includes.
NEEDS_MPI = "pawl/pawl_mpi.h"
MPI_FLAGS = ["-DOMPI_SKIP_MPICXX"] + [
    flag.replace("-I", "-isystem", 1) for flag in subprocess.run(
        ["pkg-config", "--cflags", "ompi-c"], capture_output=True, text=True,
        check=False).stdout.split()]


def compile_text(command, text):
    return subprocess.run(
        command + STRICT + ["-I", str(INCLUDE), "-fsyntax-only", "-"],
        input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("header", HEADERS)
def test_alone(header, dialect):
    text = f"#include <{header}>\n#include <{header}>\n" \
           f"int f(void);\nint f(void)\n{{{USES.get(header, '')} return 0;}}\n"
    flags = MPI_FLAGS if header == NEEDS_MPI else []
    done = compile_text(DIALECTS[dialect] + flags, text)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_compilers_can_refuse(dialect):
    """Else the tests above would prove nothing."""
    assert compile_text(DIALECTS[dialect], "int x = 1.5;\n").returncode != 0
    wrong = "#include <pawl/error.h>\nint x = PAWL_NO_SUCH_CODE;\n"
    assert compile_text(DIALECTS[dialect], wrong).returncode != 0


def test_there_are_headers():
    assert "pawl/pawl.h" in HEADERS
