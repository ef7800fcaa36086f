# SPDX-License-Identifier: Apache-2.0
"""The ABI is the one that was agreed on, and a change of it is noticed."""

import re
import shutil

import pytest

import abi
from machine import ROOT, library, run

SOURCE = ROOT / "include"
MPI = run("pkg-config", "--cflags", "ompi-c").split()


@pytest.mark.parametrize("name", ["libpawl", "libpawl-mpi"])
def test_symbols(installed, name):
    text = abi.symbols(library(installed, f"{name}.so"))
    abi.hold(f"{name}.symbols", text)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_declarations(installed, compiler):
    include = next(installed.rglob("pawl/pawl.h")).parents[1]
    abi.hold("declarations", abi.declarations(include, compiler, MPI))


# ---- whether it would be noticed --------------------------------------------

@pytest.fixture(autouse=True)
def never_write(request, monkeypatch):
    if "notice" in request.node.name:
        monkeypatch.delenv("PAWL_ABI", raising=False)


def complaint(name, text):
    with pytest.raises(AssertionError) as info:
        abi.hold(name, text)
    assert "PAWL_ABI=write" in str(info.value), "nothing says what to do"
    return str(info.value)


@pytest.mark.parametrize("name", ["libpawl", "libpawl-mpi"])
def test_notices_symbols(name):
    agreed = (abi.AGREED / f"{name}.symbols").read_text()
    first, rest = agreed.split("\n", 1)
    assert f"-{first}\n" in complaint(f"{name}.symbols", rest)
    more = "".join(sorted((agreed + "pawl_new\n").splitlines(True)))
    assert "+pawl_new\n" in complaint(f"{name}.symbols", more)


# Header, what stands there once, what is put in its place, and which lines of
# the complaint tell of it.
CHANGES = {
    "a parameter's type": (
        "state.h", "enum pawl_dtype dtype, uint32_t ndim,",
        "enum pawl_dtype dtype, uint64_t ndim,", r"\+.*\*pawl_array\("),
    "a parameter more": (
        "pawl.h", "pawl_version(void)", "pawl_version(int how)",
        r"\+.*pawl_version\(int how\)"),
    "what is returned": (
        "pawl.h", "const char *pawl_version", "char *pawl_version",
        r"\+char \*pawl_version\("),
    "two fields trade places": (
        "plugin.h",
        "const struct pawl_store_ops *store;\n"
        "    const struct pawl_format_ops *format;",
        "const struct pawl_format_ops *format;\n"
        "    const struct pawl_store_ops *store;",
        r"\+ +const struct pawl_(format|store)_ops \*"),
    "a field's type": (
        "inspect.h", "uint64_t sequence;", "uint32_t sequence;",
        r"\+ +uint32_t sequence;"),
    "the length of an array": (
        "error.h", "PAWL_ERROR_MESSAGE_MAX 1016", "PAWL_ERROR_MESSAGE_MAX 1000",
        r"\+ +char message\[1000\];"),
    "a call of a plugin's table": (
        "plugin.h", "int (*mkdir)(void *store, const char *name,",
        "int (*mkdir)(void *store, const char *name, int mode,",
        r"\+ +int \(\*mkdir\)\(.* int mode,"),
    "the number of an enumerator": (
        "state.h", "PAWL_KIND_NONE,", "PAWL_KIND_NOTHING, PAWL_KIND_NONE,",
        r"\+ +PAWL_KIND_NOTHING,"),
    "the value of a flag": (
        "engine.h", "PAWL_LOAD_MAP = 4", "PAWL_LOAD_MAP = 8",
        r"\+ +PAWL_LOAD_MAP = 8"),
    "the value of a macro": (
        "engine.h", "PAWL_TAG_MAX 255", "PAWL_TAG_MAX 127",
        r"\+#define PAWL_TAG_MAX 127"),
    "the packing": (
        "error.h", "struct pawl_error {", "#pragma pack(1)\nstruct pawl_error {",
        r"\+#pragma pack"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_notices(tmp_path, change):
    header, before, after, told = CHANGES[change]
    shutil.copytree(SOURCE / "pawl", tmp_path / "pawl")
    text = (tmp_path / "pawl" / header).read_text()
    assert text.count(before) == 1
    (tmp_path / "pawl" / header).write_text(text.replace(before, after))
    changed = abi.declarations(tmp_path, flags=MPI)
    assert re.search(f"^{told}", complaint("declarations", changed), re.M)


def test_notices_no_comments(tmp_path):
    """Nor how the text is set."""
    shutil.copytree(SOURCE / "pawl", tmp_path / "pawl")
    header = tmp_path / "pawl" / "state.h"
    text = header.read_text()
    header.write_text("/* new */\n" + text.replace("\n    ", "\n\t"))
    abi.hold("declarations", abi.declarations(tmp_path, flags=MPI))
