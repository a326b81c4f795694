"""Restoration with a frozen generator as prior: networks, objectives, runs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import makers
import pytest
import torch
from helpers import TINY, tensors, tiny, trainer_of
from torch import Tensor, nn

from ganwright.config.factory import Factory
from ganwright.data.types import Images, Paired, Spec
from ganwright.degrade import Degrade
from ganwright.errors import GanwrightError, SettingsError
from ganwright.families.restore import Restore, Restored, Until, pyramid_error
from ganwright.families.srgan import SRGAN
from ganwright.layers.forward_state import evaluating
from ganwright.layers.mapping import Mapping
from ganwright.networks import StyleNet
from ganwright.networks.prior import Guide, Prior, half_changed
from ganwright.networks.restorer import RestoreNet
from ganwright.networks.style import Synthesis
from ganwright.run.fork import fork
from ganwright.run.load import load
from ganwright.run.train import train

SHAPE = (3, 16, 16)
SPEC = Spec(Images, SHAPE, count=100)


def game(**changes: Any) -> Restore:
    return Restore(Restore.Config(**TINY["restore"] | changes), SPEC)


def count(net: nn.Module) -> int:
    return sum(w.numel() for w in net.parameters())


def test_at_512_pixels_it_has_the_authors_weights() -> None:
    """56.2 M trained ones; the prior has 30.3 M with its mapping network."""
    shape = (3, 512, 512)
    with torch.device("meta"):
        prior = Prior(Synthesis(StyleNet(), shape, False), torch.zeros(512))
        net = RestoreNet().restorer(shape, prior)
        mapping = Mapping(512, 0, 512, 8)
    assert count(net) == 56_167_669
    assert round((count(prior) + count(mapping)) / 1e6, 1) == 30.3
    assert not any(w.requires_grad for w in prior.parameters())


def test_half_of_the_channels_are_scaled_and_shifted() -> None:
    x = torch.ones(2, 3, 4, 4) * torch.tensor([1.0, 2.0, 3.0])[:, None, None]
    scale, shift = torch.full((2, 2, 4, 4), 10.0), torch.full((2, 2, 4, 4), 0.5)
    made = half_changed(scale, shift, x)
    assert made[:, :, 0, 0].tolist() == [[1, 20.5, 30.5]] * 2


def test_a_guide_that_asks_for_nothing_gives_the_mean_image() -> None:
    G: Any = makers.make_prior(SHAPE)
    G.typical.mean.normal_()
    prior = Prior(G.synthesis, G.typical.mean).eval()
    assert prior.halves == [4, 2]  # of 8 and of 4 channels, at 8 and 16 pixels
    sizes = [(4, 8), (2, 16)]
    one, none = (tuple(torch.full((2, c, s, s), value) for c, s in sizes) for value in (1.0, 0.0))
    codes = torch.zeros(2, G.synthesis.count, 8)
    plain = G.synthesis(G.typical.mean.expand(2, G.synthesis.count, 8))
    assert torch.allclose(prior(Guide(codes, one, none)), plain, atol=1e-6)
    assert not torch.allclose(prior(Guide(codes, none, none)), plain, atol=1e-3)
    assert not torch.allclose(prior(Guide(codes + 1, one, none)), plain, atol=1e-3)


def test_the_pyramid_halves_the_true_image() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).repeat(4, 4)[None, None]
    steps = (torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 8, 8))
    assert pyramid_error(steps, x).item() == pytest.approx(0.25 + 0.25)
    steps = (torch.full((1, 1, 4, 4), 0.25), x)
    assert pyramid_error(steps, x).item() == 0
    assert [Until(2).factor(step) for step in range(4)] == [1, 1, 0, 0]


class Constant(nn.Module):
    """Logits of one value, whatever the image."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x.flatten(1).mean(1) * 0 + 2.0


