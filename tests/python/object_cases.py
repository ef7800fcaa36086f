# SPDX-License-Identifier: Apache-2.0
"""Objects to be saved, by name.  Each is a function of a random.Random.

What a case needs to be trusted for is in TRUST.
"""

import collections
import functools

import cases_python
import cases_torch
import torch
from case_classes import CASES, TRUST, Colour, Plain, Point, Reducing, fresh
from cases_torch import tensor

__all__ = ["CASES", "TRUST", "Plain", "cases_python", "cases_torch"]


def random_graph(rng, size):
    """A list of objects that hold each other at random."""
    made = [Plain(n=0)]
    texts = ["alpha", "beta", "x", ""]

    def pick():
        return rng.choice(made)

    makers = [
        lambda: rng.randrange(-(2**40), 2**40),
        lambda: rng.random(),
        lambda: rng.choice(texts),
        lambda: fresh(rng.choice(texts) + "!"),
        lambda: rng.randbytes(rng.randrange(9)),
        lambda: [pick() for _ in range(rng.randrange(4))],
        lambda: tuple(pick() for _ in range(rng.randrange(5))),
        lambda: {rng.choice(texts): pick(), rng.randrange(9): pick()},
        lambda: collections.OrderedDict(k=pick()),
        lambda: Plain(p=pick(), q=pick()),
        lambda: Reducing(pick()),
        lambda: Point(pick(), pick()),
        lambda: tensor(rng, rng.randrange(4), 2),
        lambda: torch.nn.Parameter(tensor(rng, 2)),
        lambda: frozenset([rng.randrange(9)]),
        lambda: rng.choice([torch.int8, torch.Size([1]), None, True, Colour.RED]),
    ]
    for _ in range(size):
        made.append(rng.choice(makers)())
        holder = pick()
        if type(holder) is list:
            holder.append(pick())  # may close a cycle
        elif type(holder) is Plain:
            holder.last = pick()
    return made


for _index in range(24):
    CASES[f"random_graph_{_index}"] = functools.partial(
        random_graph, size=8 * (_index + 1)
    )
