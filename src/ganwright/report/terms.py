"""What the terms in a run's log mean, and how each looks when training goes well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Kind:
    """Numbers that compare, and so share an axis.

    Args:
        name: in the plural; part of a title and of a file's name.
        unit: what the axis says.
    """

    name: str
    unit: str


LOSS = Kind("losses", "loss")
SCORE = Kind("scores", "score")
SHARE = Kind("shares", "share")
GRADIENT = Kind("gradient norms", "norm")
ALONE = Kind("", "value")
"""Compares with nothing: an axis of its own."""


class Meaning(NamedTuple):
    """A term: what it compares with, what it is, and how a healthy one looks."""

    kind: Kind
    text: str
    healthy: str


_ACCURACY = "Rises towards 1."
_ERROR = "Falls, then levels off."

TERMS: dict[str, Meaning] = {
    "adv": Meaning(
        LOSS,
        "The adversarial loss.",
        "D's and G's settle into a noisy balance. If D's falls to 0 and G's keeps rising, D wins.",
    ),
    "L_S": Meaning(
        LOSS, "The adversarial loss of the source, real or fake.", "Settles, with noise."
    ),
    "L_C": Meaning(LOSS, "The cross-entropy of the class.", "Falls, then levels off near 0."),
    "class": Meaning(LOSS, "The cross-entropy of the class.", "Falls, then levels off near 0."),
    "labelled": Meaning(LOSS, "The cross-entropy of labelled images.", "Falls towards 0."),
    "reconstruction": Meaning(LOSS, "How far a reconstruction is from its image.", _ERROR),
    "cycle": Meaning(LOSS, "How far an image is from itself after both translations.", _ERROR),
    "identity": Meaning(
        LOSS, "How much a translator changes what is in its target domain.", _ERROR
    ),
    "l1": Meaning(LOSS, "The mean absolute difference from the target.", _ERROR),
    "mse": Meaning(LOSS, "The mean squared difference from the target.", _ERROR),
    "content": Meaning(LOSS, "The difference from the target in features.", _ERROR),
    "task": Meaning(LOSS, "The cross-entropy of the classifier on adapted images.", _ERROR),
    "matching": Meaning(
        LOSS, "The gap between D's features of real images and of samples.", "Falls, with noise."
    ),
    "fooling": Meaning(
        LOSS, "G's adversarial loss next to feature matching.", "Settles, with noise."
    ),
    "categorical": Meaning(LOSS, "The cross-entropy of the categorical code.", "Falls towards 0."),
    "continuous": Meaning(
        LOSS, "The negative log-likelihood of the continuous codes.", "Falls, also below 0."
    ),
    "apart": Meaning(LOSS, "How much closer cluster heads are than they should be.", "Falls to 0."),
    "energy": Meaning(LOSS, "The energy, D's reconstruction error.", _ERROR),
    "margin": Meaning(
        LOSS, "How far the energy of samples is below the margin.", "Stays above 0, with noise."
    ),
    "pull": Meaning(
        LOSS, "How similar the codes of one batch are.", "Stays low; a rise is collapse."
    ),
    "PullingAway": Meaning(
        LOSS, "How similar features of one batch of samples are.", "Stays low; a rise is collapse."
    ),
    "FeatureMatching": Meaning(
        LOSS, "The gap between D's features of real images and of samples.", "Falls, with noise."
    ),
    "HistoricalAveraging": Meaning(
        LOSS, "How far weights are from their average so far.", "Falls as weights settle."
    ),
    "GradientPenalty": Meaning(
        LOSS, "How far the norm of D's input gradient is from its target.", "Falls, then stays low."
    ),
    "DRAGAN": Meaning(
        LOSS, "How far the norm of D's gradient near the data is from 1.", "Falls, then stays low."
    ),
    "R1": Meaning(LOSS, "The squared gradient of D on real images.", "Stays small and steady."),
    "R2": Meaning(LOSS, "The squared gradient of D on samples.", "Stays small and steady."),
    "real": Meaning(
        SCORE, "D's mean score of real images.", "Above that of samples, by a steady gap."
    ),
    "fake": Meaning(
        SCORE, "D's mean score of samples.", "Below that of real images; the gap does not widen."
    ),
    "wasserstein": Meaning(
        SCORE,
        "The critic's estimate of the distance.",
        "Rises at first, then falls as samples improve.",
    ),
    "fake_energy": Meaning(SCORE, "The energy of samples.", "Falls towards that of real images."),
    "accuracy": Meaning(SHARE, "The share classified correctly.", _ACCURACY),
    "labelled_accuracy": Meaning(
        SHARE, "The share of labelled images classified correctly.", _ACCURACY
    ),
    "recovered": Meaning(SHARE, "The share of categorical codes read off the sample.", _ACCURACY),
    "error": Meaning(SHARE, "The share of images misclassified.", "Falls towards 0."),
    "p": Meaning(
        SHARE,
        "The probability of ADA's augmentation.",
        "Rises until D stops memorising, then settles.",
    ),
    "k": Meaning(SHARE, "The weight of samples in D's objective.", "Settles below 1."),
    "real_sign": Meaning(
        ALONE, "The mean sign of D's scores of real images.", "Stays near 0.6; near 1, D memorises."
    ),
    "M": Meaning(ALONE, "BEGAN's measure of convergence.", "Falls, then levels off."),
    "diversity": Meaning(
        ALONE, "How far samples are apart, over the data's.", "Stays up; near 0, G has collapsed."
    ),
    "leap": Meaning(
        ALONE,
        "How far the mean sample moved since the last grid, over the data's spread.",
        "Falls; above 0.5 in grid after grid, G oscillates.",
    ),
    "path": Meaning(LOSS, "How unequal the lengths of G's paths are.", "Falls, with noise."),
    "path_length": Meaning(ALONE, "How far an image moves with its style.", "Settles."),
    "effective_draws": Meaning(
        ALONE,
        "How many draws per latent vector carry weight.",
        "Stays above 1; at 1, one draw decides.",
    ),
    "psnr": Meaning(ALONE, "The peak signal-to-noise ratio, in dB.", "Rises, then levels off."),
    "ssim": Meaning(ALONE, "The structural similarity, at most 1.", "Rises, then levels off."),
    "pixels": Meaning(SHARE, "The share of pixels in the right class.", _ACCURACY),
    "gradient": Meaning(
        GRADIENT,
        "The norm of the whole gradient, before clipping.",
        "Steady within a factor of ten. Near 0, learning stops; a steep rise precedes a NaN.",
    ),
}
"""By name, in whatever player's objective; see `meaning` for names with an ending."""

