# SPDX-License-Identifier: Apache-2.0
"""Train a small transformer to write like a book, and survive being killed.

    python examples/train_transformer.py --run-dir run
    (kill it, at any moment, in any way)
    python examples/train_transformer.py --run-dir run     goes on where it was

This is an ordinary PyTorch program: one model, one optimizer, one loop.  What
makes it resumable is in three places, marked (1), (2) and (3):

  (1) everything the next step depends on is in the checkpoint: the weights,
      the optimizer's moments, the schedule of its learning rate, the random
      number generator, the step;
  (2) what the run reads next follows from the step, not from what it read;
  (3) on start it asks for the newest whole checkpoint, and begins there.

A resumed run then computes, bit for bit, what an undisturbed run would have
(on the same kind of machine and with the same torch).  examples/demo.py shows
it.  A run on GPUs would save torch.cuda.get_rng_state_all() as well.
"""

import argparse
import logging
import pathlib
import time

import torch
from torch import nn

import pawl

TEXT = pathlib.Path(__file__).parent / "text" / "heave_and_pawl.txt"
SEED = 1835


class CharTransformer(nn.Module):
    """Reads characters, guesses the next one at every place.

    A character enters as the sum of three embeddings: its own, that of its
    place, and that of the three letters that end with it.  The last is a big
    table, which teaches spelling for little arithmetic.
    """

    def __init__(self, vocabulary, width=256, layers=2, heads=4, context=32,
                 trigrams=16384):
        super().__init__()
        self.vocabulary = vocabulary
        self.context = context
        self.chars = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(context, width)
        self.trigrams = nn.Embedding(trigrams, width)
        nn.init.normal_(self.trigrams.weight, std=0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout=0.1, activation="gelu",
                batch_first=True, norm_first=True)
            for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids):
        length = ids.shape[1]
        before = nn.functional.pad(ids, (2, 0))
        three = before[:, :-2] * self.vocabulary + before[:, 1:-1]
        three = (three * self.vocabulary + ids) % self.trigrams.num_embeddings
        hidden = (self.chars(ids) + self.places.weight[:length]
                  + self.trigrams(three))
        past_only = nn.Transformer.generate_square_subsequent_mask(length)
        for block in self.blocks:
            hidden = block(hidden, src_mask=past_only, is_causal=True)
        return self.head(self.norm(hidden))


class Text:
    """A book as numbers."""

    def __init__(self, path=TEXT):
        text = path.read_text(encoding="ascii")
        self.alphabet = sorted(set(text))
        self.ids = self.encode(text)

    def encode(self, text):
        return torch.tensor([self.alphabet.index(char) for char in text])

    def decode(self, ids):
        return "".join(self.alphabet[i] for i in ids)

    def batch(self, step, size, length):
        """Step's training rows, and the characters that come next.

        (2) The places are drawn by a generator seeded with the step, so a
        resumed run reads what it would have read.
        """
        dice = torch.Generator().manual_seed(SEED + step)
        starts = torch.randint(len(self.ids) - length, (size,), generator=dice)
        rows = torch.stack([self.ids[s:s + length + 1] for s in starts])
        return rows[:, :-1], rows[:, 1:]


def save(engine, run_dir, step, model, optimizer, schedule):
    """(1) Two files, one checkpoint: all of it becomes visible, or nothing."""
    tag = f"step-{step}"
    engine.create(run_dir, tag)
    engine.save(model.state_dict(), f"{run_dir}/{tag}/model.pt")
    engine.save(
        {
            "step": step,
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "rng": torch.get_rng_state(),
        },
        f"{run_dir}/{tag}/trainer.pt")
    engine.commit(tag)
    return tag


def resume(engine, run_dir, model, optimizer, schedule):
    """(3) Puts everything back where the newest whole checkpoint has it.

    Returns its tag and its step; None and 0 if there is no checkpoint yet.
    """
    tag = engine.open(run_dir)
    if tag is None:
        return None, 0
    model.load_state_dict(engine.load(f"{run_dir}/{tag}/model.pt"))
    trainer = engine.load(f"{run_dir}/{tag}/trainer.pt")
    engine.close(tag)
    optimizer.load_state_dict(trainer["optimizer"])
    schedule.load_state_dict(trainer["schedule"])
    torch.set_rng_state(trainer["rng"])
    return tag, trainer["step"]


@torch.no_grad()
def write(model, text, prompt, length):
    """Goes on from `prompt` as the model thinks the book would."""
    model.eval()
    dice = torch.Generator().manual_seed(SEED)
    ids = text.encode(prompt)
    for _ in range(length):
        scores = model(ids[None, -model.context:])[0, -1]
        likely = torch.softmax(scores / 0.6, dim=0)
        ids = torch.cat([ids, torch.multinomial(likely, 1, generator=dice)])
    return text.decode(ids)


def train(args):
    torch.manual_seed(SEED)
    text = Text()
    model = CharTransformer(len(text.alphabet))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(
        optimizer, start_factor=0.01, total_iters=40)
    engine = pawl.CheckpointEngine({"engine": "torch", "keep_last": args.keep})

    parts = model, optimizer, schedule
    tag, done = resume(engine, args.run_dir, *parts)
    if tag is None:
        size = sum(p.numel() for p in model.parameters())
        print(f"new run: {size / 1e6:.1f} M parameters, {len(text.ids)} "
              f"characters, {len(text.alphabet)} different", flush=True)
    else:
        print(f"resumed from {tag}", flush=True)

    for step in range(done + 1, args.steps + 1):
        here, following = text.batch(step, args.batch, model.context)
        scores = model(here)
        loss = nn.functional.cross_entropy(
            scores.flatten(0, 1), following.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        # All bits of the loss, so that two runs can be compared.
        print(f"step {step} loss {loss.item():.4f} {loss.item().hex()}",
              flush=True)

        if step % args.save_every == 0 or step == args.steps:
            start = time.perf_counter()
            tag = save(engine, args.run_dir, step, *parts)
            took = time.perf_counter() - start
            print(f"saved {tag} in {took * 1e3:.0f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run-dir", required=True, help="checkpoints go here")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--save-every", type=int, default=20, metavar="STEPS")
    parser.add_argument("--keep", type=int, default=3, metavar="N",
                        help="checkpoints to keep (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, metavar="ROWS")
    args = parser.parse_args()

    # What Pawl skipped, repaired or cleared away is told through logging.
    logging.basicConfig(level=logging.INFO, format="pawl: %(message)s")
    # The same sums in the same order every time.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    train(args)


if __name__ == "__main__":
    main()
