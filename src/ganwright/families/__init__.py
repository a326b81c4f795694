"""The families: one file a paper, loaded on demand."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ganwright.config import plugins
from ganwright.errors import SettingsError, nearest

if TYPE_CHECKING:
    from ganwright.game import Game


class Entry(NamedTuple):
    """Where a family is, what it is called and where it comes from."""

    path: str
    title: str
    paper: str


FAMILIES: dict[str, Entry] = {
    "gan": Entry("gan:GAN", "Generative adversarial network, fully connected", "1406.2661"),
    "dcgan": Entry("dcgan:DCGAN", "Deep convolutional GAN", "1511.06434"),
    "lsgan": Entry("lsgan:LSGAN", "Least squares GAN", "1611.04076"),
    "wgan": Entry("wgan:WGAN", "Wasserstein GAN with clipped weights", "1701.07875"),
    "wgan-gp": Entry("wgan_gp:WGANGP", "Wasserstein GAN with gradient penalty", "1704.00028"),
    "dragan": Entry(
        "dragan:DRAGAN", "GAN with D's gradient norm kept near 1 around the data", "1705.07215"
    ),
    "bgan": Entry("bgan:BGAN", "Boundary-seeking GAN: discrete images", "1702.08431"),
    "bgan-continuous": Entry(
        "bgan:ContinuousBGAN", "Boundary-seeking GAN: continuous images", "1702.08431"
    ),
    "ebgan": Entry("ebgan:EBGAN", "Energy-based GAN: D is an autoencoder", "1609.03126"),
    "began": Entry("began:BEGAN", "Boundary equilibrium GAN: D is an autoencoder", "1703.10717"),
    "infogan": Entry(
        "infogan:InfoGAN", "GAN that finds the codes images differ in, unlabelled", "1606.03657"
    ),
    "cgan": Entry("cgan:CGAN", "Conditional GAN: both networks know the label", "1411.1784"),
    "sagan": Entry("sagan:SAGAN", "Self-attention GAN", "1805.08318"),
    "biggan": Entry(
        "biggan:BigGAN", "Large class-conditional GAN, with truncated samples", "1809.11096"
    ),
    "fastgan": Entry("fastgan:FastGAN", "GAN for a hundred images", "2101.04775"),
    "r3gan": Entry("r3gan:R3GAN", "Relativistic pairs with R1 and R2", "2501.05441"),
    "stylegan2": Entry(
        "stylegan2:StyleGAN2", "A style for each layer, path lengths kept equal", "1912.04958"
    ),
    "stylegan3": Entry("stylegan3:StyleGAN3", "Images move and turn with the input", "2106.12423"),
    "jojogan": Entry("jojogan:JoJoGAN", "A trained StyleGAN in an example's style", "2112.11641"),
    "cdc": Entry("cdc:CDC", "A trained StyleGAN2 adapted to ten images", "2104.06820"),
    "acgan": Entry(
        "acgan:ACGAN", "Auxiliary-classifier GAN: images of a given class", "1610.09585"
    ),
    "sgan": Entry("sgan:SGAN", "Semi-supervised GAN: a classifier from few labels", "1606.01583"),
    "aae": Entry("aae:AAE", "Adversarial autoencoder", "1511.05644"),
    "aae-clusters": Entry(
        "aae_codes:AAEClusters", "Adversarial autoencoder that finds clusters", "1511.05644"
    ),
    "aae-semi": Entry(
        "aae_codes:AAESemi", "Adversarial autoencoder that classifies from few labels", "1511.05644"
    ),
    "pix2pix": Entry("pix2pix:Pix2Pix", "Image-to-image translation from pairs", "1611.07004"),
    "spade": Entry("spade:Spade", "Paints by labels: a label map becomes a photo", "1903.07291"),
    "cyclegan": Entry("cyclegan:CycleGAN", "Unpaired image-to-image translation", "1703.10593"),
    "discogan": Entry("discogan:DiscoGAN", "Discovers how two domains correspond", "1703.05192"),
    "dualgan": Entry("dualgan:DualGAN", "Unpaired translation, Wasserstein critics", "1704.02510"),
    "ccgan": Entry("ccgan:CCGAN", "Inpainting that trains a classifier", "1611.06430"),
    "srgan": Entry("srgan:SRGAN", "Photo-realistic super-resolution", "1609.04802"),
    "restore": Entry("restore:Restore", "Blind restoration with a prior", "2101.04061"),
    "pixelda": Entry("pixelda:PixelDA", "Domain adaptation on pixels", "1612.05424"),
    "advgan": Entry("advgan:AdvGAN", "Adversarial examples for a classifier", "1801.02610"),
    "apegan": Entry("apegan:APEGAN", "Removes adversarial perturbations", "1707.05474"),
}


def names() -> tuple[str, ...]:
    """The library's families, then those of installed packages."""
    return tuple(dict.fromkeys((*FAMILIES, *plugins.rows("families"))))


def name_of(cls: type[Game]) -> str:
    """How config.yaml names a family: by its row in the table, or by its import path."""
    path = f"{cls.__module__}:{cls.__qualname__}"
    for name, entry in FAMILIES.items():
        if f"ganwright.families.{entry.path}" == path:
            return name
    own = (name for name, point in plugins.rows("families").items() if point.value == path)
    return next(own, path)


def _installed(name: str) -> type[Game]:
    """The class of a family that an installed package adds."""
    if name not in plugins.rows("families"):
        raise SettingsError(f"unknown family {name!r}; {nearest(name, names())}")
    from ganwright.game import Game

    found = plugins.load("families", name)
    if not isinstance(found, type) or not issubclass(found, Game):
        package = getattr(plugins.rows("families")[name].dist, "name", "its package")
        raise SettingsError(
            f"the family {name} cannot be used: {package} does not give a class derived from Game"
        )
    return found


def family(name: str) -> type[Game]:
    """The class of a family.

    Raises:
        SettingsError: there is none of that name; the nearest are named.
    """
    if name not in FAMILIES:
        return _installed(name)
    module, _, cls = FAMILIES[name].path.partition(":")
    found: type[Game] = getattr(import_module(f"ganwright.families.{module}"), cls)
    return found
