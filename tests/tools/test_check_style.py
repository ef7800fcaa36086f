# SPDX-License-Identifier: Apache-2.0
"""tools/check_style accepts a clean tree, and reports each breach alone."""

import subprocess

import pytest

C_HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n/* x.c - an example. */\n"
PY_HEAD = '# SPDX-License-Identifier: Apache-2.0\n"""An example."""\n'


def breaches(tree, files):
    """The lines that the tool prints about a tree of these files."""
    for name, text in files.items():
        tree.write(name, text)
    code, out = tree.run("check_style")
    lines = [line for line in out.splitlines()
             if not line.startswith(("check_style: ", "note: "))]
    assert (code == 1) == bool(lines), out
    return lines


def function(lines, head="int f(void)"):
    """A C function of that many lines."""
    body = "    f();\n" * (lines - 3)
    return f"{head}\n{{\n{body}}}\n"


def test_clean(tree):
    assert breaches(tree, {
        "src/base/x.c": C_HEAD + function(70),
        "src/base/y.h": C_HEAD + "struct y {\n    int a;\n};\n",
        "include/pawl/y.h": C_HEAD,
        "python/x.py": PY_HEAD + "def f():\n    return 1\n",
        "tools/x": "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n",
        "docs/x.md": "A line. " * 100 + "\n",
        "Makefile": "# SPDX-License-Identifier: Apache-2.0\nall:\n\ttrue\n",
    }) == []


@pytest.mark.parametrize("name, text, reason", [
    ("src/a.c", "int x;\n", "the first line must be"),
    ("src/a.h", "\n" + C_HEAD, "the first line must be"),
    ("src/a.c", C_HEAD.split("\n")[0] + "\nint x;\n", "what the file is for"),
    ("src/a.c", C_HEAD + "\tint x;\n", "a tab"),
    ("src/a.c", C_HEAD + "int x; \n", "blanks at the end"),
    ("src/a.c", C_HEAD + "int x;", "no newline at the end"),
    ("src/a.c", C_HEAD + f"int {'x' * 96};\n", "101 columns"),
    ("src/a.c", C_HEAD + "int x; // one\n", "a // comment"),
    ("src/a.c", C_HEAD + "int x;\n" * 799, "801 lines"),
    ("src/a.c", C_HEAD + "/* TODO: more */\n", "'TODO'"),
    ("docs/a.md", "FIXME\n", "'FIXME'"),
    ("docs/a.md", "see issue #12\n", "'issue #1'"),
    ("src/a.c", C_HEAD + "int f(void)\n{\n    exit(1);\n}\n", "exit()"),
    ("src/a.c", C_HEAD + 'int f(void)\n{\n    printf("x");\n}\n', "printf()"),
    ("src/a.c", C_HEAD + 'char *f(void)\n{\n    return getenv("x");\n}\n',
     "getenv()"),
    ("src/a.c", C_HEAD + "char *f(void)\n{\n    return strcpy(a, b);\n}\n",
     "strcpy()"),
    ("src/string_util.c", C_HEAD, "says nothing"),
    ("src/helpers/a.c", C_HEAD, "says nothing"),
    ("python/misc.py", PY_HEAD, "says nothing"),
    ("python/a.py", PY_HEAD.split("\n")[1] + "\n", "is missing from its first lines"),
    ("python/a.py", PY_HEAD.split("\n")[0] + "\nx = 1\n", "a docstring"),
    ("python/a.py", PY_HEAD + "def f(:\n", "not Python"),
    ("python/a.py", PY_HEAD + "def f():\n" + "    f()\n" * 70, "71 lines"),
    ("tools/a", "#!/usr/bin/env python3\n" + PY_HEAD +
     "def f():\n" + "    f()\n" * 70, "71 lines"),
    ("src/meson.build", "x = 1\n", "is missing from its first lines"),
])
def test_breach(tree, name, text, reason):
    lines = breaches(tree, {name: text})
    assert len(lines) == 1 and reason in lines[0], lines
    assert lines[0].startswith(name + ":")


