# SPDX-License-Identifier: Apache-2.0
"""What the tests share: a seed that is printed and can be given back."""

import os
import random

import pytest

SEED = int(os.environ.get("PAWL_TEST_SEED") or random.SystemRandom().randrange(2**32))


def pytest_report_header(config):
    return f"PAWL_TEST_SEED={SEED}"


@pytest.fixture
def seed():
    """The seed of this run; set PAWL_TEST_SEED to have it again."""
    return SEED


@pytest.fixture(scope="session")
def jobs():
    """Runs trainings with DeepSpeed."""
    from deepspeed_runs import Jobs

    made = Jobs()
    yield made
    made.close()
