"""`dvdgan export --pt2`: the program gives the sampler's clips where this package is not.

Clips of two frames: the loop over time is unrolled, and tracing takes seconds for each frame.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_sample_command import CLASSES, SIDE, write

import dvdgan.cli
from dvdgan.export.program import exported
from dvdgan.export.sampler import Sampler
from dvdgan.models.latent import numbered_latents

T, C = 2, 1
PAGE = (Path(__file__).parents[2] / "docs" / "sampling.md").read_text(encoding="utf-8")
*WITH_SAMPLER, WITHOUT = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

# The page's last block, and then clips whose latents are known.
ALONE = f"""
import sys
sys.modules["dvdgan"] = None  # `import dvdgan` raises ImportError
{WITHOUT}
assert videos.shape[:2] == (4, {T})
import numpy
latents = torch.from_numpy(numpy.load("latents.npy"))
labels = torch.tensor([2, 0, 1, 1, 2])
numpy.save("clips.npy", program(latents, labels).numpy())
numpy.save("one.npy", program(latents[:1], labels[:1]).numpy())
print(config["classes"])
"""


def is_close(made: np.ndarray | torch.Tensor, expected: torch.Tensor) -> bool:
    """Another batch size adds up in another order: a level may differ by 1."""
    distance = (torch.as_tensor(made).int() - expected.int()).abs()
    return bool(distance.max() <= 1 and distance.float().mean() < 1e-3)


def test_the_program_gives_the_sampler_s_clips_without_this_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    sampler = Sampler.load(write(tmp_path / "artifacts" / "model", frames=T))
    monkeypatch.setattr(sys, "argv", ["dvdgan", "export", "--pt2", "generator.pt2"])
    with pytest.raises(SystemExit) as ended:
        dvdgan.cli.main()
    assert not ended.value.code
    np.save("latents.npy", numbered_latents(3, 0, 5, 8).numpy())
    done = subprocess.run([sys.executable, "-c", ALONE], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(CLASSES)
    expected = sampler.sample(torch.tensor([2, 0, 1, 1, 2]), seed=3)
    assert is_close(np.load("clips.npy"), expected)
    assert is_close(np.load("one.npy"), expected[:1])
    assert expected.float().std() > 5


def test_the_page_s_code_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "artifacts" / "model", frames=T)
    names: dict[str, Any] = {}
    for block in WITH_SAMPLER:
        exec(block, names)
    shapes = {name: tuple(names[name].shape)[:2] for name in ("videos", "walk", "classes")}
    assert shapes == {"videos": (3, T), "walk": (15, T), "classes": (8, T)}


def test_the_program_of_a_prediction_takes_the_frames_to_continue(tmp_path: Path) -> None:
    sizes = {"classes": 0, "conditioning_frames": C, "encoder_channels": 1}
    folder = write(tmp_path / "bundle", frames=T, **sizes)
    sampler = Sampler.load(folder)
    (tmp_path / "model.pt2").write_bytes(exported(sampler, json.dumps({})))
    program = torch.export.load(tmp_path / "model.pt2").module()
    frames = torch.randint(256, (3, C, 3, SIDE, SIDE), dtype=torch.uint8)
    labels = torch.zeros(3, dtype=torch.int64)
    made = program(numbered_latents(0, 0, 3, 8), labels, frames)
    assert made.shape == (3, T, 3, SIDE, SIDE) and made.dtype == torch.uint8
    assert is_close(made, sampler.sample(labels, 0, conditioning=frames))
    assert torch.equal(made[:, :C], frames)