def test_what_only_looks_like_a_breach(tree):
    assert breaches(tree, {"src/a.c": C_HEAD + r'''
const char *f(struct ops *ops)
{
    ops->exit(0);
    my_exit(0); /* exit(1) */
    my.printf("printf(1) // \" TO" "DO {");
    return 'x' == '"' ? "//" : "{";
}
'''}) == []


FUNCTIONS = {
    "plain": "int f(void)",
    "static": "static struct pair *f(int a,\n                      int b)",
    "attribute": "__attribute__((format(printf, 1, 2))) int\nf(const char *x)",
    "pointer": "int (*f(void))(int)",
}


@pytest.mark.parametrize("head", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_a_function_of_71_lines(tree, head):
    extra = head.count("\n")
    good = {"src/a.c": C_HEAD + function(70 - extra, head)}
    long = {"src/a.c": C_HEAD + function(71 - extra, head)}
    assert breaches(tree, good) == []
    lines = breaches(tree, long)
    assert len(lines) == 1 and "71 lines" in lines[0]
    assert lines[0].startswith("src/a.c:3: ")
    assert "f()" in lines[0] or head.startswith("int (")


BODIES = {
    "strings": '    g("}", \'}\', "\\"}");\n',
    "comments": "    /* } */\n",
    "blocks": "    if (a) {\n    }\n",
    "directives": "#define X }\n#define Y \\\n    }\n",
    "branches": "#if A\n    if (a) {\n#else\n    if (b) {\n#endif\n    }\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_braces_that_do_not_end_a_function(tree, body):
    lines = body.count("\n")
    rest = "    f();\n" * (68 - lines)
    text = f"int f(int a)\n{{\n{body}{rest}}}\n"
    found = breaches(tree, {"src/a.c": C_HEAD + text})
    assert len(found) == 1 and "71 lines" in found[0], found


def test_what_is_no_function_may_be_long(tree):
    rows = "    {1, 2},\n" * 100
    assert breaches(tree, {
        "src/a.c": C_HEAD + f"struct row rows[] = {{\n{rows}}};\n"
        + "struct s {\n" + "    int (*f)(int);\n" * 100 + "};\n",
        "include/pawl/b.h": C_HEAD + '#ifdef __cplusplus\nextern "C" {\n#endif\n'
        + "int g(void);\n" * 100 + "#ifdef __cplusplus\n}\n#endif\n",
    }) == []


def test_a_function_within_extern_c(tree):
    text = ('#ifdef __cplusplus\nextern "C" {\n#endif\n' + function(71)
            + "#ifdef __cplusplus\n}\n#endif\n")
    assert len(breaches(tree, {"include/pawl/b.h": C_HEAD + text})) == 1


def test_names_of_c_files_are_unique(tree):
    lines = breaches(tree, {
        "src/base/x.h": C_HEAD, "cli/x.h": C_HEAD,
        "include/pawl/x.h": C_HEAD, "src/base/x.c": C_HEAD,
    })
    assert len(lines) == 1 and "src/base/x.h:1: has the name of cli/x.h" in lines


def test_a_long_file_is_noted_but_passes(tree):
    tree.write("src/a.c", C_HEAD + "int x;\n" * 600)
    code, out = tree.run("check_style")
    assert code == 0 and "note: src/a.c: 602 lines" in out


def test_what_git_ignores_is_not_checked(tree):
    subprocess.run(["git", "init", "-q", str(tree.root)], check=True)
    tree.write(".gitignore", "/build/\n")
    tree.write("build/a.c", "int x;\n")
    assert breaches(tree, {"src/a.c": C_HEAD}) == []
    lines = breaches(tree, {"src/new.c": "int x;\n"})
    assert len(lines) == 1 and lines[0].startswith("src/new.c:1: ")


def test_no_files_is_an_error(tree):
    assert tree.run("check_style")[0] == 2
