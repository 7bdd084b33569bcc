"""Every value of params.yaml, typed: one frozen section per stage, plus `clip` and `model`.

Whatever can move a number is here; what cannot (devices, workers, credentials) is a command-line
flag or the environment. Paper: sections 2 to 4 and appendix A.
"""

from typing import Annotated, Literal

from pydantic import Field

from dvdgan.config.guard import Guard
from dvdgan.config.section import Count, Decay, Fraction, PathText, Rate, Section, Seed
from dvdgan.protocols import MINIMUM_CLIPS, ProtocolName

# Pooled feature dimensions of small_i3d per channel of its first layer.
POOLED_PER_WIDTH = 8


class Clip(Section):
    """What one training example is (paper 2.4, A.1)."""

    resolution: Literal[32, 64, 128, 256]
    """Height and width of a clip, in pixels."""
    frames: Annotated[int, Field(ge=2, le=128)]
    """T, the number of frames of a clip; in frame prediction the given ones count, too."""
    stride: Annotated[int, Field(ge=1, le=16)]
    """Source frames from one clip frame to the next; the paper takes every other frame (2)."""

    @property
    def span(self) -> int:
        """How many consecutive source frames a clip covers."""
        return (self.frames - 1) * self.stride + 1


SourceName = Literal[
    "class_folders", "csv", "kinetics", "ucf101", "bair", "webdataset", "hugging_face"
]
ColumnName = Annotated[str, Field(min_length=1)]


class TableColumns(Section):
    """Names of the columns of `index.table`; those that a source does not need may be missing."""

    path: ColumnName
    """File, relative to `root`."""
    label: ColumnName
    """Name of the class."""
    split: ColumnName
    """`train`, or `test`, `val` and the like for videos that are held out. Empty: a hash of the
    group decides."""
    group: ColumnName
    """Videos of one group never straddle train and test. Empty: the video is its own."""
    start: ColumnName
    """Seconds from the file's first frame at which the video begins. Empty: at the first."""
    end: ColumnName
    """Seconds at which it ends. Empty: with the file."""


class Index(Section):
    """Which videos there are, which are refused, and how they are split."""

    root: PathText
    """The raw data, which DVC compares: a folder, `s3://BUCKET/PREFIX`, or a listing of either that
    `dvdgan listing` wrote. Relative paths begin at the folder of the command."""
    source: SourceName
    """Layout of the raw data (docs/sources.md)."""
    table: PathText | None
    """CSV with the columns of `columns`, relative to `root`. `csv` needs it; `class_folders` takes
    splits and groups from it. null: none."""
    columns: TableColumns
    split_list: Annotated[int, Field(ge=1, le=3)]
    """Which of UCF-101's three pairs of train and test lists."""
    nested: bool
    """Take the videos in folders below a class folder; otherwise they are refused."""
    test_fraction: Annotated[float, Field(ge=0, le=0.5)]
    """Share of each class's groups held out as the test split."""
    seed: Seed
    """Decides which groups are held out."""
    min_short_side: Count
    """Refuse videos whose shorter side has fewer pixels."""
    max_pixels: Count
    """Refuse videos with more pixels per frame (width x height): a guard for memory."""
    timeout_s: Annotated[float, Field(gt=0)]
    """Refuse a video that takes longer to probe, in seconds."""
    keep_damaged: bool
    """Keep the frames before the first damage of a video that is truncated or damaged; otherwise it
    is refused."""
    max_refused: Fraction
    """Stop when a larger share of the videos is refused."""
    max_missing: Fraction
    """Stop when a larger share of the videos that a table names is not there."""


class Shard(Section):
    """How videos are stored for training."""

    short_side: Annotated[int, Field(ge=16, le=1024)]
    """Pixels of a stored frame's shorter side (paper A.1: equal to the resolution)."""
    quality: Annotated[int, Field(ge=50, le=100)]
    """JPEG quality of stored frames (4:4:4)."""
    videos_per_shard: Count
    """Videos in one tar file."""


