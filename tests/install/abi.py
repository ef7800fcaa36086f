# SPDX-License-Identifier: Apache-2.0
"""What a program that was built with an earlier Pawl relies on, as text.

That is the names that the libraries export, and what the public headers say of
them: signatures, the fields of structs in their order, values of enums, and
macros.  The libraries are built with the same headers, and a compiler refuses a
function that is not as its header says; so what the headers say is so.

include/abi/ has the texts as they were agreed on.  PAWL_ABI=write in the
environment writes them anew."""

import difflib
import os
import re
from pathlib import Path

from machine import ROOT, run

AGREED = ROOT / "include" / "abi"

WHAT_TO_DO = """
If that is not what you wanted, undo it.  If it is, say so:

    PAWL_ABI=write tools/test install

and commit the changed include/abi/%s with the change.  CONTRIBUTING.md, "The
ABI", says what of it breaks programs that were built before, and what is due
then."""

# Which differ from version to version, or only serve the headers.
NOT_ABI = {"PAWL_API", "PAWL_VERSION"}


def symbols(library):
    """What the shared library at that path exports, a name a line."""
    lines = run("nm", "-D", "--defined-only", str(library)).splitlines()
    names = {line.split()[2].split("@")[0] for line in lines
             if line.split()[1] != "A"}
    return "".join(f"{name}\n" for name in sorted(names))


def own_lines(header, preprocessed):
    """The lines that come from the header itself."""
    where = ""
    for line in preprocessed.splitlines():
        marker = re.match(r'#\s+\d+\s+"(.*?)"', line)
        if marker:
            where = marker.group(1)
        elif where == str(header):
            yield line


def is_value(line):
    """Whether `#define NAME ...` is of a macro that has a value."""
    macro = re.match(r"#define (PAWL_\w+) \S", line)
    return macro is not None and macro.group(1) not in NOT_ABI


def layout(code):
    """One line for each function, field, enumerator; spaces where they are
    needed alone, so that it is the same from each compiler."""
    code = re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", "", code)
    code = re.sub(r"\s+", " ", code)
    code = re.sub(r" ?([][(){},;*=]) ?", r"\1", code).strip()
    code = re.sub(r"(\w)(\*|=|\(\*)", r"\1 \2", code).replace("=", "= ")
    out, braces, parens, in_enum = [], 0, 0, False
    for char in code:
        braces += (char == "{") - (char == "}")
        parens += (char == "(") - (char == ")")
        ends = char in "{;" or (char == "," and in_enum and parens == 0)
        if char == "{":
            in_enum = out[-1].lstrip().startswith("enum")
            out[-1] += " "
        if char == "}" and out[-1].strip():
            out.append("")
        if not out or not out[-1]:
            out[-1:] = ["    " * braces]
        out[-1] += char + (" " if char == "," and not ends else "")
        if ends:
            out.append("")
    return "".join(f"{line}\n" for line in out if line.strip())


def declarations(include, compiler="gcc", flags=()):
    """What the headers in include/pawl/ declare."""
    text = ""
    for header in sorted((Path(include) / "pawl").glob("*.h")):
        lines = list(own_lines(header, run(
            compiler, "-E", "-dD", "-std=c99", f"-I{include}", *flags,
            "-x", "c", str(header))))
        macros = [re.sub(r"\s+", " ", line).strip() for line in lines
                  if is_value(line) or line.startswith("#pragma")]
        code = "\n".join(line for line in lines if not line.startswith("#"))
        text += f"pawl/{header.name}\n\n" + layout(code)
        text += "".join(f"{macro}\n" for macro in macros) + "\n"
    return text


def hold(name, text):
    """Fails if `text` is not what was agreed on as include/abi/NAME."""
    path = AGREED / name
    if os.environ.get("PAWL_ABI") == "write":
        path.write_text(text)
    agreed = path.read_text() if path.exists() else ""
    changed = "".join(difflib.unified_diff(
        agreed.splitlines(True), text.splitlines(True),
        f"include/abi/{name}", "as it is now", n=3))
    assert agreed == text, f"the ABI changed:\n{changed}{WHAT_TO_DO % name}"
