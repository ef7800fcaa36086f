# SPDX-License-Identifier: Apache-2.0
"""DeepSpeed with Pawl: what holds of save_checkpoint and load_checkpoint."""

import os
import signal

import pytest
from deepspeed_runs import RANKS, WORLDS, check_same_files

#: A training of two ranks that saves twice.
TWICE = {
    "world": RANKS,
    "stage": 2,
    "engine": "pawl",
    "steps": 3,
    "save": {"1": "one", "2": "two"},
}
OPTIMIZER = "bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt"


def damage(path):
    """Changes a byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_killed_and_resumed(tmp_path, jobs, stage, world):
    ours, theirs = tmp_path / "pawl", tmp_path / "torch"
    job = {"world": world, "stage": stage, "save": {"2": "step-2"}, "steps": 5}
    whole = jobs.run(theirs, **job)
    killed = jobs.run(ours, **job, engine="pawl", die=3, expect=-signal.SIGKILL)
    (ours / "latest").write_text("of a checkpoint that is not there")
    resumed = jobs.run(ours, **job, engine="pawl")
    assert killed.one("saved") == ["step-2", "step-2"]
    assert resumed.one("loaded") == ["step-2"]
    losses = zip(whole.losses(), killed.losses(), resumed.losses())
    for undisturbed, first, rest in losses:
        assert sorted(first) == [0, 1, 2]
        assert sorted(rest) == [2, 3, 4]
        assert {**first, **rest} == undisturbed
    check_same_files(ours / "step-2", theirs / "step-2")


# ---- switching it on --------------------------------------------------------


def test_a_section_of_the_config_switches_it_on(tmp_path, jobs):
    pawl = {"engine": "torch", "keep_last": 1}
    job = {**TWICE, "engine": "section", "pawl": pawl}
    jobs.run(tmp_path / "run", **job)
    assert not (tmp_path / "run/one").exists()
    assert (tmp_path / "run/two/pawl.json").exists()


def test_nothing_changes_where_it_was_not_asked_for(tmp_path, jobs):
    jobs.run(tmp_path / "run", **{**TWICE, "engine": "torch"})
    assert (tmp_path / "run/two").exists()
    assert not list(tmp_path.rglob("pawl.json"))


def test_a_wrong_key_is_named(tmp_path, jobs):
    job = {**TWICE, "engine": "section", "pawl": {"keep_lats": 1}}
    ran = jobs.run(tmp_path / "run", **job, expect=1)
    assert "ConfigError" in ran.printed()
    assert "'keep_lats'" in ran.printed()


def test_disks_of_the_nodes(tmp_path, jobs):
    config = {"checkpoint": {"use_node_local_storage": True}}
    whole = jobs.run(tmp_path / "run", **TWICE, config=config)
    damage(tmp_path / "run/two" / OPTIMIZER)
    again = jobs.run(tmp_path / "run", **{**TWICE, "save": {}}, config=config)
    assert again.one("loaded") == ["one"]
    for before, after in zip(whole.losses(), again.losses()):
        assert after == {step: before[step] for step in (1, 2)}


# ---- latest -----------------------------------------------------------------


def test_latest_stays_if_told_so(tmp_path, jobs):
    run = tmp_path / "run"
    jobs.run(run, **{**TWICE, "steps": 1})
    more = {"save_more": {"save_latest": False}}
    ran = jobs.run(run, **TWICE, **more)
    assert ran.one("saved") == ["two", "one"]
    again = jobs.run(run, **{**TWICE, "steps": 0})
    assert again.one("loaded") == ["two"]


@pytest.mark.parametrize("snapshot", ["copy", "lazy"])
@pytest.mark.parametrize("destroy", [True, False])
def test_the_last_one_of_a_run_in_the_background(tmp_path, jobs, snapshot, destroy):
    """Slowed down: commits are under way when the run ends."""
    ours, theirs = tmp_path / "pawl", tmp_path / "torch"
    slow = {"engine": "async", "snapshot": snapshot, "max_bytes_per_second": "100kB"}
    job = {**TWICE, "destroy": destroy, "pawl": slow}
    ran = jobs.run(ours, **job)
    whole = jobs.run(theirs, **{**TWICE, "engine": "torch"})
    assert [told[0][:2] for told in ran.all("saved")] == [["one", None]] * RANKS
    assert ran.losses() == whole.losses()
    assert (ours / "latest").read_text() == "two"
    assert not list((ours / ".pawl").iterdir())
    for tag in ("one", "two"):
        check_same_files(ours / tag, theirs / tag)


# ---- what is loaded ---------------------------------------------------------


def test_nothing_is_there(tmp_path, jobs):
    ran = jobs.run(tmp_path / "run", **TWICE)
    assert ran.one("loaded") == [None]


@pytest.mark.parametrize("name", [OPTIMIZER, "mp_rank_00_model_states.pt"])
def test_a_damaged_file_of_one_rank(tmp_path, jobs, name):
    run = tmp_path / "run"
    first = jobs.run(run, **TWICE)
    damage(run / "two" / name)
    resumed = jobs.run(run, **{**TWICE, "save": {}})
    assert resumed.one("loaded") == ["one"]
    assert "skipping checkpoint 'two'" in resumed.printed()
    assert name in resumed.printed()
    for before, after in zip(first.losses(), resumed.losses()):
        assert after == {step: before[step] for step in (1, 2)}


def test_a_file_of_one_rank_is_missing(tmp_path, jobs):
    run = tmp_path / "run"
    jobs.run(run, **TWICE)
    os.unlink(run / "two" / OPTIMIZER)
    assert jobs.run(run, **TWICE).one("loaded") == ["one"]


def test_a_damaged_one_that_is_asked_for(tmp_path, jobs):
    run = tmp_path / "run"
    jobs.run(run, **TWICE)
    damage(run / "two" / OPTIMIZER)
    ran = jobs.run(run, **TWICE, load_more={"tag": "two"}, expect=1)
    for told in ran.all("load failed"):
        assert told[0][0] == "CorruptError"
        assert OPTIMIZER in told[0][1]


def test_none_is_whole(tmp_path, jobs):
    run = tmp_path / "run"
    jobs.run(run, **TWICE)
    for tag in ("one", "two"):
        damage(run / tag / OPTIMIZER)
    ran = jobs.run(run, **TWICE, expect=1)
    for told in ran.all("load failed"):
        assert told[0][0] == "CorruptError"
        assert "no checkpoint in" in told[0][1]
        assert OPTIMIZER in told[0][1]


def test_weights_alone(tmp_path, jobs):
    """With ZeRO 3 DeepSpeed takes them from what `latest` names."""
    run = tmp_path / "run"
    job = {**TWICE, "stage": 3}
    jobs.run(run, **job)
    weights = {"load_optimizer_states": False}
    ran = jobs.run(run, **{**job, "save": {}}, load_more=weights)
    assert ran.one("loaded") == ["two"]
    ran = jobs.run(run, **job, load_more={**weights, "tag": "one"}, expect=1)
    for told in ran.all("load failed"):
        assert told[0][0] == "NotSupportedError"
        assert "'latest' names, which is 'two'" in told[0][1]


def test_objects_of_the_client(tmp_path, jobs):
    state = {"note": "of mine", "epoch": [1, {"a": 2.5}]}
    run = tmp_path / "run"
    jobs.run(run, **TWICE, client_state=state)
    assert jobs.run(run, **TWICE, client_state=state).one("client") == [state]


@pytest.mark.parametrize(
    "validation, error",
    [
        ("Fail", "AssertionError"),
        ("Warn", "InvalidError"),
        ("Ignore", "InvalidError"),
    ],
)
def test_a_tag_of_each_rank(tmp_path, jobs, validation, error):
    """Refused by DeepSpeed, if it is told to, else by us."""
    run = tmp_path / "run"
    config = {"checkpoint": {"tag_validation": validation}}
    job = {**TWICE, "save": {"1": "of-RANK", "2": "two"}, "config": config}
    ran = jobs.run(run, **job)
    assert [told[0][0] for told in ran.all("save failed")] == [error] * RANKS
    assert ran.one("saved") == ["two", "two"]
    assert not list(run.glob("of-*"))


# ---- failures ---------------------------------------------------------------


@pytest.mark.parametrize("rank", range(RANKS))
def test_one_rank_cannot_write(tmp_path, jobs, rank):
    """All are told of it, train on, and save again."""
    run = tmp_path / "run"
    ran = jobs.run(run, **TWICE, full=[rank, 1, 60_000])
    for each, told in enumerate(ran.all("save failed")):
        assert "optim_states.pt': file too large" in told[0][1]
        assert each == rank or f": rank {rank}: " in told[0][1]
    assert ran.one("saved") == ["two", "two"]
    assert not (run / "one").exists()
    assert all(sorted(losses) == [0, 1, 2] for losses in ran.losses())


def test_one_rank_cannot_write_in_the_background(tmp_path, jobs):
    """All are told of it by the next save, which saves nothing; the rank itself
    maybe at once."""
    run = tmp_path / "run"
    job = {**TWICE, "save": {"1": "one", "2": "two", "3": "three"}}
    ran = jobs.run(run, **job, pawl={"engine": "async"}, full=[1, 1, 60_000])
    for told, saved in zip(ran.all("save failed"), ran.all("saved")):
        assert "checkpoint 'one': rank 1: " in told[-1][1]
        assert "optim_states.pt': file too large" in told[-1][1]
        assert [tag for tag, _ in saved if tag != "one"] == ["three"]
    assert (run / "latest").read_text() == "three"
    assert not (run / "one").exists() and not (run / "two").exists()


def test_one_rank_cannot_write_what_deepspeed_writes(tmp_path, jobs):
    """Its scripts beside the checkpoints."""
    run = tmp_path / "run"
    ran = jobs.run(run, **TWICE, full=[0, 1, 30_000])
    ours, others = ran.all("save failed")
    assert "zero_to_fp32.py" in ours[0][1]
    assert "rank 0: checkpoint 'one' was given up" in others[0][1]
    assert ran.one("saved") == ["two", "two"]


def test_save_16bit_model(tmp_path, jobs):
    """It is given the name of a checkpoint, which stays what it is."""
    run = tmp_path / "run"
    job = {**TWICE, "save": {"3": "global_step3"}, "save_16bit": True}
    ran = jobs.run(run, **job)
    assert ran.one("saved")[0] == "global_step3"
    assert (run / "pytorch_model.bin").exists()
    assert (run / "global_step3" / OPTIMIZER).exists()
