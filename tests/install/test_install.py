# SPDX-License-Identifier: Apache-2.0
"""What `meson install` leaves behind is all that a user's program needs.

PAWL_BUILD names a build folder.  It is installed into a folder of its own; a
small program is then built there by pkg-config alone, and run."""

import os
import re

import pytest

import abi
from machine import ROOT, library, pkg_config, run

PROGRAM = r"""
#include <pawl/pawl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct pawl_error err = {0};
    struct pawl_state *s = pawl_state_new(), *back = NULL;
    struct pawl_value *root = pawl_dict(s);
    float w[2] = {1.5f, 2.5f};
    uint64_t shape[1] = {2};
    int64_t step = 0;
    pawl_dict_set_str(root, "step", pawl_int(s, 10));
    pawl_dict_set_str(root, "w", pawl_array(s, PAWL_FLOAT32, 1, shape, w));
    pawl_state_set_root(s, root);
    if (pawl_save(s, argv[argc - 1], &err) < 0 ||
        pawl_load(&back, argv[argc - 1], 0, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    pawl_get_int(pawl_lookup(pawl_state_root(back), "step"), &step);
    printf("%s %lld\n", pawl_version(), (long long)step);
    pawl_state_free(back);
    pawl_state_free(s);
    return 0;
}
"""


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("kind", ["shared", "static"])
def test_a_program_saves_and_loads(installed, tmp_path, compiler, kind):
    (tmp_path / "save.c").write_text(PROGRAM)
    program = str(tmp_path / "save")
    if kind == "shared":
        flags = pkg_config(installed, "--cflags", "--libs")
    else:
        flags = [str(library(installed, "libpawl.a")) if flag == "-lpawl"
                 else flag for flag in
                 pkg_config(installed, "--static", "--cflags", "--libs")]
    run(compiler, "-std=c99", "-Wall", "-Werror", "-o", program,
        str(tmp_path / "save.c"), *flags)
    where = str(library(installed, "libpawl.so").parent)
    env = dict(os.environ, LD_LIBRARY_PATH=where)
    version, step = run(program, str(tmp_path / "x.pt"), env=env).split()
    assert step == "10"
    assert version == pkg_config(installed, "--modversion")[0]
    linked = "libpawl.so" in run("ldd", program, env=env)
    assert linked == (kind == "shared")


def test_a_program_of_mpi(installed, tmp_path):
    """As the example's first lines say."""
    flags = pkg_config(installed, "--cflags", "--libs", package="pawl-mpi")
    program = str(tmp_path / "mpi_heat")
    run("mpicc", "-Wall", "-Werror", "-o", program,
        str(ROOT / "examples" / "mpi_heat.c"), *flags)
    env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1",
               OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
               OMPI_MCA_rmaps_base_oversubscribe="1",
               LD_LIBRARY_PATH=str(library(installed, "libpawl.so").parent))
    job = ["mpirun", "-n", "2", program, str(tmp_path / "run"), "20", "10"]
    assert run(*job, env=env) == "step 10\nstep 20\n"
    assert run(*job, env=env) == "resumed from step-20\n"


def public_functions():
    """Names of the functions that the public headers declare."""
    names = set()
    for header in (ROOT / "include" / "pawl").glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        text = re.sub(r"^#(?:[^\n]*\\\n)*[^\n]*", "", text, flags=re.M)
        for declaration in re.findall(r"PAWL_API\b[^;{]*;", text):
            names.add(re.search(r"(\w+)\s*\(", declaration).group(1))
    return names


def exports(installed, name):
    return set(abi.symbols(library(installed, name)).split())


# What the library beside libpawl declares in its header.
OF_MPI = {"pawl_comm_mpi"}


def test_exports_of_the_mpi_library(installed):
    assert exports(installed, "libpawl-mpi.so") == OF_MPI


def test_exports_are_what_the_headers_declare(installed):
    exported = exports(installed, "libpawl.so")
    declared = public_functions() - OF_MPI
    assert len(declared) > 80
    assert exported - declared == set(), "exported, but not declared"
    assert declared - exported == set(), "declared, but not there"


def test_symbols_have_a_version(installed):
    out = run("nm", "-D", "--defined-only", "--with-symbol-versions",
              str(library(installed, "libpawl.so")))
    assert "pawl_version@@PAWL_0" in out


def test_headers_are_installed_as_they_are(installed):
    for header in (ROOT / "include" / "pawl").glob("*.h"):
        copy = next(installed.rglob(f"include/pawl/{header.name}"))
        assert copy.read_text() == header.read_text()


def test_versions_agree():
    meson = re.search(r"^\s*version: '(.*)'", (ROOT / "meson.build").read_text(),
                      re.M).group(1)
    header = (ROOT / "include" / "pawl" / "pawl.h").read_text()
    assert f'#define PAWL_VERSION "{meson}"' in header
    project = ROOT / "pyproject.toml"
    version = re.search(r'^version = "(.*)"', project.read_text(), re.M)
    # Without the line, meson-python takes the version from meson.build.
    assert version is None or version.group(1) == meson