def test_objectives_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    made = game(identity=Factory("test_restore.mean_of"), identity_weight=4.0)
    made.before_training()
    made.D = Constant()  # type: ignore[assignment]
    x = torch.full((2, *SHAPE), 0.5)
    out = Restored(torch.zeros(2, *SHAPE), (torch.zeros(2, 3, 8, 8), torch.zeros(2, *SHAPE)))
    monkeypatch.setattr(Restore, "restore", lambda self, low: out)
    terms = {k: v.item() for k, v in made.generator(Images(x)).items()}
    assert terms["l1"] == pytest.approx(0.1 * 0.5)
    assert terms["pyramid"] == pytest.approx(0.5 + 0.5)
    assert terms["identity"] == pytest.approx(4 * 0.5)
    softplus = torch.nn.functional.softplus
    assert terms["adv"] == pytest.approx(0.1 * softplus(torch.tensor(-2.0)).item())
    content = made.cfg.content.build(SHAPE)(out.image, x).item()
    assert terms["content"] == pytest.approx(content)
    both = softplus(torch.tensor([-2.0, 2.0])).sum().item()
    assert made.discriminator(Images(x))["adv"].item() == pytest.approx(both)


def mean_of(shape: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.AvgPool1d(shape[0] * shape[1] * shape[2]))


def test_identity_counts_only_where_it_is_given() -> None:
    made = game()
    made.before_training()
    assert set(made.generator(Images(torch.zeros(2, *SHAPE)))) == {
        *("l1", "content", "adv", "pyramid")
    }


def test_content_that_counts_nothing_builds_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    made = game(content_weight=0.0)
    monkeypatch.setattr(type(made.cfg.content), "build", lambda *_: pytest.fail("it is built"))
    made.before_training()
    found = made.generator(Images(torch.zeros(2, *SHAPE)))
    assert set(found) == {"l1", "adv", "pyramid"}


def test_the_prior_stays_as_it_is() -> None:
    trainer = trainer_of("restore")
    before = {k: v.clone() for k, v in trainer.game.prior.state_dict().items()}  # type: ignore[union-attr]
    moved = {k: v.clone() for k, v in trainer.game.G.state_dict().items()}  # type: ignore[union-attr]
    list(trainer.play(2))
    after = trainer.game.prior.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(before[k], after[k]) for k in before)
    now = trainer.game.G.state_dict()  # type: ignore[union-attr]
    for name in ("codes.weight", "conditions.0.scale.0.weight", "images.0.weight"):
        assert not torch.equal(moved[name], now[name])
    assert not any(k.startswith("prior") for k in trainer.average.networks.state_dict())


def test_without_a_prior_the_u_net_restores_alone() -> None:
    made = game(prior=None)
    assert made.prior is None
    assert not any("codes" in k or "conditions" in k for k in made.state_dict())
    x = torch.rand(2, *SHAPE) * 2 - 1
    image, steps = made.restore(x)
    assert image is steps[-1]
    assert [s.shape[-1] for s in steps] == [8, 16]
    assert made.translate(torch.zeros(1, 3, 24, 32)).shape == (1, 3, 24, 32)


def test_restored_and_degraded_images_are_measured() -> None:
    made = game(degrade=Degrade(strength=0.0)).eval()
    x = torch.rand(3, *SHAPE) * 2 - 1
    found = {k: v.item() for k, v in made.measure(Images(x)).items()}
    assert found["psnr_degraded"] == pytest.approx(120)
    assert found["ssim_degraded"] == pytest.approx(1)
    assert 0 < found["psnr"] < 60
    with torch.no_grad():
        grid = made.preview(Images(x))
    assert torch.equal(grid[0], x[0])
    assert torch.equal(grid[2], x[0])


def prior_run(place: Path, name: str = "stylegan2", **changes: Any) -> Path:
    cls, settings = tiny(name, steps=1, data="glyphs", image_size=16, **changes)
    train(cls, settings, place, quiet=True)
    return place


def test_a_run_keeps_its_prior(tmp_path: Path) -> None:
    run = prior_run(tmp_path / "prior")
    cls, settings = tiny("restore", steps=2)
    own = TINY["restore"] | {"prior": str(run)}
    model = train(cls, replace(settings, game=cls.Config(**own)), tmp_path / "run", quiet=True)
    assert model.game.cfg.prior_networks == TINY["stylegan2"]["networks"]
    source, kept = tensors(run), tensors(tmp_path / "run")
    synthesis = [k for k in kept if k.startswith("game.prior.synthesis.")]
    assert len(synthesis) > 20
    for name in synthesis:
        theirs = source[name.replace("game.prior.", "average.G.")]
        assert torch.equal(kept[name], theirs)
    shutil.rmtree(run)
    x = torch.rand(2, *SHAPE) * 2 - 1
    loaded = load(tmp_path / "run", device="cpu")
    assert torch.equal(loaded.translate(x), model.translate(x))
    assert loaded.translate(x).abs().max() <= 1
    with pytest.raises(SettingsError, match="Restore learns one direction, a2b, not 'b2a'"):
        loaded.translate(x, direction="b2a")
    with pytest.raises(SettingsError, match="takes images of 16x16 only"):
        loaded.translate(torch.zeros(1, 3, 24, 24))


