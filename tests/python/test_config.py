# SPDX-License-Identifier: Apache-2.0
"""What a CheckpointEngine takes as its config."""

import pytest

import pawl


def test_config_forms(tmp_path):
    for config in (
        None,
        {},
        "",
        "{}",
        {"engine": "memory"},
        '{"engine": "memory", "keep_last": 2}',
        {"train_batch_size": 8, "pawl": {"engine": "memory"}},
        {"train_batch_size": 8, "checkpoint": {"pawl": {"engine": "memory"}}},
    ):
        with pawl.CheckpointEngine(config) as engine:
            asked = "memory" in str(config)
            assert engine.status().engine == ("memory" if asked else "async")


def test_unknown_keys_are_named():
    with pytest.raises(pawl.ConfigError, match="'keep_lst'.*'keep_last'") as caught:
        pawl.CheckpointEngine({"keep_lst": 3})
    assert caught.value.code == "PAWL_ECONFIG"
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "config",
    ["{", "[]", "5", 5, {"engine": "none such"}, {"keep_last": -1},
     {"keep_last": object()}, '{"engine": "torch", "engine": "memory"}'],
    ids=str,
)  # fmt: skip
def test_bad_configs(config):
    with pytest.raises(pawl.ConfigError):
        pawl.CheckpointEngine(config)