class Features(Section):
    """What is measured, and the networks whose features are compared."""

    protocols: Annotated[list[ProtocolName], Field(min_length=1)]
    """How metrics are measured, by name (docs/stages/evaluate.md). The first one has FVD; it
    judges checkpoints and drift. No two have the same metric."""
    width: Annotated[int, Field(ge=4, le=128)]
    """Channels of the first layer of small_i3d; its pooled feature has 8 x width."""
    steps: Count
    """Optimiser steps of its training; the other networks come trained."""
    batch_size: Count
    """Clips per training step."""
    learning_rate: Rate
    """The highest rate of one cycle (Adam)."""
    seed: Seed
    """Initial weights and order of clips."""


class Reference(Section):
    """The real statistics generated clips are compared with."""

    clips_per_video: Count
    """Clips taken from each video, evenly spaced in time."""
    kept_clips: Annotated[int, Field(ge=MINIMUM_CLIPS)]
    """Clips of each split whose own features are kept, evenly spread: for nearest training clips,
    KVD, precision and recall, drift. Moments are of all."""


class Model(Section):
    """Generator and discriminators (paper 3, A.2, A.4, C)."""

    generator_channels: Annotated[int, Field(ge=1, le=256)]
    """ch of G: the layer constants are multiplied by it (paper: 128; 64 above 64 pixels or for 48
    frames)."""
    discriminator_channels: Annotated[int, Field(ge=1, le=256)]
    """ch of both discriminators, and of the network that reads conditioning frames (paper: 128)."""
    latent_dim: Count
    """Dimensions of z (paper: 120)."""
    class_dim: Count
    """Dimensions of the class embedding e(y) (paper: 120)."""
    recurrent_channels: Annotated[int | None, Field(ge=1)]
    """ch0, the channels of everything before G's residual network; null: the first layer constant
    times ch (paper: null in synthesis, 512 in frame prediction)."""
    recurrence: Literal["by_length", "multiplicative_conv_gru", "conv_gru"]
    """by_length: the paper's rule, conv_gru for 48 frames or more, multiplicative_conv_gru for
    fewer."""
    blocks: Literal["biggan", "biggan_deep"]
    """Residual blocks of all networks: BigGAN's (the paper's) or BigGAN-deep's bottlenecks (paper
    C)."""
    block_norm: Literal["per_step_batch", "batch", "group", "layer", "instance", "none"]
    """Statistics of the norms inside G's blocks (paper C). per_step_batch: of each time step alone
    (the paper's); batch: of all frames together; none: no normalisation, the affine stays."""
    output_norm: Literal["per_step_batch", "batch", "group", "layer", "instance", "none"]
    """The same for G's last norm; none is catastrophic (paper C)."""
    conditioning_frames: Annotated[int, Field(ge=0)]
    """C, the frames a clip begins with and G continues (paper A.4: 5 or 1); such a model knows no
    classes. 0: class-conditional synthesis."""
    discriminators: Literal["dual", "spatial", "temporal"]
    """dual: D_S and D_T (the paper's); or one of them alone."""
    spatial_frames: Count
    """k, the full-resolution frames D_S sees of each clip (paper: 8)."""
    phi: Literal["average_pool_2x2", "average_pool_4x4", "identity", "random_half_crop"]
    """What D_T sees of each clip (paper 4.3)."""


class Augmentation(Section):
    """Which part of a video a training clip is (paper 2.4, A.1)."""

    temporal_window: Literal["random", "center"]
    """Where in time a clip begins (paper: random)."""
    crop: Literal["random", "center"]
    """Where the square crop lies (paper: random)."""
    flip: bool
    """Flip half of the clips left to right (paper: false)."""


