# SPDX-License-Identifier: Apache-2.0
"""tools/test fails when a stage fails, and counts what cmocka and pytest ran.

Each test runs it in a small tree that has a copy of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"

PYTEST = """
import pytest

def test_good():
    pass

@pytest.mark.skipif(True, reason="shown")
def test_skipped():
    pass

def test_maybe():
    assert {ok}
"""

MESON = """
project('x', 'c')
test('x', executable('x', 'x.c', dependencies: dependency('cmocka')),
  suite: 'unit')
"""

CMOCKA = """
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_good(void **state) {{ (void)state; }}
static void test_maybe(void **state) {{ (void)state; {body}; }}

int main(void)
{{
    const struct CMUnitTest tests[] = {{cmocka_unit_test(test_good),
                                       cmocka_unit_test(test_maybe)}};
    return cmocka_run_group_tests(tests, NULL, NULL);
}}
"""

# volatile: else the compiler sees through them.
LEAK = "char *volatile p = malloc(64); p = NULL"
PAST_END = "char *volatile p = malloc(8); p[8] = 1; free(p)"
OVERFLOW = "volatile int x = 0x7fffffff; x = x + 1"


@pytest.fixture
def root(tmp_path):
    shutil.copytree(TOOLS, tmp_path / "tools")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "tests" / "tools").mkdir(parents=True)
    (tmp_path / "src").mkdir()
    return tmp_path


def stages(root, *names):
    """Exit status, all output, and the closing line."""
    done = subprocess.run([str(root / "tools" / "test"), *names], text=True,
                          capture_output=True, check=False)
    return done.returncode, done.stdout, done.stdout.splitlines()[-1]


def test_pytest_is_counted(root):
    test = root / "tests" / "tools" / "test_x.py"
    test.write_text(PYTEST.format(ok=True))
    code, _, closing = stages(root, "tools")
    assert (code, closing) == (0, "2 passed, 0 failed, 1 skipped")

    test.write_text(PYTEST.format(ok=False))
    code, out, closing = stages(root, "tools")
    assert (code, closing) == (1, "1 passed, 1 failed, 1 skipped")
    assert "def test_maybe" in out


@pytest.mark.parametrize("body, stage, code, closing", [
    ("", "gcc", 0, "2 passed, 0 failed"),
    ("fail()", "gcc", 1, "1 passed, 1 failed"),
    ("skip()", "gcc", 0, "1 passed, 0 failed, 1 skipped"),
    ("abort()", "gcc", 1, "0 passed, 1 failed"),
    (LEAK, "gcc", 0, "2 passed, 0 failed"),
    (LEAK, "valgrind", 1, "0 passed, 1 failed"),
    (LEAK, "asan", 1, "0 passed, 1 failed"),
    (PAST_END, "asan", 1, "0 passed, 1 failed"),
    (OVERFLOW, "asan", 1, "0 passed, 1 failed"),
    ("no_such_function()", "clang", 1, "0 passed, 1 failed"),
])
def test_cmocka_is_counted(root, body, stage, code, closing):
    (root / "meson.build").write_text(MESON)
    (root / "x.c").write_text(CMOCKA.format(body=body))
    got, out, line = stages(root, stage)
    assert (got, line) == (code, closing), out


def test_a_breach_of_style_fails(root):
    (root / "src" / "x.c").write_text("int x;\n")
    code, out, closing = stages(root, "style", "layers")
    assert (code, closing) == (1, "0 passed, 1 failed")
    assert "src/x.c:1: the first line must be" in out
    assert "layers" not in out  # it stopped before


def test_a_breach_of_layout_fails(root):
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / "src" / "x.c").write_text("int   x;\n")
    assert stages(root, "layout")[0] == 1
    (root / "src" / "x.c").write_text("int x;\n")
    assert stages(root, "layout")[0] == 0


def test_a_stage_that_is_not_there(root):
    done = subprocess.run([str(root / "tools" / "test"), "gc"], text=True,
                          capture_output=True, check=False)
    assert done.returncode == 2 and "no stage gc" in done.stderr
