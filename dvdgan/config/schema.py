"""Every value of params.yaml, typed: one frozen section per stage, plus `clip` and `model`.

Everything that affects results is set here. Everything else (devices, workers, credentials) is a
command-line flag or an environment variable. Paper: sections 2 to 4 and appendix A.
"""

from typing import Annotated, Literal

from pydantic import Field

from dvdgan.config.guard import Guard
from dvdgan.config.section import Count, Decay, Fraction, PathText, Rate, Section, Seed
from dvdgan.protocols import MINIMUM_CLIPS, ProtocolName

# Pooled feature dimensions of small_i3d per channel of its first layer.
POOLED_PER_WIDTH = 8


class Clip(Section):
    """Shape of a training example (paper 2.4, A.1)."""

    resolution: Literal[32, 64, 128, 256]
    """Height and width of a clip, in pixels."""
    frames: Annotated[int, Field(ge=2, le=128)]
    """T, the number of frames per clip; in frame prediction this includes the given frames."""
    stride: Annotated[int, Field(ge=1, le=16)]
    """Step between source frames (paper: 2, every other frame)."""

    @property
    def span(self) -> int:
        """Number of consecutive source frames that a clip covers."""
        return (self.frames - 1) * self.stride + 1


SourceName = Literal[
    "class_folders", "csv", "kinetics", "ucf101", "bair", "webdataset", "hugging_face"
]
ColumnName = Annotated[str, Field(min_length=1)]


class TableColumns(Section):
    """Column names of `index.table`. Columns that the source does not need may be missing."""

    path: ColumnName
    """File path, relative to `root`."""
    label: ColumnName
    """Class name."""
    split: ColumnName
    """`train`, or `test`, `val` and similar for held-out videos. Empty: assigned by a hash of the
    group."""
    group: ColumnName
    """Videos of one group are never split between train and test. Empty: the video is its own
    group."""
    start: ColumnName
    """Start of the video, in seconds from the file's first frame. Empty: the first frame."""
    end: ColumnName
    """End of the video, in seconds from the file's first frame. Empty: the end of the file."""


class Index(Section):
    """Which videos are used, which are refused, and how they are split into train and test."""

    root: PathText
    """Location of the raw data, a dependency in DVC: a folder, `s3://BUCKET/PREFIX`, or a listing
    of either written by `dvdgan listing`. Relative paths start at the working directory."""
    source: SourceName
    """Layout of the raw data (docs/sources.md)."""
    table: PathText | None
    """CSV with the columns in `columns`; path relative to `root`. Required by `csv`; optional for
    `class_folders`, which reads splits and groups from it. null: no table."""
    columns: TableColumns
    split_list: Annotated[int, Field(ge=1, le=3)]
    """Which of UCF-101's three pairs of train and test lists to use."""
    nested: bool
    """Also accept videos in subfolders of a class folder; otherwise they are refused."""
    test_fraction: Annotated[float, Field(ge=0, le=0.5)]
    """Fraction of each class's groups held out as the test split."""
    seed: Seed
    """Seed for choosing the groups to hold out."""
    min_short_side: Count
    """Refuse videos whose shorter side has fewer pixels than this."""
    max_pixels: Count
    """Refuse videos with more pixels per frame (width x height) than this, to limit memory use."""
    timeout_s: Annotated[float, Field(gt=0)]
    """Refuse videos that take longer than this to probe, in seconds."""
    keep_damaged: bool
    """Keep the frames before the first damage in a truncated or damaged video; otherwise the video
    is refused."""
    max_refused: Fraction
    """Stop if a larger fraction of the videos is refused."""
    max_missing: Fraction
    """Stop if a larger fraction of the videos in a table does not exist."""


class Shard(Section):
    """How videos are stored for training."""

    short_side: Annotated[int, Field(ge=16, le=1024)]
    """Shorter side of stored frames, in pixels (paper A.1: equal to the resolution)."""
    quality: Annotated[int, Field(ge=50, le=100)]
    """JPEG quality of stored frames (4:4:4)."""
    videos_per_shard: Count
    """Videos per tar file."""


