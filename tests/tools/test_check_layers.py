# SPDX-License-Identifier: Apache-2.0
"""tools/check_layers accepts every include that design.md allows, and reports
every one that it does not."""

import pytest

LAYERS = ("base", "state", "format", "comm", "store", "engine")

ALLOWED = {
    "base": {"base"},
    "state": {"base", "state"},
    "format": {"base", "state", "format"},
    "comm": {"base", "comm"},
    "store": {"base", "comm", "store"},
    "engine": set(LAYERS),
}


def with_layers(tree):
    for layer in LAYERS:
        tree.write(f"src/{layer}/of_{layer}.h", "")
    tree.write("src/comm/mpi/of_mpi.h", "")
    for name in ("error", "state", "engine", "plugin", "pawl"):
        tree.write(f"include/pawl/{name}.h", "")


def verdict(tree, name, include):
    """Whether the tool accepts that include in that file."""
    with_layers(tree)
    tree.write(name, f"/* x */\n\n#include {include}\n")
    code, out = tree.run("check_layers")
    if code == 1:
        assert f"{name}:3: " in out
        assert "1 wrong includes" in out
    else:
        assert code == 0, out
    return code == 0


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("target", LAYERS)
def test_layers(tree, layer, target):
    accepted = verdict(tree, f"src/{layer}/x.c", f'"{target}/of_{target}.h"')
    assert accepted == (target in ALLOWED[layer])


@pytest.mark.parametrize("name, include, accepted", [
    # base knows no checkpoint
    ("src/base/x.c", "<pawl/error.h>", True),
    ("src/base/x.c", "<pawl/engine.h>", True),
    ("src/base/x.c", "<pawl/plugin.h>", True),
    ("src/base/x.c", "<pawl/state.h>", False),
    ("src/base/x.c", "<pawl/pawl.h>", False),
    ("src/state/x.c", "<pawl/state.h>", True),
    # includes of src name their layer, and what they name exists
    ("src/state/x.c", '"of_state.h"', False),
    ("src/state/x.c", '"../base/of_base.h"', False),
    ("src/state/x.c", '"base/gone.h"', False),
    ("src/state/x.c", '"cli/table.h"', False),
    ("src/state/x.c", '"pawl/state.h"', False),
    # formats do no I/O
    ("src/format/x.c", "<unistd.h>", False),
    ("src/format/x.c", "<sys/mman.h>", False),
    ("src/state/x.c", "<fcntl.h>", False),
    ("src/format/x.c", "<zlib.h>", True),
    ("src/store/x.c", "<unistd.h>", True),
    # those outside see what a user sees
    ("cli/x.c", "<pawl/pawl.h>", True),
    ("cli/x.c", "<stdio.h>", True),
    ("cli/x.c", '"pawl/pawl.h"', False),
    ("cli/x.c", '"base/of_base.h"', False),
    ("cli/x.c", '"../src/base/of_base.h"', False),
    ("python/x.c", '"state/of_state.h"', False),
    ("python/x.c", "<Python.h>", True),
    ("examples/x.c", '"engine/of_engine.h"', False),
    # tests may look inside
    ("tests/x.c", '"engine/of_engine.h"', True),
    ("tests/x.c", '"engine/gone.h"', False),
    # MPI stands beside the library: public headers, and its own files
    ("src/comm/mpi/x.c", "<mpi.h>", True),
    ("src/comm/mpi/x.c", "<pawl/engine.h>", True),
    ("src/comm/mpi/x.c", '"comm/mpi/of_mpi.h"', True),
    ("src/comm/mpi/x.c", '"comm/mpi/gone.h"', False),
    ("src/comm/mpi/x.c", '"comm/of_comm.h"', False),
    ("src/comm/mpi/x.c", '"base/of_base.h"', False),
    ("src/comm/x.c", '"comm/mpi/of_mpi.h"', False),
    ("src/engine/x.c", '"comm/mpi/of_mpi.h"', False),
    ("src/engine/x.c", "<mpi.h>", False),
    ("include/pawl/pawl_mpi.h", "<mpi.h>", True),
    ("include/pawl/x.h", "<mpi.h>", False),
    ("examples/x.c", "<mpi.h>", True),
    # users may have no more than C99
    ("include/pawl/x.h", "<stdint.h>", True),
    ("include/pawl/x.h", "<pawl/error.h>", True),
    ("include/pawl/x.h", '"pawl/error.h"', False),
    ("include/pawl/x.h", "<unistd.h>", False),
    ("include/pawl/x.h", "<stdatomic.h>", False),
    ("include/pawl/x.h", '"base/of_base.h"', False),
])
def test_include(tree, name, include, accepted):
    assert verdict(tree, name, include) == accepted


def test_own_headers_outside(tree):
    tree.write("cli/table.h", "")
    assert verdict(tree, "cli/x.c", '"table.h"')
    tree.write("tests/disk.h", "")
    assert verdict(tree, "tests/crash/x.c", '"disk.h"')


def test_a_comment_is_no_include(tree):
    tree.write("src/base/x.c", '/*\n#include "engine/of_engine.h"\n*/\n')
    assert tree.run("check_layers")[0] == 0


def test_blanks_do_not_hide_an_include(tree):
    assert not verdict(tree, "src/base/x.c", ' "engine/of_engine.h"')
    with_layers(tree)
    tree.write("src/base/x.c", '#  include\t"engine/of_engine.h"\n')
    assert tree.run("check_layers")[0] == 1


def test_a_new_folder_of_src_needs_a_rule(tree):
    tree.write("src/extra/x.c", "")
    code, out = tree.run("check_layers")
    assert code == 1 and "src/extra is not a layer" in out


def test_no_files_is_an_error(tree):
    assert tree.run("check_layers")[0] == 2
