# SPDX-License-Identifier: Apache-2.0
"""The `pawl` command: what it prints, for people and as JSON, and how it ends."""

import concurrent.futures
import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

import pawl
import pawl.ranks

ROOT = Path(__file__).resolve().parents[2]
BUILT = Path(os.environ.get("PAWL_BUILD", ROOT / "build")) / "cli"
ESCAPE = "\x1b"


def command(*words, **environment):
    env = {**os.environ, "TZ": "UTC", **environment}
    return subprocess.run(
        [BUILT / "pawl", *map(str, words)], env=env, capture_output=True, text=True, timeout=60
    )


def printed(*words, status=0):
    """What goes to stdout; the exit status has to be `status`."""
    done = command(*words)
    assert done.returncode == status, done.stdout + done.stderr
    assert ESCAPE not in done.stdout + done.stderr
    return done.stdout


def document(*words, status=0):
    return json.loads(printed(words[0], "--json", *words[1:], status=status))


def on_terminal(*words, columns, **environment):
    """What a terminal of so many columns (0: it does not tell) gets to see."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [BUILT / "pawl", *map(str, words)], env={**env, **environment},
        stdin=slave, stdout=slave, stderr=slave,
    )
    os.close(slave)
    seen = b""
    try:
        while chunk := os.read(master, 65536):
            seen += chunk
    except OSError:  # how a terminal tells that nobody writes to it any more
        pass
    os.close(master)
    assert process.wait(timeout=60) == 0, seen
    return seen.decode().replace("\r\n", "\n")


def without_colours(text):
    return re.sub(r"\x1b\[[0-9]*m", "", text)


def tensors():
    return {"w": torch.arange(12.0).reshape(3, 4), "b": torch.zeros(2, dtype=torch.bfloat16)}


def make_run(folder, steps=(10, 20)):
    """Committed checkpoints by Pawl, and one that torch.save wrote."""
    run = folder / "run"
    engine = pawl.CheckpointEngine({"engine": "torch"})
    for step in steps:
        engine.create(str(run), f"step-{step}")
        engine.save(tensors(), str(run / f"step-{step}" / "model.pt"))
        engine.save({"step": step}, str(run / f"step-{step}" / "trainer.pt"))
        engine.commit(f"step-{step}")
    (run / "theirs").mkdir()
    torch.save(tensors(), run / "theirs" / "model.pt")
    os.utime(run / "theirs" / "model.pt", (1_000_000_000, 1_000_000_000))
    return run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path)


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def payload_at(path, tensor):
    """Where the first bytes of a tensor are."""
    return path.read_bytes().index(tensor.numpy().tobytes())


def checkpoint(listed, tag):
    (found,) = [c for c in listed["checkpoints"] if c["tag"] == tag]
    return found


# ---- ls ------------------------------------------------------------------------


def test_ls_of_one_node(tmp_path):
    """Two ranks, each with a directory of its own, make a checkpoint in two parts."""
    server = dist.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False)
    client = dist.TCPStore("127.0.0.1", server.port, None, False)

    def make(rank):
        comm = pawl.ranks.StoreComm([server, client][rank], rank, 2)
        node = tmp_path / f"node{rank}"
        with pawl.CheckpointEngine({"engine": "torch", "layout": "local"}, comm=comm) as engine:
            engine.create(node, "step-1")
            engine.save({"rank": rank}, node / "step-1" / f"rank{rank}.pt")
            engine.commit("step-1")

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(make, range(2)))
    row = checkpoint(document("ls", tmp_path / "node1"), "step-1")
    assert (row["part"], row["parts"], row["world_size"], row["file_count"]) == (1, 2, 2, 1)
    assert "committed, latest, part 2 of 2" in command("ls", tmp_path / "node1").stdout
    assert command("verify", tmp_path / "node0" / "step-1").returncode == 0


def test_ls_json(run):
    listed = document("ls", run)
    assert {c["tag"] for c in listed["checkpoints"]} == {"step-10", "step-20", "theirs"}
    newest, oldest = checkpoint(listed, "step-20"), checkpoint(listed, "step-10")
    assert (newest["step"], newest["state"], newest["is_latest"]) == (20, "committed", True)
    assert (oldest["step"], oldest["state"], oldest["is_latest"]) == (10, "committed", False)
    assert newest["sequence"] > oldest["sequence"]
    assert newest["file_count"] == 2
    files = [run / "step-20" / name for name in ("model.pt", "trainer.pt")]
    assert newest["size_bytes"] == sum(f.stat().st_size for f in files)
    theirs = checkpoint(listed, "theirs")
    assert (theirs["step"], theirs["state"]) == (None, "unsigned")
    assert theirs["time_unix_ms"] == 1_000_000_000_000


def test_ls_table(run):
    lines = printed("ls", run).splitlines()
    assert lines[0].split() == ["TAG", "STEP", "TIME", "SIZE", "FILES", "STATE"]
    assert len(lines) == 4
    rows = {line.split()[0]: line for line in lines[1:]}
    assert re.fullmatch(
        r"step-20 +20  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d\.\d KiB +2  committed, latest",
        rows["step-20"],
    )
    assert re.fullmatch(r"theirs +2001-09-09 01:46:40 +1\.\d KiB +1  unsigned", rows["theirs"])
    assert "latest" not in rows["step-10"]


def test_ls_says_what_is_broken_and_why(run):
    os.truncate(run / "step-20" / "model.pt", 100)
    broken = checkpoint(document("ls", run), "step-20")
    assert broken["state"] == "broken"
    assert "model.pt" in broken["reason"] and "100 bytes" in broken["reason"]
    assert re.search(r"step-20 .* broken, latest: .*100 bytes", printed("ls", run))


def test_ls_says_what_is_being_made(run):
    engine = pawl.CheckpointEngine({"engine": "torch"})
    engine.create(str(run), "step-30")
    engine.save(tensors(), str(run / "step-30" / "model.pt"))
    assert checkpoint(document("ls", run), "step-30")["state"] == "making"
    assert re.search(r"step-30 .* making: .*", printed("ls", run))
    assert printed("verify", run)  # and does not verify it
    engine.abort("step-30")


def test_ls_of_an_empty_directory(tmp_path):
    assert printed("ls", tmp_path) == "no checkpoints\n"
    assert document("ls", tmp_path) == {"checkpoints": []}


def test_names_cannot_write_to_the_terminal(tmp_path):
    path = tmp_path / "a\x1b[31mb.pt"
    torch.save({"k\x1b[2J": "v\r\x9b\u202e", "é": 1}, path)
    text = printed("show", path)
    for name in (r"a\x1b[31mb.pt", r"k\x1b[2J", r"'v\x0d\xc2\x9b\xe2\x80\xae'", "é"):
        assert name in text
    os.truncate(path, 50)
    assert r"a\x1b[31mb.pt" in printed("verify", path, status=1)
    assert r"a\x1b[31mb.pt" in command("show", path).stderr


# ---- show ----------------------------------------------------------------------


def shown(path, *options):
    """The entries of a file by their names."""
    (file,) = document("show", *options, path)["files"]
    return {entry["path"]: entry for entry in file["entries"]}


def test_show_tells_tensors(tmp_path):
    w = torch.arange(12.0).reshape(3, 4)
    torch.save({"w": w, "t": w.t(), "p": torch.nn.Parameter(torch.ones(2))}, tmp_path / "m.pt")
    entries = shown(tmp_path / "m.pt")
    assert entries["w"]["dtype"] == "float32"
    assert entries["w"]["shape"] == [3, 4]
    assert entries["w"]["size_bytes"] == 48
    assert entries["t"]["strides"] == [1, 4]
    assert entries["w"]["storage"] == entries["t"]["storage"]
    assert entries["w"]["is_shared"] and not entries["p"]["is_shared"]
    assert entries["p"]["is_parameter"]

    text = printed("show", tmp_path / "m.pt")
    assert "3 tensors, 56 B in 2 storages" in text
    number = entries["w"]["storage"]
    assert re.search(rf"  w  +float32 +3x4 +48 B  #{number}\n", text)
    assert re.search(rf"  t  +float32 +4x3 +48 B  shares #{number}\n", text)


def test_show_tells_values(tmp_path):
    state = {
        "i": 7, "big": -(2**70), "f": 0.1, "nan": float("nan"), "no": None, "yes": True,
        "s": "héllo", "z": 1 - 2j, "b": b"\0a", "betas": (0.9, 0.999), (1, 2): "pair",
        "dtype": torch.float16, "one": (1,),
    }
    torch.save(state, tmp_path / "m.pt")
    text = printed("show", tmp_path / "m.pt")
    for name, value in {
        "i": "7", "big": "-0x400000000000000000", "f": "0.1", "nan": "nan", "no": "None",
        "yes": "True", "s": "'héllo'", "z": "(1.0-2.0j)", "b": r"b'\x00a'",
        "betas": "(0.9, 0.999)", "(1, 2)": "'pair'", "dtype": "torch.float16", "one": "(1,)",
    }.items():
        assert re.search(rf"^  {re.escape(name)} .*  {re.escape(value)}$", text, re.M), name
    entries = shown(tmp_path / "m.pt")
    assert [entries[k]["value"] for k in ("i", "f", "yes", "s")] == [7, 0.1, True, "héllo"]
    assert entries["nan"]["value"] == "nan"


def test_show_elides_unless_all_is_asked_for(tmp_path):
    state = {"ids": list(range(100)), "dicts": [{"i": i} for i in range(50)], "s": "x" * 1000}
    torch.save(state, tmp_path / "m.pt")
    text = printed("show", tmp_path / "m.pt")
    assert "(100 items)" in text and "99" not in text.split("\n", 1)[1]
    assert "42 more" in text and "(1000 bytes)" in text
    assert len(text) < 3000
    full = printed("show", "--all", tmp_path / "m.pt")
    assert "x" * 1000 in full and "more" not in full
    entries = shown(tmp_path / "m.pt", "--all")
    assert entries["ids.99"]["value"] == 99
    assert entries["dicts.49.i"]["value"] == 49


@pytest.mark.parametrize(
    "text, names",
    [
        ("exp_avg", ["opt.0.exp_avg", "opt.0.exp_avg_sq"]),
        ("*.exp_avg", ["opt.0.exp_avg"]),
        ("ste?", ["step"]),
        ("nothing", []),
    ],
)
def test_show_filters_by_dotted_name(tmp_path, text, names):
    state = {"opt": {0: {"exp_avg": torch.ones(1), "exp_avg_sq": torch.ones(2)}}, "step": 1}
    torch.save(state, tmp_path / "m.pt")
    assert sorted(shown(tmp_path / "m.pt", "--filter", text)) == names
    lines = printed("show", tmp_path / "m.pt", "--filter", text).splitlines()
    assert [line.split()[0] for line in lines[2:]] == names


class Unknown:
    """Of a class that only this file knows."""


def test_show_keeps_objects_inert_and_ends_cycles(tmp_path):
    thing = Unknown()
    thing.w = torch.ones(2)
    loop = [1, {}]
    loop[1]["again"] = loop
    torch.save({"thing": thing, "loop": loop}, tmp_path / "m.pt")
    entries = shown(tmp_path / "m.pt")
    assert entries["thing"]["kind"] == "object"
    assert entries["thing"]["type"].endswith("test_command.Unknown")
    assert entries["thing.<state>.w"]["shape"] == [2]
    assert entries["loop.1.again"]["same_as"] == "loop"
    assert "same as loop" in printed("show", tmp_path / "m.pt")


class Calls:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_show_and_verify_run_nothing(tmp_path):
    torch.save(Calls(str(tmp_path / "made")), tmp_path / "m.pt")
    assert "mkdir" in printed("show", tmp_path / "m.pt")
    command("verify", tmp_path / "m.pt")
    assert not (tmp_path / "made").exists()


def nested(depth):
    """A list in a list, and so on; with no pickler, which would not end well."""
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


@pytest.mark.parametrize("options", [[], ["--all"], ["--json"], ["--filter", "1"]])
def test_show_of_deep_nesting_ends(tmp_path, options):
    import io
    import zipfile

    torch.save([], tmp_path / "shallow.pt")
    buffer = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "shallow.pt") as old, zipfile.ZipFile(buffer, "w") as new:
        for item in old.infolist():
            is_pickle = item.filename.endswith("data.pkl")
            new.writestr(item.filename, nested(5000) if is_pickle else old.read(item))
    (tmp_path / "deep.pt").write_bytes(buffer.getvalue())
    done = command("show", *options, tmp_path / "deep.pt")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) < 10_000_000
    # What is not told is said to be there.
    is_told = "hidden" if "--json" in options else "(too deep)"
    assert is_told in done.stdout or "--filter" in options


def test_show_of_a_checkpoint_shows_each_file(run):
    files = document("show", run / "step-10")["files"]
    assert [Path(f["path"]).name for f in files] == ["model.pt", "trainer.pt"]
    assert files[1]["entries"][1]["value"] == 10
    done = command("show", run)
    assert done.returncode == 2
    assert "step-20'" in done.stderr  # such as


def test_show_reads_legacy_files(tmp_path):
    torch.save(tensors(), tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    assert shown(tmp_path / "m.pt")["b"]["dtype"] == "bfloat16"


def test_show_hides_attributes_unless_all_is_asked_for(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "m.pt")
    entries = shown(tmp_path / "m.pt")
    assert set(entries) == {"root", "weight", "bias", "<attributes>"}
    assert entries["<attributes>"]["hidden"] == 1
    assert "<attributes>._metadata" in shown(tmp_path / "m.pt", "--all")


# ---- verify --------------------------------------------------------------------


def test_verify_what_is_whole(run):
    assert "all whole" in printed("verify", run)
    assert "2 files" in printed("verify", run / "step-10")
    assert "1 file," in printed("verify", run / "step-10" / "model.pt")
    assert "1 file," in printed("verify", run / "theirs")
    done = document("verify", run)
    assert done["is_whole"]
    assert [c["verdict"] for c in done["checkpoints"]] == ["whole"] * 3


@pytest.mark.parametrize("tag", ["step-10", "theirs"])
def test_verify_finds_a_flipped_bit(run, tag):
    path = run / tag / "model.pt"
    flip(path, payload_at(path, tensors()["w"]))
    for what in (path, run / tag, run):
        text = printed("verify", what, status=1)
        assert re.search(rf"^damaged  .*{tag}/model\.pt: ", text, re.M)
        done = document("verify", what, status=1)
        assert not done["is_whole"]
    verdicts = {Path(c["path"]).name: c["verdict"] for c in done["checkpoints"]}
    assert verdicts[tag] == "damaged"
    assert sorted(verdicts.values()) == ["damaged", "whole", "whole"]


def test_verify_goes_on_after_damage(run):
    (run / "step-10" / "model.pt").unlink()
    os.truncate(run / "step-20" / "trainer.pt", 50)
    text = printed("verify", run, status=1)
    assert re.search(r"^damaged  .*step-10/model\.pt: .*missing", text, re.M)
    assert re.search(r"^damaged  .*step-20/trainer\.pt: ", text, re.M)
    assert re.search(r"^whole    .*step-20/model\.pt: ", text, re.M)


def test_verify_takes_no_broken_manifest_for_whole(run):
    (run / "step-10" / "pawl.json").write_text("{")
    for what in (run, run / "step-10"):
        assert "pawl.json" in printed("verify", what, status=1)


# ---- how it ends ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["ls", "show", "verify"])
@pytest.mark.parametrize("words", [[], ["a", "b"], ["--no-such"], ["/no/such/path"]])
def test_wrong_usage_and_what_is_not_there(name, words):
    done = command(name, *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("pawl: ")


def test_what_is_no_checkpoint(tmp_path):
    (tmp_path / "text").write_text("no torch file\n")
    assert command("show", tmp_path / "text").returncode == 2
    (tmp_path / "empty").mkdir()
    for name in ("show", "verify"):
        assert command(name, tmp_path / "empty").returncode == 2


def test_wrong_commands():
    for words in ([], ["list"], ["--no-such"]):
        done = command(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "try 'pawl --help'" in done.stderr


def test_output_that_cannot_be_written(run):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILT / "pawl", "ls", run], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert b"cannot write" in done.stderr


def test_help_and_version():
    assert printed("--version") == f"pawl {pawl.__version__}\n"
    assert printed("--help") == printed("-h")
    for name in ("ls", "show", "verify"):
        assert re.search(rf"^  {name} ", printed("--help"), re.M)
        text = printed(name, "--help")
        assert text.startswith(f"usage: pawl {name} ")
        assert "--json" in text
        assert max(map(len, text.splitlines())) <= 80


# ---- terminals -----------------------------------------------------------------


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_tables_fit_the_terminal(run, columns):
    os.truncate(run / "step-20" / "model.pt", 100)  # a long reason
    for seen in (
        on_terminal("ls", run, columns=columns),
        on_terminal("ls", run, columns=0, COLUMNS=str(columns)),
    ):
        lines = without_colours(seen).splitlines()
        assert len(lines) == 4
        assert max(map(len, lines)) <= columns
        assert any(line.endswith("~") for line in lines)
    assert "~" not in printed("ls", run)


def test_colours_only_on_a_terminal(run):
    assert ESCAPE in on_terminal("ls", run, columns=80)
    assert ESCAPE not in on_terminal("ls", run, columns=80, NO_COLOR="1")
    assert ESCAPE in on_terminal("ls", run, columns=80, NO_COLOR="")


def test_progress_bar_only_on_a_terminal(run):
    seen = on_terminal("verify", run / "step-20", columns=100, NO_COLOR="1")
    assert re.search(r"\[#*-*\] +\d+%  .* of .*/s", seen)
    # It goes away: each line of the result begins at a clean one.
    last = seen.replace("\r\x1b[K", "\n")
    assert re.search(r"^whole    .*model\.pt: ", last, re.M)
    done = command("verify", run)
    assert done.stderr == ""


@pytest.mark.skipif(not shutil.which("scdoc"), reason="scdoc is not installed")
def test_man_page_names_everything():
    page = (BUILT / "pawl.1").read_text().replace("\\", "")
    for word in ("ls", "show", "verify", "--json", "--filter", "--all", "--version", "NO_COLOR"):
        assert word in page