FAMILY_TERMS: dict[str, dict[str, Meaning]] = {
    "advgan": {
        "attack": Meaning(LOSS, "By how much the classifier's right logit leads.", "Falls to 0."),
        "hinge": Meaning(LOSS, "The size of changes above the norm that is free.", _ERROR),
        "distil": Meaning(LOSS, "The student's cross-entropy to the classifier.", _ERROR),
        "success": Meaning(SHARE, "The share of known images that fool it.", _ACCURACY),
        "accuracy_changed": Meaning(SHARE, "Its accuracy on changed images.", "Falls towards 0."),
    },
    "apegan": {
        "accuracy_attacked": Meaning(SHARE, "Its accuracy under attack.", "Stays as it is."),
        "accuracy_clean": Meaning(
            SHARE, "Its accuracy on images that need no cleaning, cleaned.", _ACCURACY
        ),
    },
    "cdc": {
        "dist": Meaning(LOSS, "How far samples' distances are from the source's.", "Stays small."),
    },
    "restore": {
        "pyramid": Meaning(LOSS, "How far the U-Net's own images are from the true ones.", _ERROR),
        "identity": Meaning(LOSS, "How far the features of an identity have moved.", _ERROR),
        "psnr_degraded": Meaning(ALONE, "The PSNR before restoration, in dB.", "Stays as it is."),
        "ssim_degraded": Meaning(ALONE, "The SSIM before restoration.", "Stays as it is."),
    },
    "began": {
        "real": Meaning(LOSS, "The reconstruction error of real images.", _ERROR),
        "fake": Meaning(
            LOSS,
            "The reconstruction error of samples, in D with -k.",
            "Falls with that of real images.",
        ),
    },
}
"""Terms that mean something else in a family."""

_METRICS: dict[str, tuple[str, str]] = {
    "FID": ("Fréchet distance between features of samples and of data.", "Falls; 0 is perfect."),
    "KID": ("Kernel distance between features of samples and of data.", "Falls; 0 is perfect."),
    "IS": ("Inception Score.", "Rises."),
    "precision": ("The share of samples that lie among the data.", _ACCURACY),
    "recall": ("The share of the data that lies among the samples.", _ACCURACY),
    "density": ("How densely data surrounds the samples.", "Rises towards 1."),
    "coverage": ("The share of the data with a sample nearby.", _ACCURACY),
    "mean IoU": ("The overlap of areas with the true ones, averaged over classes.", _ACCURACY),
    "pixel accuracy": ("The share of pixels in the right class.", _ACCURACY),
    "authenticity": ("The share of samples that are no copies.", "Stays near 1."),
}


def meaning(family: str, player: str, name: str) -> Meaning:
    """What a player's term means; an ending such as that of `adv_A` tells several apart.

    Args:
        family: its name.
        player: whose term it is.
        name: of the term.
    """
    known = TERMS | FAMILY_TERMS.get(family, {})
    stem = name
    while stem not in known and "_" in stem:
        stem = stem.rpartition("_")[0]
    if stem in known:
        return known[stem]
    return Meaning(LOSS, f"A term of {player}'s objective.", "Settles, with noise.")


def measured(name: str) -> Meaning:
    """What a metric or a number that a callback logged means, by its name or its first word."""
    for head in (name, name.split(" ")[0]):
        if head in _METRICS:
            return Meaning(ALONE, *_METRICS[head])
    return Meaning(ALONE, "A number that was logged in training.", "")
