# SPDX-License-Identifier: Apache-2.0
"""What DeepSpeed's own tools, and its torch engine, make of Pawl's files."""

import shutil
from pathlib import Path

import pytest
from deepspeed_runs import IS_FULL, RANKS, WORLDS, check_same_files

WITH = ["torch", "pawl"]


@pytest.fixture(scope="module", params=[0, 1, 2, 3])
def saved(request, jobs, tmp_path_factory):
    """The same training saved by both, at step 2 of 4; and its losses."""
    base = tmp_path_factory.mktemp("saved")
    job = {"world": RANKS, "stage": request.param, "steps": 4, "save": {"2": "two"}}
    ran = {each: jobs.run(base / each, engine=each, **job) for each in WITH}
    job.update(save={}, losses=ran["torch"].losses())
    assert ran["pawl"].losses() == job["losses"]
    return base, job


def resume(jobs, folder, job, **more):
    """Trains on from step 2, as the run that was not disturbed did."""
    losses = job["losses"]
    ran = jobs.run(folder, **{k: v for k, v in job.items() if k != "losses"}, **more)
    assert ran.one("loaded") == ["two"]
    for got, wanted in zip(ran.losses(), losses):
        assert got == {step: wanted[step] for step in (2, 3)}


@pytest.mark.parametrize("saver", WITH)
@pytest.mark.parametrize("loader", WITH)
def test_each_loads_what_the_other_saved(saved, jobs, tmp_path, saver, loader):
    base, job = saved
    run = tmp_path / "run"
    shutil.copytree(base / saver, run)
    resume(jobs, run, job, engine=loader)


@pytest.mark.parametrize("saved", [1, 2, 3], indirect=True)
def test_zero_to_fp32(saved, jobs, tmp_path):
    base, _ = saved
    for each in WITH:
        run = base / each
        jobs.script(run, run / "zero_to_fp32.py", run, tmp_path / each)
    check_same_files(tmp_path / "pawl", tmp_path / "torch")


@pytest.mark.parametrize("saved", [1, 2, 3], indirect=True)
def test_universal(saved, jobs, tmp_path):
    """Converted, and loaded by both engines."""
    import deepspeed.checkpoint.ds_to_universal as module

    base, job = saved
    for each in WITH:
        run = tmp_path / each
        shutil.copytree(base / each, run)
        folders = ["--input_folder", run / "two", "--output_folder", run / "universal"]
        jobs.script(run, module.__file__, "--inject_missing_state", *folders)
        (run / "latest_universal").write_text("universal")
        shutil.rmtree(run / "two")
    check_same_files(tmp_path / "pawl/universal", tmp_path / "torch/universal")

    config = {"checkpoint": {"load_universal": True}}
    job = {**job, "config": config}
    losses = job.pop("losses")
    for each in WITH:
        ran = jobs.run(tmp_path / each, engine=each, **job)
        assert ran.one("loaded") == ["universal"]
        assert [sorted(of_rank) for of_rank in ran.losses()] == [[2, 3]] * RANKS
        assert ran.losses() == [{s: of[s] for s in (2, 3)} for of in losses]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(
    "model, stage",
    [("experts", 0), ("experts", 1), ("experts", 2), ("pipeline", 0), ("pipeline", 1)],
)
@pytest.mark.parametrize("pawl", [{}, {"engine": "async", "snapshot": "lazy"}])
def test_experts_and_pipelines(tmp_path, jobs, model, stage, world, pawl):
    """Files for each expert, and for each layer."""
    job = {"world": world, "stage": stage, "model": model, "steps": 4}
    save = {"save": {"2": "two"}}
    whole = jobs.run(tmp_path / "torch", **job, **save)
    ours = {**job, "engine": "pawl", "pawl": pawl}
    assert jobs.run(tmp_path / "pawl", **ours, **save).losses() == whole.losses()
    check_same_files(tmp_path / "pawl/two", tmp_path / "torch/two")
    names = [path.name for path in Path(tmp_path / "pawl/two").iterdir()]
    assert any(name.startswith("layer_0") for name in names)
    if (model, stage) != ("pipeline", 0):  # which DeepSpeed itself cannot load
        resume(jobs, tmp_path / "pawl", {**ours, "losses": whole.losses()})


@pytest.mark.parametrize("pawl", [{}, {"engine": "async", "snapshot": "lazy"}])
@pytest.mark.parametrize("stage", [2, 3])
def test_offload_to_memory(tmp_path, jobs, stage, pawl):
    offload = {"offload_optimizer": {"device": "cpu"}}
    if stage == 3:
        offload["offload_param"] = {"device": "cpu"}
    config = {
        "zero_optimization": {"stage": stage, **offload},
        "zero_force_ds_cpu_optimizer": False,  # which would have to be compiled
    }
    job = {"world": RANKS, "stage": stage, "steps": 4, "config": config}
    save = {"save": {"2": "two"}}
    whole = jobs.run(tmp_path / "torch", **job, **save)
    ours = {**job, "engine": "pawl", "pawl": pawl}
    assert jobs.run(tmp_path / "pawl", **ours, **save).losses() == whole.losses()
    check_same_files(tmp_path / "pawl/two", tmp_path / "torch/two")
    resume(jobs, tmp_path / "pawl", {**ours, "losses": whole.losses()})


@pytest.mark.skipif(not IS_FULL, reason="compiles async_io of DeepSpeed: make deepspeed")
@pytest.mark.parametrize("pawl", [{}, {"engine": "async", "snapshot": "lazy"}])
def test_offload_to_nvme(tmp_path, jobs, pawl):
    """What is swapped out DeepSpeed copies itself.  What it resumes from that is not
    what it left, so with Pawl it is to be what it is without."""

    swap = tmp_path / "swap"
    nvme = {"device": "nvme", "nvme_path": str(swap)}
    config = {
        "zero_optimization": {"stage": 3, "offload_optimizer": nvme},
        "zero_force_ds_cpu_optimizer": False,  # which would have to be compiled
    }
    job = {"world": RANKS, "stage": 3, "steps": 4, "model": "wide", "config": config}
    losses = {}
    for each, more in (("torch", {}), ("pawl", {"pawl": pawl})):
        job.update(engine=each, seconds=900, **more)
        ran = jobs.run(tmp_path / each, **job, save={"2": "two"})
        shutil.rmtree(swap)
        again = jobs.run(tmp_path / each, **job)
        shutil.rmtree(swap)
        assert again.one("loaded") == ["two"]
        assert [sorted(of_rank) for of_rank in again.losses()] == [[2, 3]] * RANKS
        losses[each] = [ran.losses(), again.losses()]
    assert losses["pawl"] == losses["torch"]
    check_same_files(tmp_path / "pawl/two", tmp_path / "torch/two")
    swapped = (tmp_path / "pawl/two/offloaded_tensors").rglob("*.swp")
    assert len(list(swapped)) == 3 * RANKS  # weights and both moments