class Features(Section):
    """The metrics and their feature networks."""

    protocols: Annotated[list[ProtocolName], Field(min_length=1)]
    """Selects how the metrics are computed (docs/stages/evaluate.md). The first protocol must
    provide FVD; it is used to judge checkpoints and drift. No two may share a metric."""
    width: Annotated[int, Field(ge=4, le=128)]
    """Channels of the first layer of small_i3d. Its pooled features have 8 x width dimensions."""
    steps: Count
    """Optimiser steps for training small_i3d; the other networks are already trained."""
    batch_size: Count
    """Clips per training step of small_i3d."""
    learning_rate: Rate
    """Peak learning rate of the one-cycle schedule (Adam)."""
    seed: Seed
    """Seed for the initial weights and the order of clips."""


class Reference(Section):
    """Statistics of the real clips with which generated clips are compared."""

    clips_per_video: Count
    """Clips taken from each video, evenly spaced in time."""
    kept_clips: Annotated[int, Field(ge=MINIMUM_CLIPS)]
    """Number of clips per split whose features are kept, evenly spread. They are used for nearest
    training clips, KVD, precision and recall, and drift. Means and covariances use all clips."""


class Model(Section):
    """Generator and discriminators (paper 3, A.2, A.4, C)."""

    generator_channels: Annotated[int, Field(ge=1, le=256)]
    """ch of G, the multiplier of the layer constants (paper: 128; 64 above 64 pixels or for 48
    frames)."""
    discriminator_channels: Annotated[int, Field(ge=1, le=256)]
    """ch of both discriminators and of the encoder for conditioning frames (paper: 128)."""
    latent_dim: Count
    """Dimensions of z (paper: 120)."""
    class_dim: Count
    """Dimensions of the class embedding e(y) (paper: 120)."""
    recurrent_channels: Annotated[int | None, Field(ge=1)]
    """ch0, the number of channels before G's residual network. null: the first layer constant times
    ch (paper: null for synthesis, 512 for frame prediction)."""
    recurrence: Literal["by_length", "multiplicative_conv_gru", "conv_gru"]
    """Recurrent unit. by_length: the paper's rule, conv_gru for 48 frames or more, otherwise
    multiplicative_conv_gru."""
    blocks: Literal["biggan", "biggan_deep"]
    """Residual blocks of all networks: BigGAN's (paper) or BigGAN-deep's bottlenecks (paper C)."""
    block_norm: Literal["per_step_batch", "batch", "group", "layer", "instance", "none"]
    """Normalisation inside G's blocks (paper C). per_step_batch: statistics per time step (paper);
    batch: statistics over all frames; none: no normalisation, but scale and shift remain."""
    output_norm: Literal["per_step_batch", "batch", "group", "layer", "instance", "none"]
    """The same for G's last norm; none is catastrophic (paper C)."""
    conditioning_frames: Annotated[int, Field(ge=0)]
    """C, the number of given frames that G continues (paper A.4: 5 or 1); such a model does not use
    classes. 0: class-conditional synthesis."""
    discriminators: Literal["dual", "spatial", "temporal"]
    """dual: D_S and D_T (paper). spatial, temporal: only D_S or only D_T."""
    spatial_frames: Count
    """k, the number of full-resolution frames per clip that D_S sees (paper: 8)."""
    phi: Literal["average_pool_2x2", "average_pool_4x4", "identity", "random_half_crop"]
    """Downsampling applied to clips before D_T (paper 4.3: average_pool_2x2)."""


class Augmentation(Section):
    """How training clips are taken from videos (paper 2.4, A.1)."""

    temporal_window: Literal["random", "center"]
    """Position of the clip in time (paper: random)."""
    crop: Literal["random", "center"]
    """Position of the square crop (paper: random)."""
    flip: bool
    """Flip half of the clips horizontally (paper: false)."""


