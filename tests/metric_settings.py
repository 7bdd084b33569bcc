"""The settings of a made-up measurement."""

from dvdgan.evaluation.measurement_settings import MeasurementSettings

SETTINGS = MeasurementSettings(
    protocol="self_trained",
    data="a" * 16,
    network="small_i3d",
    weights_sha256="b" * 64,
    layer="logits",
    value_range="[-1, 1]",
    resize="none",
    resolution=32,
    frames=4,
    stride=1,
    clips=64,
    real_split="train",
    real_clips=640,
    seed=0,
)
