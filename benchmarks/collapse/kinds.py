"""The kinds of fault, and the ways in which each is done: the names in branches.csv."""

from fault import Fault
from faults_of_data import (
    black_clips,
    nan_clip,
    negated_frames,
    one_class,
    random_labels,
    wrong_labels,
)
from faults_of_training import (
    adam_betas,
    fixed_latents,
    frozen,
    learning_rates,
    no_spectral_norm,
    small_batch,
    strong_discriminators,
)
from faults_of_weights import (
    flipped_bits,
    frozen_recurrence,
    loud_output,
    nan_gradient,
    nan_weight,
    overflow,
    spoiled_average,
)

G, D, AVERAGE = "generator", "discriminators", "average"
OF_G, OF_D = "generator_optimizer", "discriminator_optimizer"

# kind -> variant -> what is done. The synthetic data has four classes.
FAULTS: dict[str, dict[str, Fault]] = {
    "learning rate x30": {
        "both": learning_rates(30, 30),
        "generator": learning_rates(30, 1),
        "discriminators": learning_rates(1, 30),
        "both x100": learning_rates(100, 100),
    },
    "no spectral norm": {
        "discriminators": no_spectral_norm(D),
        "both": no_spectral_norm(G, D),
        "discriminators, rates x10": no_spectral_norm(D, rate=10),
    },
    "batch of 2": {"plain": small_batch(2), "rates x5": small_batch(2, rate=5)},
    "discriminators too strong": {
        "x8, 4 steps": strong_discriminators(8, 4),
        "x8, 8 steps": strong_discriminators(8, 8),
        "x20, 4 steps": strong_discriminators(20, 4),
    },
    "generator frozen": {"plain": frozen(OF_G), "discriminators x4": frozen(OF_G, 4)},
    "not a number": {
        "generator's weight": nan_weight(G),
        "discriminators' weight": nan_weight(D),
        "average's weight": nan_weight(AVERAGE),
        "generator's gradient": nan_gradient(OF_G),
        "discriminators' gradient": nan_gradient(OF_D),
        "clip": nan_clip(),
    },
    "labels shuffled": {"in the batch": wrong_labels(), "at random": random_labels(4)},
    "one class": {"real": one_class(False), "real and asked": one_class(True)},
    "bits flipped": {
        "1 of the generator": flipped_bits(1, 30, G, AVERAGE),
        "20 of the generator": flipped_bits(20, 30, G, AVERAGE),
        "20 of the discriminators": flipped_bits(20, 30, D),
        "200 of bit 27": flipped_bits(200, 27, G, D, AVERAGE),
    },
    "output saturated": {"x20": loud_output(20), "x100": loud_output(100)},
    "latent fixed": {"plain": fixed_latents()},
    "recurrence frozen": {"plain": frozen_recurrence()},
    "black clips": {"plain": black_clips()},
    "Adam's betas": {"0.9, 0.9": adam_betas(0.9, 0.9), "rates x5": adam_betas(0.9, 0.9, 5)},
    "average spoiled": {"noise 0.1": spoiled_average(0.1), "noise 1": spoiled_average(1.0)},
    "frames negated": {"plain": negated_frames()},
    "discriminators frozen": {"plain": frozen(OF_D), "generator x4": frozen(OF_D, 4)},
    "overflow": {
        "generator": overflow(OF_G, 2.0**24),
        "discriminators": overflow(OF_D, 2.0**24),
    },
}

# They destroy numbers rather than harm the training.
HARD = {"not a number", "bits flipped", "overflow"}
