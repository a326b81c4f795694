"""What the families, losses, penalties and parts are called in TorchGAN and PyTorch-GAN."""

from __future__ import annotations

from typing import NamedTuple


class Known(NamedTuple):
    """Where it was published, by arXiv number, and its names elsewhere; "" for none."""

    paper: str
    torchgan: str = ""
    pytorch_gan: str = ""


_TRAINED = "`DCGANGenerator`, `DCGANDiscriminator`"
_AUTO = "`AutoEncodingGenerator`, `AutoEncodingDiscriminator`"

FAMILIES: dict[str, Known] = {
    "gan": Known("1406.2661", "`MinimaxGeneratorLoss` with networks of your own", "`gan`"),
    "dcgan": Known("1511.06434", _TRAINED, "`dcgan`"),
    "lsgan": Known("1611.04076", f"{_TRAINED} with `LeastSquaresGeneratorLoss` ...", "`lsgan`"),
    "wgan": Known("1701.07875", f"{_TRAINED} with `WassersteinGeneratorLoss` ...", "`wgan`"),
    "wgan-gp": Known("1704.00028", f"{_TRAINED} with `WassersteinGradientPenalty`", "`wgan_gp`"),
    "dragan": Known("1705.07215", f"{_TRAINED} with `DraganGradientPenalty`", "`dragan`"),
    "bgan": Known("1702.08431"),
    "bgan-continuous": Known("1702.08431", "in its tutorial on custom losses", "`bgan`"),
    "ebgan": Known("1609.03126", f"{_AUTO} with `EnergyBasedGeneratorLoss` ...", "`ebgan`"),
    "began": Known("1703.10717", f"{_AUTO} with `BoundaryEquilibriumGeneratorLoss` ...", "`began`"),
    "infogan": Known(
        "1606.03657",
        "`InfoGANGenerator`, `InfoGANDiscriminator`, `MutualInformationPenalty`",
        "`infogan`",
    ),
    "cgan": Known(
        "1411.1784", "`ConditionalGANGenerator`, `ConditionalGANDiscriminator`", "`cgan`"
    ),
    "sagan": Known("1805.08318", "in its tutorial on self-attention"),
    "biggan": Known("1809.11096"),
    "fastgan": Known("2101.04775"),
    "r3gan": Known("2501.05441"),
    "stylegan2": Known("1912.04958"),
    "stylegan3": Known("2106.12423"),
    "jojogan": Known("2112.11641"),
    "cdc": Known("2104.06820"),
    "acgan": Known(
        "1610.09585",
        "`ACGANGenerator`, `ACGANDiscriminator`, `AuxiliaryClassifierGeneratorLoss` ...",
        "`acgan`",
    ),
    "sgan": Known("1606.01583", "", "`sgan`"),
    "aae": Known("1511.05644", "in its tutorial on adversarial autoencoders", "`aae`"),
    "aae-clusters": Known("1511.05644"),
    "aae-semi": Known("1511.05644"),
    "pix2pix": Known("1611.07004", "", "`pix2pix`"),
    "spade": Known("1903.07291"),
    "cyclegan": Known("1703.10593", "in its tutorial on CycleGAN", "`cyclegan`"),
    "discogan": Known("1703.05192", "", "`discogan`"),
    "dualgan": Known("1704.02510", "", "`dualgan`"),
    "ccgan": Known("1611.06430", "", "`ccgan`"),
    "srgan": Known("1609.04802", "", "`srgan`"),
    "restore": Known("2101.04061"),
    "pixelda": Known("1612.05424", "", "`pixelda`"),
    "advgan": Known("1801.02610"),
    "apegan": Known("1707.05474"),
}

LOSSES: dict[str, Known] = {
    "NonSaturating": Known(
        "1406.2661", "`MinimaxGeneratorLoss`, `MinimaxDiscriminatorLoss`", "`BCELoss` on ones"
    ),
    "NonSaturating(smooth=0.1)": Known(
        "1606.03498", "`MinimaxDiscriminatorLoss(label_smoothing=0.1)`"
    ),
    "Minimax": Known("1406.2661", "`MinimaxGeneratorLoss(nonsaturating=False)`"),
    "LeastSquares": Known(
        "1611.04076",
        "`LeastSquaresGeneratorLoss`, `LeastSquaresDiscriminatorLoss`",
        "`MSELoss` in `lsgan`",
    ),
    "Wasserstein": Known(
        "1701.07875", "`WassersteinGeneratorLoss`, `WassersteinDiscriminatorLoss`", "in `wgan`"
    ),
    "Hinge": Known("1705.02894"),
    "Relativistic": Known("1807.00734", "", "`relativistic_gan`"),
    "RelativisticAverage": Known("1807.00734", "", "`relativistic_gan --rel_avg_gan`"),
    "BoundarySeeking": Known(
        "1702.08431", "in its tutorial on custom losses", "`boundary_seeking_loss` in `bgan`"
    ),
}

PENALTIES: dict[str, Known] = {
    "GradientPenalty": Known(
        "1704.00028",
        "`WassersteinGradientPenalty`",
        "`compute_gradient_penalty` in `wgan_gp`",
    ),
    "DRAGAN": Known(
        "1705.07215", "`DraganGradientPenalty`", "`compute_gradient_penalty` in `dragan`"
    ),
    "R1": Known("1801.04406"),
    "R2": Known("1801.04406"),
    "WeightClipping": Known(
        "1701.07875", "`WassersteinDiscriminatorLoss(clip=(-0.01, 0.01))`", "`wgan --clip_value`"
    ),
}

REGULARISERS: dict[str, Known] = {
    "FeatureMatching": Known("1606.03498", "`FeatureMatchingGeneratorLoss`"),
    "EWC": Known("2012.02780"),
    "HistoricalAveraging": Known("1606.03498", "`HistoricalAverageGeneratorLoss`"),
    "Orthogonality": Known("1809.11096"),
    "PullingAway": Known(
        "1609.03126", "`EnergyBasedPullingAwayTerm`", "`pullaway_loss` in `ebgan`"
    ),
}

PARTS: dict[str, Known] = {
    "minibatch=MinibatchDiscrimination()": Known("1606.03498", "`MinibatchDiscrimination1d`"),
    "minibatch=MinibatchStdDev()": Known("1710.10196"),
    "norm_G=VirtualBatchNorm()": Known("1606.03498", "`VirtualBatchNorm`"),
    "spectral_G=True, spectral_D=True": Known("1802.05957", "`SpectralNorm2d`"),
    "attention=(32,)": Known("1805.08318", "`SelfAttention2d`"),
    "blocks=Residual()": Known(
        "1603.05027", "`ResidualBlock2d`, `ResidualBlockTranspose2d`", "`ResidualBlock` in scripts"
    ),
    "blocks=Dense()": Known(
        "1608.06993", "`DenseBlock2d`, `TransitionBlock2d`, `BasicBlock2d`", "in `esrgan`"
    ),
    "blocks=Bottleneck()": Known("1603.05027", "`BottleneckBlock2d`, of dense networks"),
    "--game.noise 0.1": Known("1701.04862"),
    "--game.pack 2": Known("1712.04086"),
    "--game.unroll 5": Known("1611.02163"),
}
