"""The params of a run that takes seconds: the real sections with small sizes."""

from lax_guard import LAX

from dvdgan.config.guard import Guard, Thresholds
from dvdgan.config.schema import Augmentation, Clip, Model, Train

CLIP = Clip(resolution=32, frames=4, stride=1)
MODEL = Model(
    generator_channels=1,
    discriminator_channels=1,
    latent_dim=8,
    class_dim=6,
    recurrent_channels=None,
    recurrence="by_length",
    blocks="biggan",
    block_norm="per_step_batch",
    output_norm="per_step_batch",
    conditioning_frames=0,
    discriminators="dual",
    spatial_frames=2,
    phi="average_pool_2x2",
)
TRAIN = Train(
    steps=24,
    batch_size=4,
    accumulation=1,
    precision="fp32",
    augmentation=Augmentation(temporal_window="random", crop="random", flip=False),
    max_damaged_shards=0,
    discriminator_steps=2,
    generator_learning_rate=1e-3,
    discriminator_learning_rate=2e-3,
    adam_beta1=0.5,
    adam_beta2=0.999,
    adam_epsilon=1e-6,
    ema_decay=0.9,
    ema_start=3,
    checkpoint_every=4,
    preview_every=12,
    seed=0,
    guard=Guard(
        samples=32,
        evaluate_every=4,
        patience=1000,
        thresholds=Thresholds(**LAX),
        warm_up=1.0,
        max_rollbacks=1,
        learning_rate_scale=0.5,
        added_discriminator_steps=0,
    ),
)
