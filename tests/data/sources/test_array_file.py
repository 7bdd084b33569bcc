"""Arrays of clips: an ambiguous one is refused with the missing option, others are read."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dvdgan.data.sources.array_file import ArrayFile
from dvdgan.errors import UserError

RNG = np.random.default_rng(0)
CLIPS = RNG.integers(0, 256, (5, 4, 3, 16, 16)).astype(np.uint8)  # N, T, C, H, W
SIGNED = (CLIPS / 127.5 - 1).astype(np.float32)
AXES = {"NTCHW": (0, 1, 2, 3, 4), "NTHWC": (0, 1, 3, 4, 2), "NCTHW": (0, 2, 1, 3, 4)}


def saved(folder, array, name="clips.npy"):
    path = folder / name
    np.save(path, array)
    return path


def read_all(source):
    clips, labels, refused = source.read(0, len(source))
    assert refused == []
    return clips.numpy(), labels.tolist()


@pytest.mark.parametrize("layout", AXES)
def test_a_layout_is_recognised_by_its_three_channels(tmp_path, layout):
    source = ArrayFile(saved(tmp_path, CLIPS.transpose(AXES[layout])))
    assert (len(source), source.shape, source.classes) == (5, (4, 16), None)
    clips, labels = read_all(source)
    assert np.array_equal(clips, CLIPS)
    assert labels == [-1] * 5
    part = source.read(3, 9)
    assert np.array_equal(part.clips.numpy(), CLIPS[3:])


@pytest.mark.parametrize(
    ("kind", "save"),
    [
        ("npz", lambda path, clips, labels: np.savez(path, anything=clips, labels=labels)),
        (
            "pt",
            lambda path, clips, labels: torch.save(
                {"clips": torch.tensor(clips), "labels": torch.tensor(labels)}, path
            ),
        ),
        (
            "safetensors",
            lambda path, clips, labels: save_file(
                {"clips": torch.tensor(clips), "labels": torch.tensor(labels)}, path
            ),
        ),
    ],
)
def test_other_files_hold_the_same_clips_and_their_labels(tmp_path, kind, save):
    path = tmp_path / f"clips.{kind}"
    save(path, CLIPS, np.array([3, 1, 0, 2, 1]))
    clips, labels = read_all(ArrayFile(path))
    assert np.array_equal(clips, CLIPS)
    assert labels == [3, 1, 0, 2, 1]


def test_a_tensor_alone_in_a_pt_file(tmp_path):
    torch.save(torch.tensor(CLIPS), tmp_path / "clips.pt")
    assert np.array_equal(read_all(ArrayFile(tmp_path / "clips.pt"))[0], CLIPS)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_come_back_as_the_levels_they_were(tmp_path, dtype):
    if dtype is not np.float16:  # which has no 256 levels near -1
        source = ArrayFile(saved(tmp_path, SIGNED.astype(dtype)))
        assert np.array_equal(read_all(source)[0], CLIPS)
    unit = (CLIPS / 255).astype(dtype)
    source = ArrayFile(saved(tmp_path, unit), value_range="[0, 1]")
    assert np.array_equal(read_all(source)[0], CLIPS)


def test_halves_are_rounded_to_even_as_the_sampler_does(tmp_path):
    levels = np.array([0.5, 1.5, 2.5, 254.5], np.float32)
    clips = np.zeros((1, 4, 3, 2, 2), np.float32) + levels[None, :, None, None, None]
    read = read_all(ArrayFile(saved(tmp_path, clips), value_range="[0, 255]"))[0]
    assert read[0, :, 0, 0, 0].tolist() == [0, 2, 2, 254]


@pytest.mark.parametrize(
    ("array", "options", "what", "todo"),
    [
        (
            np.zeros((2, 3, 3, 8, 8), np.uint8),
            {},
            "NTCHW and NCTHW",
            "--generated-layout NTCHW | NCTHW",
        ),
        (np.zeros((2, 3, 8, 8, 3), np.uint8), {}, "NTHWC and NCTHW", "--generated-layout"),
        (
            np.zeros((2, 4, 8, 8, 5), np.uint8),
            {},
            "no possible axis of 3 channels",
            "--generated-layout",
        ),
        (np.zeros((2, 4, 9, 9), np.uint8), {}, "one array of 5 axes", "array[..., None]"),
        (np.zeros((2, 4, 3, 8, 6), np.uint8), {}, "6x8 pixels", "square"),
        (np.zeros((4, 8, 8, 3), np.uint8), {}, "one array of 5 axes", "one array"),
        (CLIPS.astype(np.int64), {}, "not int64", "uint8"),
        (CLIPS.astype(np.float32), {}, "from 0 to 255", '"[0, 255]"'),
        ((CLIPS / 255).astype(np.float32), {}, "may be all of", '"[0, 1]"'),
        (SIGNED * 1.5, {}, "from -1.5 to 1.5", "scale"),
        (SIGNED, {"value_range": "[0, 1]"}, "must lie in [0, 1]", "[-1, 1]"),
        (CLIPS, {"value_range": "[0, 1]"}, "always have the range", "--generated-range"),
        (CLIPS, {"value_range": "[0, 1]", "side": "real"}, "always have the range", "--real-range"),
        (CLIPS, {"layout": "NTHWC"}, "16 channels", "--generated-layout"),
    ],
)
def test_what_is_not_clear_is_asked(tmp_path, array, options, what, todo):
    with pytest.raises(UserError) as caught:
        ArrayFile(saved(tmp_path, array), **options)
    assert what in caught.value.what
    assert todo in caught.value.todo


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_with_its_place(tmp_path, value):
    clips = np.concatenate([SIGNED] * 20)  # beyond one chunk
    clips[97, 1, 2, 5, 3] = value
    with pytest.raises(UserError, match=r"\(97, 1, 2, 5, 3\) is (nan|inf)"):
        ArrayFile(saved(tmp_path, clips))


def test_a_bright_set_may_be_declared(tmp_path):
    bright = np.abs(SIGNED)
    source = ArrayFile(saved(tmp_path, bright), value_range="[-1, 1]")
    assert read_all(source)[0].min() >= 127


class Evil:
    def __reduce__(self):
        return (print, ("this ran",))


def test_nothing_runs_on_opening_a_file(tmp_path, capsys):
    np.save(tmp_path / "evil.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "evil.npz", clips=np.array([Evil()], dtype=object))
    torch.save({"clips": Evil()}, tmp_path / "evil.pt")
    (tmp_path / "noise.safetensors").write_bytes(RNG.bytes(500))
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "text.npy").write_text("no array")
    kinds = ("evil.npy", "evil.npz", "evil.pt", "noise.safetensors", "text.npz", "text.npy")
    for name in kinds:
        with pytest.raises(UserError, match="cannot be read") as caught:
            ArrayFile(tmp_path / name)
        assert ("pickle" in caught.value.todo) == name.startswith("evil")
    assert "this ran" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "safetensors"])
def test_a_truncated_file_is_called_that_with_its_lengths(tmp_path, kind):
    path = tmp_path / f"clips.{kind}"
    {
        "npy": lambda: np.save(path, CLIPS),
        "npz": lambda: np.savez(path, clips=CLIPS),
        "pt": lambda: torch.save(torch.tensor(CLIPS), path),
        "safetensors": lambda: save_file({"clips": torch.tensor(CLIPS)}, path),
    }[kind]()
    whole = path.read_bytes()
    assert np.array_equal(read_all(ArrayFile(path))[0], CLIPS)
    for length in (1, 6, 40, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=f"truncated: {length:,} bytes") as caught:
            ArrayFile(path)
        assert "pickle" not in str(caught.value)
    assert kind in ("npz", "pt") or f"{len(whole):,} are expected" in caught.value.what
    path.write_bytes(b"")
    with pytest.raises(UserError, match="the file is empty"):
        ArrayFile(path)


@pytest.mark.parametrize("layout", AXES)
def test_grey_clips_and_a_constant_alpha_become_rgb(tmp_path, layout):
    five = [0, 1, 2, 3, 0]  # frames: four could be taken for the channels
    grey = CLIPS[:, five, :1]
    read = read_all(ArrayFile(saved(tmp_path, grey.transpose(AXES[layout]))))[0]
    assert np.array_equal(read, np.repeat(grey, 3, axis=2))
    for alpha, clips in ((255, CLIPS[:, five]), (1.0, SIGNED[:, five])):
        opaque = np.concatenate([clips, np.full_like(clips[:, :, :1], alpha)], axis=2)
        source = ArrayFile(saved(tmp_path, opaque.transpose(AXES[layout])))
        assert np.array_equal(read_all(source)[0], CLIPS[:, five])
    opaque[3, 2, 3, 1, 0] = 0.5
    with pytest.raises(UserError, match=r"alpha\) goes from 0.5 to 1") as caught:
        ArrayFile(saved(tmp_path, opaque.transpose(AXES[layout])), layout)
    assert "background" in caught.value.todo


def test_labels_must_fit_their_clips(tmp_path):
    np.savez(tmp_path / "clips.npz", clips=CLIPS, labels=np.zeros(4, np.int64))
    with pytest.raises(UserError, match="labels must be 5 integers"):
        ArrayFile(tmp_path / "clips.npz")
    np.savez(tmp_path / "two.npz", a=CLIPS, b=CLIPS)
    with pytest.raises(UserError, match=r"a \(5, 4, 3, 16, 16\), b"):
        ArrayFile(tmp_path / "two.npz")


def test_the_fingerprint_follows_content_layout_and_range(tmp_path):
    one = ArrayFile(saved(tmp_path, CLIPS)).fingerprint()
    assert ArrayFile(saved(tmp_path, CLIPS, "other.npy")).fingerprint() == one
    changed = CLIPS.copy()
    changed[-1, -1, -1, -1, -1] ^= 1
    assert ArrayFile(saved(tmp_path, changed)).fingerprint() != one
