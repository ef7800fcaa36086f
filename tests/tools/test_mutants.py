# SPDX-License-Identifier: Apache-2.0
"""The mutants of the crash tests still apply; and tests/crash/mutants fails when
one is not caught, in a tree of one program."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "crash" / "mutants"
PATCHES = sorted((ROOT / "tests" / "crash" / "mutants.d").glob("*.patch"))
FIELDS = ("Bug", "Breaks", "Caught by", "As")


def field(text, name):
    return re.search(rf"^{name}: (.+)$", text, re.M)


def test_there_are_some():
    assert len(PATCHES) >= 20


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.stem)
def test_it_applies(patch):
    """Exactly: git apply knows no fuzz.  A patch that fails here describes code
    that has changed: put the same bug into the new code."""
    env = dict(os.environ, GIT_CEILING_DIRECTORIES=str(ROOT.parent))
    done = subprocess.run(["git", "apply", "--check", str(patch)], cwd=ROOT,
                          env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.stem)
def test_it_says_what_it_is(patch):
    text = patch.read_text()
    head = text[:text.index("\n--- a/")]
    assert all(field(head, name) for name in FIELDS)
    assert head.startswith("Bug: ")
    files = re.findall(r"^(?:---|\+\+\+) (\S+)", text, re.M)
    assert all(re.match(r"[ab]/src/", name) for name in files)
    program = field(head, "Caught by").group(1).split()[0]
    assert (ROOT / (program + ".c")).exists()


# ---- the script ------------------------------------------------------------

MESON = """
project('x', 'c')
executable('check', 'src/x.c')
"""

PROGRAM = """#include <stdio.h>

int bug(void)
{
    return 0;
}

int main(void)
{
    if (bug() == 1) {
        printf("VIOLATION (1) it is lost\\n    and more\\n");
    }
    return bug();
}
"""


def mutant(line, was="return 0;"):
    return f"""Bug: a bug
Breaks: invariant 1
Caught by: check --twice
As: ^\\(1\\)

--- a/src/x.c
+++ b/src/x.c
@@ -4,3 +4,3 @@
 {{
-    {was}
+    {line}
 }}
"""


@pytest.fixture
def tree(tmp_path):
    """Runs the script in a tree with that program and those mutants; exit
    status, and verdict and text of each."""
    def run(program, **mutants):
        folder = tmp_path / "tests" / "crash" / "mutants.d"
        folder.mkdir(parents=True)
        shutil.copy(SCRIPT, folder.parent)
        (tmp_path / "src").mkdir()
        (tmp_path / "src" / "x.c").write_text(program)
        (tmp_path / "meson.build").write_text(MESON)
        (tmp_path / "meson_options.txt").write_text(
            "option('mpi', type: 'feature')\n")
        for name, text in mutants.items():
            (folder / f"{name}.patch").write_text(text)
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
        done = subprocess.run([str(folder.parent / "mutants")], text=True,
                              capture_output=True, check=False)
        found = re.findall(r"^(ok|FAILED) +(.+?) +[\d.]+ s  (.*)$",
                           done.stdout, re.M)
        return done.returncode, {name: (word, text)
                                 for word, name, text in found}, done.stdout
    return run


def test_each_is_judged(tree):
    code, found, out = tree(
        PROGRAM, applies_not=mutant("return 1;", was="return 7;"),
        builds_not=mutant("return x;"), caught=mutant("return 1;"),
        harmless=mutant("return 2 - 2;"), killed=mutant("return 134;"),
        silent=mutant("return 3;"))
    assert code == 1, out
    assert found["no bug"] == ("ok", "1 tests pass")
    assert found["caught"] == ("ok", "check --twice: (1) it is lost")
    for name, text in {"applies_not": "does not apply",
                       "builds_not": "does not build",
                       "harmless": "not caught by check --twice",
                       "killed": "ended with 134",
                       "silent": r"not '^\(1\)', but ''"}.items():
        assert found[name][0] == "FAILED" and text in found[name][1]
    assert "2 passed, 5 failed" in out


def test_all_is_well(tree):
    code, found, out = tree(PROGRAM, caught=mutant("return 1;"))
    assert code == 0 and found["caught"][0] == "ok", out


def test_tests_that_fail_without_a_bug(tree):
    code, found, out = tree(PROGRAM.replace("return 0;", "return 1;"),
                            caught=mutant("return 1;"))
    assert code == 1 and found["no bug"][0] == "FAILED", out
    assert "caught" not in found