class Train(Section):
    """Optimisation (paper 2.2, A.3)."""

    steps: Count
    """Generator updates (paper: up to 300,000)."""
    batch_size: Annotated[int, Field(ge=2)]
    """Clips per update, summed over all processes (paper: 512)."""
    accumulation: Count
    """Gradient accumulation: number of equal parts into which each process splits its clips of an
    update, to save memory. G's batch norm sees one part at a time."""
    precision: Literal["fp32", "bf16", "fp16"]
    """Precision of the forward passes (autocast). Weights, optimisers and losses stay in fp32. With
    fp16, G and D each have a loss scale."""
    augmentation: Augmentation
    """Windows and crops of training clips."""
    max_damaged_shards: Annotated[int, Field(ge=0)]
    """Number of damaged tar files that are reported and skipped; one more stops the run."""
    discriminator_steps: Count
    """D updates per G update (paper: 2)."""
    generator_learning_rate: Rate
    """Adam learning rate of G (paper: 0.0001)."""
    discriminator_learning_rate: Rate
    """Adam learning rate of both discriminators (paper: 0.0002)."""
    adam_beta1: Decay
    """Decay of Adam's first moment (ours, as in BigGAN: 0)."""
    adam_beta2: Decay
    """Decay of Adam's second moment (ours, as in BigGAN: 0.999)."""
    adam_epsilon: Annotated[float, Field(gt=0)]
    """Added to Adam's denominator (ours, as in BigGAN: 0.000001)."""
    ema_decay: Decay
    """Decay of the moving average of G's weights, which is used for sampling (paper: 0.9999)."""
    ema_start: Annotated[int, Field(ge=0)]
    """First step of the moving average (paper: 20,000); until then it equals the weights."""
    checkpoint_every: Count
    """Steps between checkpoints."""
    preview_every: Count
    """Steps between sample sheets of fixed latents."""
    seed: Seed
    """Seed for initial weights, order of clips, windows, crops, latents, classes and the frames
    that D_S sees."""
    guard: Guard
    """Supervision of the run."""


class Export(Section):
    """The model bundle."""

    standing_batches: Count
    """Forward passes for recomputing the batch-norm statistics (BigGAN: 16)."""
    standing_batch_size: Annotated[int, Field(ge=2)]
    """Clips per forward pass."""


class Evaluate(Section):
    """Metrics of the exported bundle."""

    samples: Annotated[int, Field(ge=MINIMUM_CLIPS)]
    """Number of generated clips. Only metrics with equal counts are comparable."""
    seed: Seed
    """Seed for the latents of the generated clips."""
    truncations: list[Annotated[float, Field(gt=0, lt=1)]]
    """Standard deviations of z for the truncation curve (paper 4.4). FID and IS are measured at
    each, with a protocol that has both."""
    interpolation_lines: Annotated[int, Field(ge=0)]
    """Number of interpolations between two latents, and of interpolations between two classes
    (paper Figs. 8, 9). They are written as videos and tested for jumps (paper B.2)."""
    interpolation_videos: Annotated[int, Field(ge=3, le=32)]
    """Videos per interpolation, including both ends."""


class Monitor(Section):
    """Drift of the generated clips' features from those of real clips."""

    components: Annotated[int, Field(ge=1, le=64)]
    """Number of principal components of the real features to compare."""
    drift_threshold: Annotated[float, Field(gt=0)]
    """A column has drifted if its normed Wasserstein distance reaches this value."""


class Report(Section):
    """The report page."""

    samples_per_class: Annotated[int, Field(ge=1, le=16)]
    """Number of generated clips to show per class, with the same number of real clips."""
    max_classes: Annotated[int, Field(ge=1, le=64)]
    """Maximum number of classes to show, in the order of their names."""


class Config(Section):
    """params.yaml, whole."""

    clip: Clip
    index: Index
    shard: Shard
    features: Features
    reference: Reference
    model: Model
    train: Train
    export: Export
    evaluate: Evaluate
    monitor: Monitor
    report: Report


class RunSettings(Section):
    """Settings of a training run, stored in its folder. Later edits of params.yaml do not affect
    it."""

    clip: Clip
    model: Model
    train: Train
    shards: str
    """Folders of the artefacts that the run reads."""
    features: str
    reference: str
    protocol: ProtocolName
    """Protocol for evaluating checkpoints."""
    fingerprint: str
    """Fingerprint of params, code and data."""
