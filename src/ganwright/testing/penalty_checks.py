"""That a family which has `penalties` among its settings charges them."""

from __future__ import annotations

import torch

from ganwright.game import Player, Terms
from ganwright.layers.forward_state import spectral
from ganwright.penalties import R1, R2, WeightClipping
from ganwright.testing.subject import Subject, listen, play

BOUND = 0.005
"""Where weights are clipped."""


def charges_penalties(subject: Subject) -> None:
    """A penalty is a term of the player that it is on, at once or lazily, and is notified.

    `charge` gives the terms, `lazies` the lazy objectives, and `after` hands each penalty the
    network that has moved, for weight clipping.
    """
    for every in (1, 2):
        penalties = (R1(1.0, every=every), WeightClipping(c=BOUND))
        with subject.having(penalties=penalties).at_start() as (trainer, _):
            play(trainer)
            means, _ = trainer.meter.read()
            players = [trained.player for trained in trainer.players]
            charged = [p for p in players if means.get(f"{p.name}/R1", 0) > 0]
            call = "lazies(penalties, D, pair)" if every > 1 else "charge(penalties, D, real, fake)"
            assert charged, (
                f"no player of {subject.name} is charged R1(1.0, every={every}); its D's needs "
                f"{call}, or {subject.name}.Config no penalties"
            )
            for player in charged:
                assert _clipped(player), (
                    f"{player.name} of {subject.name} does not clip its weights; call "
                    "penalty.after(D) for each penalty in after()"
                )


def takes_nothing_in_lazily(subject: Subject) -> None:
    """The pass of a lazy objective leaves buffers as they are: its batch was seen already.

    Replay pools, for instance, derive from `Memory`, and the trainer holds them meanwhile; spectral
    norm's vectors alone move.
    """
    with subject.having(penalties=(R2(1.0, every=2),)).at_start() as (trainer, _):
        game = trainer.game
        moving = {id(b) for part, _ in spectral(game) for b in part.buffers()}
        live = {k: b for k, b in game.named_buffers() if id(b) not in moving}
        last: dict[str, torch.Tensor] = {}
        taken: set[str] = set()

        def moved(player: Player, terms: Terms) -> None:
            if "R2" in terms:
                taken.update(k for k, b in live.items() if not torch.equal(b, last[k]))

        def told(player: Player, terms: Terms) -> None:
            last.update({k: b.clone() for k, b in live.items()})

        listen(game, moved, told)
        play(trainer)
        assert not taken, (
            f"{', '.join(sorted(taken))} of {subject.name} changes in the pass of a lazy penalty, "
            "which sees a batch for the second time; derive the module from "
            "ganwright.layers.forward_state.Memory and take nothing in while it is held"
        )


def _clipped(player: Player) -> bool:
    return any(
        all(float(w.detach().abs().max()) <= BOUND for w in network.parameters())
        for network in player.networks
    )
