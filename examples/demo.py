# SPDX-License-Identifier: Apache-2.0
"""The main job, shown: train, be killed in the middle of a save, go on.

    python examples/demo.py [--fast]

Trains examples/train_transformer.py twice.  The first run is left in peace.
The second is killed with SIGKILL while it writes a checkpoint; a new process
resumes it from the newest whole one.  Then everything that the two runs
computed is compared, bit for bit.

It is a test as well: it exits with 1, and says why, if anything is not as
promised.  All its files are in demo-run/ in the current directory.
"""

import argparse
import logging
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import torch

import pawl
from demo_pictures import curve, mark, on_terminal, paint, tree
from train_transformer import CharTransformer, Text, write

HERE = pathlib.Path(__file__).parent
RUN = pathlib.Path("demo-run")
PEACEFUL = RUN / "undisturbed"
KILLED = RUN / "killed"


class Broken(Exception):
    """Something is not as promised."""


def promise(kept, what):
    if not kept:
        raise Broken(what)


def say(text="", colour=None):
    print(paint(f"   {text}", colour) if text else "", flush=True)


def chapter(title):
    print(f"\n{paint(title, 'bold')}\n", flush=True)


def equal(text):
    say(f"{paint('=', 'green')} {text}")


class Log(logging.Handler):
    """Says what Pawl logs."""

    def emit(self, record):
        say_log(f"pawl: {record.getMessage()}")


def say_log(line):
    say_wrapped(line, "      ", "yellow")


def say_wrapped(text, indent, colour=None):
    for line in textwrap.wrap(text, 74, subsequent_indent=indent,
                              break_long_words=False, break_on_hyphens=False):
        say(line, colour)


class Trainer:
    """A training process, seen from outside: what it prints, how it ends."""

    def __init__(self, run_dir, plan):
        self.plan = plan
        self.run_dir = run_dir
        self.output = RUN / f"trainer-{len(list(RUN.glob('*.log'))) + 1}.log"
        self.started = time.monotonic()
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, HERE / "train_transformer.py",
                 "--run-dir", run_dir, "--steps", str(plan.steps),
                 "--save-every", str(plan.save_every)],
                stdout=output, stderr=subprocess.STDOUT)

    def lines(self, *beginnings):
        lines = self.output.read_text().splitlines()
        return [line for line in lines if line.startswith(beginnings or "")]

    def losses(self):
        """The loss of each step, with all its bits."""
        words = [line.split() for line in self.lines("step ")]
        return {int(w[1]): float.fromhex(w[4]) for w in words if len(w) == 5}

    def finish(self):
        """Waits for the end, which must be a good one; returns the seconds."""
        try:
            while self.process.poll() is None:
                time.sleep(0.1)
                self.show_progress()
        finally:
            self.process.kill()
            self.process.wait()
        if on_terminal():
            print("\r\033[K", end="")
        promise(self.process.returncode == 0,
                f"the trainer failed, see {self.output}:\n"
                + "\n".join(self.lines()[-20:]))
        return time.monotonic() - self.started

    def show_progress(self):
        losses = self.losses()
        if on_terminal() and losses:
            step = max(losses)
            print(f"\r   step {step}/{self.plan.steps}, "
                  f"loss {losses[step]:.2f} ", end="", flush=True)

    def kill_in_save(self, step):
        """Sends SIGKILL once the save of `step` writes its second file.

        True if that was in the middle: some of it is there, not all of it.
        """
        staging = self.run_dir / ".pawl" / f"step-{step}.part"
        second_file = staging / "trainer.pt"
        try:
            while self.process.poll() is None and not has_bytes(second_file):
                time.sleep(0.001)
        finally:
            self.process.kill()
            self.process.wait()
        return self.process.returncode == -signal.SIGKILL and staging.exists()


def has_bytes(path):
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def run_in_peace(plan):
    chapter("1. A run that is left in peace")
    trainer = Trainer(PEACEFUL, plan)
    seconds = trainer.finish()
    losses = trainer.losses()
    promise(list(losses) == list(range(1, plan.steps + 1)),
            "the undisturbed run lacks steps")
    say(trainer.lines()[0])
    say(f"{plan.steps} steps in {seconds:.0f} s, a checkpoint every "
        f"{plan.save_every}; loss {losses[1]:.2f} -> {losses[plan.steps]:.2f}")
    return losses


def run_and_kill(plan):
    """Returns the losses up to the kill, and the step whose save it hit."""
    chapter("2. The same run again, killed in the middle of a save")
    losses = {}
    # A save takes some hundredths of a second.  If one was over before the
    # signal came, the run goes on, and the next save is the target.
    for step in range(plan.kill_at, plan.steps, plan.save_every):
        trainer = Trainer(KILLED, plan)
        hit = trainer.kill_in_save(step)
        losses |= trainer.losses()
        if hit:
            break
        say(f"(the save of step {step} was faster than the signal)")
    promise(hit, "every save was faster than the signal")

    for line in trainer.lines("resumed", "saved"):
        say(line)
    say(f"saving step-{step} ... kill -9", "red")
    say()
    show_files(KILLED, {
        "latest": (KILLED / "latest").read_text().strip(),
        f".pawl/step-{step}.part": "<- the save that was killed"})
    promise(not (KILLED / f"step-{step}").exists(),
            f"step-{step} is visible although its save was killed")
    return losses, step