def test_a_fork_takes_the_prior_that_it_names(tmp_path: Path) -> None:
    """It has the first one's shapes; without another name, the first one's weights stay."""
    first, second = prior_run(tmp_path / "first"), prior_run(tmp_path / "second", seed=7)
    cls, settings = tiny("restore", steps=1)
    own = TINY["restore"] | {"prior": str(first)}
    train(cls, replace(settings, game=cls.Config(**own)), tmp_path / "run", quiet=True)
    fork(tmp_path / "run", tmp_path / "same", steps=2, quiet=True)
    fork(tmp_path / "run", tmp_path / "other", steps=2, prior=str(second), quiet=True)
    name = "synthesis.constant"
    for run, source in (("same", first), ("other", second)):
        found = tensors(tmp_path / run)[f"game.prior.{name}"]
        assert torch.equal(found, tensors(source)[f"average.G.{name}"])


def test_weights_to_begin_with_leave_the_prior_to_its_run(tmp_path: Path) -> None:
    """What is said of the weights counts those of the prior neither as taken nor as left over."""
    first, second = prior_run(tmp_path / "first"), prior_run(tmp_path / "second", seed=7)
    cls, settings = tiny("restore", steps=1)
    own = TINY["restore"] | {"prior": str(first)}
    train(cls, replace(settings, game=None), tmp_path / "run", quiet=True, **own)
    own |= {"prior": str(second), "init": str(tmp_path / "run")}
    train(cls, replace(settings, game=None), tmp_path / "new", quiet=True, **own)
    (head,) = json.loads((tmp_path / "new" / "origin.json").read_text(encoding="utf-8"))["notes"]
    count = sum(k.startswith(("game.G.", "game.D.")) for k in tensors(tmp_path / "run"))
    assert head.startswith(f"starts from {count} of {count} tensors")


def test_priors_that_cannot_be_are_refused(tmp_path: Path) -> None:
    plain = prior_run(tmp_path / "plain", "dcgan")
    with pytest.raises(SettingsError, match=r"plain is a run of DCGAN.* take a run of stylegan2"):
        Restore.Config(prior=plain)
    with pytest.raises(GanwrightError, match="nowhere is not a run folder"):
        Restore.Config(prior=tmp_path / "nowhere")
    with pytest.raises(SettingsError, match=r"makers.make_patch makes Conv2d; .* StyleNet"):
        game(prior=Factory("makers.make_patch"))
    run = prior_run(tmp_path / "run")
    other = Restore(
        Restore.Config(**TINY["restore"] | {"prior": run}), replace(SPEC, shape=(1, 8, 8))
    )
    with pytest.raises(
        SettingsError, match=r"makes images of shape \(3, 16, 16\).* --image-size 16"
    ):
        other.before_training()
    wider = game(prior=run, prior_networks=StyleNet(base=64, most=4, styles=8))
    with pytest.raises(SettingsError, match="leave prior_networks out"):
        wider.before_training()


def test_srgan_learns_from_degraded_images() -> None:
    _, settings = tiny("srgan")
    spec = Spec(Paired, (3, 4, 4), (3, 16, 16), count=10)
    batch = Paired(torch.zeros(2, 3, 4, 4), torch.rand(2, 3, 16, 16) * 2 - 1)
    plain = SRGAN(settings.game, spec)
    assert plain.low(batch) is batch.a
    own = SRGAN(replace(settings.game, degrade=Degrade()), spec)
    torch.manual_seed(3)
    low = own.low(batch)
    assert low.shape == batch.a.shape
    torch.manual_seed(3)
    assert torch.equal(low, Degrade()(batch.b, (4, 4)))
    own.content = nn.MSELoss()
    assert own.generator(batch)["content"] > 0
    with evaluating(own), torch.no_grad():
        assert own.measure(batch)["psnr_bicubic"] < 120
        assert own.preview(batch).shape == (6, 3, 16, 16)
