# SPDX-License-Identifier: Apache-2.0
"""Runs contenders in turn: round by round, so that what changes on the machine
meanwhile meets all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TypeVar

from contenders import Saver, State, remove
from measure import FIRST, Sample, Samples, Settings, settle, timed

Item = TypeVar("Item")


def in_turn(items: list[Item], count: int,
            with_first: bool = True) -> Iterator[tuple[str, Item]]:
    """Each item once in a round, and each round from another one on; with
    FIRST for a round before those that count."""
    for number in range(0 if with_first else 1, count + 1):
        start = number % len(items)
        for item in items[start:] + items[:start]:
            yield ("" if number else FIRST), item


class Places:
    """Fresh paths for savers; what they hold is removed by the next one."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.directory
        self._count = 0

    def fresh(self, saver: Saver) -> str:
        self.clear(saver)
        return self.beside(saver)

    def beside(self, saver: Saver) -> str:
        """A fresh path next to the older ones: nothing is removed."""
        directory = os.path.join(self._root, slug(saver.name))
        os.makedirs(directory, exist_ok=True)
        self._count += 1
        return os.path.join(directory, f"save-{self._count}")

    def clear(self, saver: Saver) -> None:
        if not saver.keeps:
            remove(os.path.join(self._root, slug(saver.name)))


def slug(name: str) -> str:
    """A name as a file name."""
    return "".join(c if c.isalnum() else "-" for c in name)


def saved(saver: Saver, state: object, path: str) -> dict[str, float]:
    """Saves, to be durable; what `timed` has of it."""
    with timed() as took:
        saver.save(state, path)
        saver.finish()
    return took


def durable_rounds(case: str, settings: Settings, savers: list[Saver],
                   limits: list[Callable[[str], Sample]], state: State,
                   size_bytes: int) -> Samples:
    """Durable saves of all savers, and what the limits are meanwhile."""
    samples = Samples()
    places = Places(settings)
    states = {saver.name: saver.prepare(state) for saver in savers}
    for saver in savers:
        if saver.keeps:  # it recycles from its third save on: in all that count
            saved(saver, states[saver.name], places.beside(saver))
    for suffix, item in in_turn([*limits, *savers], settings.rounds):
        if not isinstance(item, Saver):
            samples.append(item(case + suffix))
            continue
        path = places.fresh(item)
        busy = settle(settings)
        took = saved(item, states[item.name], path)
        samples.append(Sample(case + suffix, item.name, took["seconds"],
                              size_bytes, {"cpu": took["cpu"], **item.parts,
                                           "busy_elsewhere": busy}))
        places.clear(item)
    for saver in savers:
        saver.close()
    return samples