class Train(Section):
    """Optimisation (paper 2.2, A.3)."""

    steps: Count
    """Generator updates (paper: up to 300,000)."""
    batch_size: Annotated[int, Field(ge=2)]
    """Clips per update over all processes together (paper: 512)."""
    accumulation: Count
    """Equal parts in which each process works through its clips of one update, to need less memory.
    Gradients are those of the whole batch; G's batch norm sees one part at a time."""
    precision: Literal["fp32", "bf16", "fp16"]
    """Of the forward passes (autocast); weights, optimisers and losses stay in fp32. fp16 scales
    the losses of G and of D, each by a factor of its own."""
    augmentation: Augmentation
    """Windows and crops drawn for training."""
    max_damaged_shards: Annotated[int, Field(ge=0)]
    """Damaged tar files that are reported and skipped; one more stops the run."""
    discriminator_steps: Count
    """D updates per G update (paper: 2)."""
    generator_learning_rate: Rate
    """Of G's Adam (paper: 0.0001)."""
    discriminator_learning_rate: Rate
    """Of the Adam of both discriminators (paper: 0.0002)."""
    adam_beta1: Decay
    """Decay of Adam's first moment (ours, as BigGAN: 0)."""
    adam_beta2: Decay
    """Decay of Adam's second moment (ours, as BigGAN: 0.999)."""
    adam_epsilon: Annotated[float, Field(gt=0)]
    """Added to Adam's denominator (ours, as BigGAN: 0.000001)."""
    ema_decay: Decay
    """Decay of the average of G's weights used for sampling (paper: 0.9999)."""
    ema_start: Annotated[int, Field(ge=0)]
    """Step from which the average accumulates (paper: 20,000); before it equals the weights."""
    checkpoint_every: Count
    """Steps between checkpoints."""
    preview_every: Count
    """Steps between sample sheets of fixed latents."""
    seed: Seed
    """Initial weights, order of clips, windows, crops, latents, classes and frames drawn."""
    guard: Guard
    """Supervision of the run."""


class Export(Section):
    """The model bundle."""

    standing_batches: Count
    """Training-mode forwards that recompute the batch-norm statistics (BigGAN: 16)."""
    standing_batch_size: Annotated[int, Field(ge=2)]
    """Clips per such forward."""


class Evaluate(Section):
    """The numbers of the exported bundle."""

    samples: Annotated[int, Field(ge=MINIMUM_CLIPS)]
    """Generated clips; compare only numbers with equal counts."""
    seed: Seed
    """Latents of the generated clips."""
    truncations: list[Annotated[float, Field(gt=0, lt=1)]]
    """Standard deviations of z at which FID and IS are measured, too (paper 4.4), by a protocol
    that has both."""
    interpolation_lines: Annotated[int, Field(ge=0)]
    """Lines of videos between two latents, and as many between two classes (paper Figs. 8, 9), to
    look at and to see whether the model jumps (paper B.2)."""
    interpolation_videos: Annotated[int, Field(ge=3, le=32)]
    """Videos on a line, its ends included."""


class Monitor(Section):
    """Drift of generated against real per-clip features."""

    components: Annotated[int, Field(ge=1, le=64)]
    """Principal components of the real features that are compared."""
    drift_threshold: Annotated[float, Field(gt=0)]
    """A column drifts when its normed Wasserstein distance reaches this."""


class Report(Section):
    """The page a person looks at."""

    samples_per_class: Annotated[int, Field(ge=1, le=16)]
    """Generated clips of each class, beside as many real ones."""
    max_classes: Annotated[int, Field(ge=1, le=64)]
    """Classes shown, in the order of their names."""


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
    """What one training run was started with, kept in its folder: later edits of params.yaml do
    not reach it."""

    clip: Clip
    model: Model
    train: Train
    shards: str
    """Folders of the artefacts it reads."""
    features: str
    reference: str
    protocol: ProtocolName
    """Judges its checkpoints."""
    fingerprint: str
    """Of params, code and data."""
