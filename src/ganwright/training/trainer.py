"""The trainer gives each player its turn. It knows no family."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from ganwright.config.schedule import CONSTANT, Schedule
from ganwright.data.types import Batch, Batches, leading, resized
from ganwright.game import Game, Phase, Player, showing
from ganwright.layers.forward_state import evaluating
from ganwright.observing import GRADIENT, independent
from ganwright.seeds import seed_torch
from ganwright.training.checks import players_of
from ganwright.training.ema import EMA
from ganwright.training.engine import Engine
from ganwright.training.guarded_step import guarded_step, own_state, undone_unless
from ganwright.training.meter import Meter
from ganwright.training.shared_draws import SharedDraws, owners_after
from ganwright.training.state import check_state, load_into, load_optimizers, of_optimizers
from ganwright.training.trained_player import Pass, TrainedPlayer


class Trainer:
    """Trains a game: in each step, every player makes its updates.

    While a player is updated, only its weights require gradients, and only its networks change
    BatchNorm statistics and, once per update, spectral norm's vectors; the others compute with
    batch statistics and their last vectors, and are constants. Random numbers are seeded for each
    update from (seed, attempt, step, player, move, microbatch), so a resumed run is the
    uninterrupted run. Several processes draw for the whole batch, and each keeps its own rows.

    Modes and `requires_grad` are the owner's: a network passed in evaluation mode computes in
    evaluation mode, a weight that requires no gradient is not trained, and between updates all of
    them are as they were. A loop of your own draws within `inferring`:

        for step in trainer.play(1000):
            if step % 100 == 0:
                with trainer.inferring() as game:
                    images = game.sample(16)

    Args:
        game: what to play; it is moved to the engine's device.
        batches: where batches come from.
        engine: device, precision, processes.
        seed: determines, with the data, the whole run.
        batch_size: images in a batch, over all processes.
        accumulate: batches averaged into one update, on top of each player's own number.
        ema_half_life: in images; 0 keeps no average.
        ema_ramp: at most so many times the images seen; 0 for no such limit.
        ema_schedule: the factor on the half-life at each step.

    Raises:
        GameError: the game, a player or, once it is played, an objective is not as it must be.
    """

    def __init__(
        self,
        game: Game,
        batches: Batches,
        engine: Engine,
        *,
        seed: int = 0,
        batch_size: int = 64,
        accumulate: int = 1,
        ema_half_life: float = 10_000,
        ema_ramp: float = 0.05,
        ema_schedule: Schedule = CONSTANT,
    ) -> None:
        rows = batch_size // engine.world
        engine.prepare(game, rows)
        game.before_training()
        engine.prepare(game, rows)  # what it loaded, too
        game.batch_size = batch_size * accumulate
        self.game, self.batches, self.engine = game, batches, engine
        self.seed, self.batch_size, self.accumulate = seed, batch_size, accumulate
        self.players = [TrainedPlayer(player, engine, game) for player in players_of(game)]
        self._own = own_state(game, (trained.player for trained in self.players))
        self.average = EMA(game, ema_half_life, ramp=ema_ramp, schedule=ema_schedule)
        self.meter = Meter(engine.device)
        self.step = self.draws = self.images = self.attempt = 0
        self.waited = 0.0
        """Seconds that this process has waited for batches."""
        self.watched: dict[str, Tensor] | None = None
        """For the next step, if a dict: it gets gradients and D's scores, by "player/name"."""
        self._held: list[Batch] = []
        self._shared = SharedDraws()

    def play(self, steps: int) -> Iterator[int]:
        """Play up to step `steps`, yielding the number of steps done after each."""
        while self.step < steps:
            self.play_step()
            yield self.step

    def play_step(self, most: int | None = None) -> None:
        """One step, in which no player makes more than `most` updates."""
        phase = self.phase
        size = phase.batch_size or self.batch_size
        self.game.batch_size = size * self.accumulate
        due = [s for s in self.players if phase.players is None or s.player.name in phase.players]
        moves = {trained: trained.player.moves_at(self.step) for trained in due}
        moves = {t: count if most is None else min(most, count) for t, count in moves.items()}
        self._held, first = [], self.draws
        self.game.before_step(self.step)
        if self.game.simultaneous:
            for move in range(max(moves.values(), default=0)):
                self._play_together([s for s in due if move < moves[s]], move, phase)
        else:
            for i, trained in enumerate(due):
                for move in range(moves[trained]):
                    fresh = move > 0 or trained.player.fresh
                    batches = self._batches_for(trained.player, fresh, phase)
                    if move == moves[trained] - 1:
                        self._shared.ahead(owners_after(due, moves, i), batches, self._drawn)
                    self._apply(trained, self._differentiate(trained, batches, "main", move))
        for trained in due:
            if moves[trained]:
                self._play_lazies(trained)
        self.images += (seen := (self.draws - first) * size)
        self.average.update(seen, self.images, self.step)
        self.step += 1

    @property
    def phase(self) -> Phase:
        """The phase that the next step belongs to."""
        start = 0
        phases = self.game.phases()
        for phase in phases:
            start += phase.steps or 0
            if phase.steps is None or self.step < start:
                return phase
        return phases[-1]

    def _play_together(self, turns: Sequence[TrainedPlayer], move: int, phase: Phase) -> None:
        """All gradients first, then all steps."""
        done = []
        for i, trained in enumerate(turns):
            fresh = (move > 0 and i == 0) or trained.player.fresh
            batches = self._batches_for(trained.player, fresh, phase)
            self._shared.ahead(turns[i + 1 :], batches, self._drawn)
            done.append(self._differentiate(trained, batches, "main", move))
        for trained, gradients in zip(turns, done, strict=True):
            self._apply(trained, gradients)

    def _play_lazies(self, trained: TrainedPlayer) -> None:
        for index, lazy in enumerate(trained.player.lazy):
            if self.step % lazy.every == 0:
                weight = trained.updates(lazy, self.step)
                done = self._differentiate(trained, self._held, f"lazy{index}", 0, weight=weight)
                self._apply(trained, done)

    def _batches_for(self, player: Player, fresh: bool, phase: Phase) -> list[Batch]:
        """The batches that the last mover saw, or fresh ones."""
        count = player.accumulate * self.accumulate
        if fresh or len(self._held) != count:
            self._held = [self._draw(phase) for _ in range(count)]
            self._shared.forget()
        return self._held

    def _draw(self, phase: Phase) -> Batch:
        size = phase.batch_size or self.batch_size
        asked = time.perf_counter()
        batch: Batch = self.batches.batch(self.draws, size, self.engine.rank, self.engine.world)
        self.waited += time.perf_counter() - asked
        self.draws += 1
        return batch if phase.image_size is None else resized(batch, phase.image_size)

    def _drawn(self, owner: TrainedPlayer, name: str, micro: int, batch: Batch) -> Any:
        where = (self.seed, self.attempt, self.step, owner.player.name, name, self.draws)
        seed_torch(*where, micro, self.engine.stream)
        with self.engine.autocast(), self.engine.whole_batch(len(leading(batch))):
            return owner.draws[name](batch)

    def _differentiate(
        self,
        trained: TrainedPlayer,
        batches: Sequence[Batch],
        kind: str,
        move: int,
        weight: float = 1.0,
    ) -> Pass:
        """The gradients of one objective by the player's weights, averaged over all batches."""
        where = (self.seed, self.attempt, self.step, trained.player.name, kind, move)
        total: Tensor | None = None
        weight /= len(batches)
        with trained.turn(kind):
            for micro, batch in enumerate(batches):
                shown = self._shared.shown(trained, kind, micro, batch, self._drawn)
                seed_torch(*where, micro, self.engine.stream)
                noise = self.engine.whole_batch(len(leading(batch)))
                with self.engine.autocast(), noise, showing(self.game, shown):
                    terms, names, scalars = trained.evaluated(kind, batch, self.watched)
                values = trained.weighed(names, scalars, self.step)
                loss = values[: len(terms)].sum()
                if not loss.requires_grad:
                    raise independent(trained.player.name, terms)
                loss = loss if weight == 1 else loss * weight
                (trained.scaler.scale(loss) if trained.scaler else loss).backward()
                self._shared.backward()
                values = values.detach()
                total = values if total is None else total + values
            gradients = [w.grad for w in trained.weights]
        if all(g is None for g in gradients):
            raise independent(trained.player.name, terms)
        assert total is not None
        values = total / len(batches) if len(batches) > 1 else total
        if self.engine.world > 1:
            gradients = trained.averaged(gradients, values)
        gradient = GRADIENT if kind == "main" else "_".join([GRADIENT, *terms])
        charged = kind == "main" or trained.charged(terms, self.step)
        return Pass(gradients, names, values, gradient, charged)

    @torch.no_grad()
    def _apply(self, trained: TrainedPlayer, done: Pass) -> None:
        """Step the optimizer, unless something is not finite; then the game's own aftermath."""
        player, optimizer = trained.player, trained.optimizer
        for w, gradient in zip(trained.weights, done.gradients, strict=True):
            w.grad = gradient
        if trained.scaler and done.charged:
            trained.scaler.unscale_(optimizer)
        norm = get_total_norm([g for g in done.gradients if g is not None])
        if player.clip is not None:
            clip_grads_with_norm_(trained.weights, player.clip, norm)
        finite = torch.isfinite(done.values).all()
        if not trained.scaler:  # fp16's scaling expects infinite gradients now and then
            finite &= torch.isfinite(norm)
        trained.follow_schedules(self.step)
        # a gradient of zeros would let momentum move the weights
        moved = done.charged and guarded_step(optimizer, finite, trained.scaler)
        trained.clear()
        if self.watched is not None and done.gradient == GRADIENT:
            self.watched |= trained.named_gradients(done.gradients)
        names = [*done.names, done.gradient]
        self.meter.add(player.name, names, done.values, norm, finite, self.step)
        if moved is not False:
            with undone_unless(finite & norm.isfinite(), self._own if moved is None else ()):
                self.game.after(player, dict(zip(done.names, done.values, strict=True)))

    @contextmanager
    def inferring(self) -> Iterator[Game]:
        """The game with its averages, in evaluation mode and without gradients.

        Afterwards each module is in the mode it was in before.
        """
        view = self.average.view(self.game)
        with torch.no_grad(), evaluating(view):
            yield view

    def restart(self) -> None:
        """Back to step 0 with fresh optimizers; the game's tensors are the caller's to put back."""
        self.step = self.draws = self.images = 0
        for trained in self.players:
            trained.restart()
        self.average.update(0, 0)

    def state_dict(self) -> dict[str, Any]:
        """All that continuing needs, bit for bit: the game, its averages, optimizers and counts.

        Tensors are the live ones, as in torch: `torch.save` it, or copy it deeply to keep it. What
        the meter has summed up since it was last read is not in it.
        """
        return {
            "game": self.game.state_dict(),
            "average": self.average.networks.state_dict(),
            "training": {
                "step": self.step,
                "draws": self.draws,
                "images": self.images,
                "attempt": self.attempt,
                "waiting": self.average.waiting,
                "world": self.engine.world,
                **of_optimizers(self.players),
            },
        }

    def load_state_dict(self, state: Mapping[str, Any], *, what: str = "this state") -> None:
        """Continue where a trainer of the same game was, from its `state_dict`.

        Args:
            state: where its training has no optimizers, they stay as they are.
            what: what errors call it.

        Raises:
            RunError: it does not fit this game, or is no trainer's state.
        """
        check_state(state)
        training = state["training"]
        load_into(self.game, state["game"], what)
        if self.average.kept:
            load_into(self.average.networks, state["average"], what)
        if "optimizers" in training:
            load_optimizers(self.players, training, what)
        self.step, self.draws = training["step"], training["draws"]
        self.images, self.attempt = training["images"], training["attempt"]
        self.average.waiting = training.get("waiting", 0)