def resume(plan, killed_at):
    """Returns the losses of the resumed run."""
    chapter("3. A new process asks for the newest whole checkpoint")
    trainer = Trainer(KILLED, plan)
    trainer.finish()
    losses = trainer.losses()
    for line in trainer.lines("pawl: ", "resumed", "saved"):
        (say_log if line.startswith("pawl: ") else say)(line)
    promise(list(losses) == list(range(killed_at - plan.save_every + 1,
                                       plan.steps + 1)),
            "the run was not resumed after the last commit")
    promise(not list(KILLED.glob(".pawl/*.part")),
            "what the killed save left is still there")
    return losses


def compare_losses(plan, peaceful, before, after, killed_at):
    chapter("4. Is it the same run?")
    steps = range(1, plan.steps + 1)
    resumed_after = min(after) - 1
    say("loss, undisturbed")
    for line in curve([peaceful[step] for step in steps],
                      ["cyan" for step in steps]):
        say(line)
    say()
    say("loss, killed and resumed")
    for line in curve([after.get(step, before.get(step)) for step in steps],
                      ["green" if step in after else "yellow"
                       for step in steps]):
        say(line)
    say(mark(resumed_after, f"resumed after step {resumed_after}"))
    say(mark(killed_at, f"killed in the save of step {killed_at}"))
    say()

    for step in (resumed_after + 1, plan.steps):
        say(f"step {step:<4}  undisturbed  {peaceful[step].hex()}")
        say(f"           resumed      {after[step].hex()}")
    say()
    differ = {step for losses in (before, after) for step in losses
              if losses[step].hex() != peaceful[step].hex()}
    promise(not differ, f"the losses of steps {sorted(differ)} differ")
    equal(f"{len(before)} losses up to the kill and {len(after)} after the "
          "resume, to the last bit")


def compare_checkpoints(plan):
    """Reads with torch.load: Pawl has no say in what the files contain."""
    for name in ("model.pt", "trainer.pt"):
        trees = [torch.load(run / f"step-{plan.steps}" / name,
                            weights_only=True) for run in (PEACEFUL, KILLED)]
        tensors = 0
        for place, one, other in side_by_side(*trees):
            is_tensor = isinstance(one, torch.Tensor)
            tensors += is_tensor
            promise(torch.equal(one, other) if is_tensor else one == other,
                    f"{name}{place} differs")
        what = {"model.pt": "the weights",
                "trainer.pt": "optimizer, schedule, random numbers, step"}
        equal(f"{name}, {tensors} tensors: {what[name]}")


def side_by_side(one, other, place=""):
    """Walks two trees of dicts and lists: what is at the same place."""
    promise(type(one) is type(other), f"types differ at {place}")
    if isinstance(one, dict):
        promise(one.keys() == other.keys(), f"keys differ at {place}")
        children = [(key, one[key], other[key]) for key in one]
    elif isinstance(one, (list, tuple)):
        promise(len(one) == len(other), f"lengths differ at {place}")
        children = [(i, *items) for i, items in enumerate(zip(one, other))]
    else:
        yield place, one, other
        return
    for key, a, b in children:
        yield from side_by_side(a, b, f"{place}[{key!r}]")


def show_files(folder, notes):
    for line in tree(folder, notes):
        say(line)


def read_plainly(plan):
    chapter("5. The files are torch files")
    newest = KILLED / f"step-{plan.steps}"
    show_files(newest, {})
    say()
    path = newest / "model.pt"
    say(f'>>> torch.load("{path}", weights_only=True)', "cyan")
    weights = torch.load(path, weights_only=True)
    names = list(weights)
    for name in names[:4]:
        say(f"{name:34} {str(weights[name].dtype)[6:]} "
            f"{list(weights[name].shape)}")
    say(f"... and {len(names) - 4} more")
    say()
    say(f"$ cat {newest}/pawl.json", "cyan")
    for line in (newest / "pawl.json").read_text().splitlines():
        say(line[:76])
    say()

    text = Text()
    model = CharTransformer(len(text.alphabet))
    model.load_state_dict(weights)
    say(f"What the model writes after {plan.steps} steps:")
    say()
    say_wrapped(write(model, text, "The sea ", 130), "")


def rot(plan):
    chapter("6. And if a byte changes on the disk?")
    engine = pawl.CheckpointEngine({"engine": "torch"})
    victim = KILLED / f"step-{plan.steps}" / "trainer.pt"
    flip_byte(victim)
    say(f"one bit of {victim} flipped", "red")
    tag = engine.open(str(KILLED))
    promise(tag == f"step-{plan.steps - plan.save_every}",
            f"open gave {tag} although a newer one is damaged")
    say(f"open() -> {tag}")
    engine.close(tag)

    flip_byte(victim)
    say("flipped back")
    tag = engine.open(str(KILLED))
    promise(tag == f"step-{plan.steps}", f"open gave {tag}, not the newest")
    say(f"open() -> {tag}")
    engine.close(tag)


def flip_byte(path):
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def tell(plan):
    print(paint("Train, be killed in the middle of a save, go on.", "bold"))
    started = time.monotonic()
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir()
    peaceful = run_in_peace(plan)
    before, killed_at = run_and_kill(plan)
    after = resume(plan, killed_at)
    compare_losses(plan, peaceful, before, after, killed_at)
    compare_checkpoints(plan)
    read_plainly(plan)
    rot(plan)
    print(f"\nAll as promised, in {time.monotonic() - started:.0f} s. "
          f"The files are in {RUN}/.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="fewer steps")
    fast = parser.parse_args().fast
    plan = argparse.Namespace(steps=30 if fast else 120,
                              save_every=5 if fast else 20,
                              kill_at=15 if fast else 80)
    sys.stdout.reconfigure(encoding="utf-8")
    logging.basicConfig(level=logging.INFO, handlers=[Log()])
    try:
        tell(plan)
    except Broken as broken:
        print(f"\nNot as promised: {broken}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
