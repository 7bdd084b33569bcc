"""How the frames to continue become a first state and skips (paper A.4, Fig. 10)."""

import numpy as np
import pytest
import torch
from plain_numpy import array, relu, through

from dvdgan.models.architecture import Blocks, GeneratorArchitecture
from dvdgan.models.frame_encoder import FrameEncoder, SkipConnection
from dvdgan.models.generator import Generator
from dvdgan.models.meta import without_memory

FRAMES, STATE = 3, 10
WIDTHS = {16: 4, 8: 8, 4: 16}  # of the stages at 32 pixels with ch = 1, by resolution


@pytest.fixture(params=["biggan", "biggan_deep"])
def encoder(request: pytest.FixtureRequest) -> FrameEncoder:
    blocks: Blocks = request.param
    return FrameEncoder(
        FRAMES, resolution=32, channels=1, state_channels=STATE, blocks=blocks
    ).eval()


def frames() -> torch.Tensor:
    return torch.rand(2, FRAMES, 3, 32, 32) * 2 - 1


def test_the_state_is_a_1x1_convolution_of_all_frames_features(encoder: FrameEncoder) -> None:
    given = frames()
    state = encoder(given).state
    assert state.shape == (2, STATE, 4, 4)
    weight, bias = array(encoder.state.weight)[:, :, 0, 0], array(encoder.state.bias)
    assert weight.shape == (STATE, FRAMES * 16)
    for clip in range(2):
        features = [array(encoder.tower(given[clip, [i]])[-1][0]) for i in range(FRAMES)]
        joined = relu(np.concatenate(features))
        for i, j in np.ndindex(4, 4):
            expected = weight @ joined[:, i, j] + bias
            np.testing.assert_allclose(array(state)[clip, :, i, j], expected, atol=1e-4)


def test_skips_are_every_resolution_s_features_frame_after_frame(encoder: FrameEncoder) -> None:
    given = frames()
    skips = encoder(given).skips
    assert {size: maps.shape[1] for size, maps in skips.items()} == encoder.skip_channels
    assert encoder.skip_channels == {size: FRAMES * width for size, width in WIDTHS.items()}
    for clip, frame in np.ndindex(2, FRAMES):
        # Of the two stages at 4 x 4, the later one is what skips[4] holds.
        alone = {maps.shape[-1]: maps[0] for maps in encoder.tower(given[clip, frame][None])}
        for size, width in WIDTHS.items():
            part = skips[size][clip, width * frame : width * (frame + 1)]
            torch.testing.assert_close(part, alone[size])


def test_a_frame_moves_its_own_channels_alone(encoder: FrameEncoder) -> None:
    given = frames()
    moved = given.clone()
    moved[1, 2] = frames()[0, 0]
    before, after = encoder(given), encoder(moved)
    for size, width in WIDTHS.items():
        change = (before.skips[size] - after.skips[size]).abs().amax(dim=(2, 3))
        change = change.view(2, FRAMES, width)
        assert change[1, 2].max() > 1e-3
        change[1, 2] = 0
        assert (change == 0).all()
    change = (before.state - after.state).abs().amax(dim=(1, 2, 3))
    assert change[0] == 0
    assert change[1] > 1e-3


def test_a_skip_is_a_convolution_of_both_side_by_side() -> None:
    skip = SkipConnection(channels=4, skip_channels=3).eval()
    x, joined = torch.randn(2, 5, 4, 6, 6), torch.randn(2, 3, 6, 6)
    got = array(skip(x, joined))
    assert skip.conv.weight.shape == (4, 7, 3, 3)
    for clip, step in np.ndindex(2, 5):
        both = np.concatenate([array(x[clip, step]), array(joined[clip])])
        np.testing.assert_allclose(got[clip, step], through(skip.conv, both), atol=2e-5)


def test_a_skip_uses_the_weight_it_leaves_behind_in_training() -> None:
    skip = SkipConnection(channels=4, skip_channels=3).train()
    torch.nn.init.normal_(skip.conv.parametrizations.weight.original)
    x, joined = torch.randn(1, 2, 4, 6, 6), torch.randn(1, 3, 6, 6)
    got = array(skip(x, joined)[0, 1])
    skip.eval()
    both = np.concatenate([array(x[0, 1]), array(joined[0])])
    np.testing.assert_allclose(got, through(skip.conv, both), atol=2e-5)


# Channels of every stage of G (ch = 2) and of the skip of its size (ch = 3, by hand from Fig. 10).
SKIPS = {
    32: {4: (16, 16), 8: (16, 8), 16: (8, 4)},
    64: {4: (16, 16), 8: (16, 8), 16: (16, 4), 32: (8, 2)},
    128: {4: (32, 16), 8: (32, 8), 16: (16, 4), 32: (8, 2), 64: (4, 1)},
    256: {4: (32, 16), 8: (32, 8), 16: (16, 8), 32: (16, 4), 64: (8, 2), 128: (4, 1)},
}


@pytest.mark.parametrize("resolution", list(SKIPS))
def test_every_stage_is_joined_by_the_features_of_its_size(resolution: int) -> None:
    with without_memory():
        generator = Generator(
            GeneratorArchitecture(
                classes=0,
                resolution=resolution,
                frames=6,
                channels=2,
                recurrent_channels=5,
                conditioning_frames=2,
                encoder_channels=3,
            )
        )
    shapes = [stage.skip.conv.weight.shape for stage in generator.stages]
    assert shapes == [
        (width, width + 2 * 3 * joined, 3, 3) for width, joined in SKIPS[resolution].values()
    ]
    assert generator.encoder.state.weight.shape == (5, 2 * 3 * 16, 1, 1)
    sizes: list[tuple[int, int]] = []
    for stage in generator.stages:
        stage.skip.register_forward_hook(
            lambda _, args, __: sizes.append((args[0].shape[-1], args[1].shape[-1]))
        )
    with without_memory():
        given = torch.empty(2, 2, 3, resolution, resolution)
        generator(torch.empty(2, 120), torch.zeros(2, dtype=torch.int64), given)
    assert sizes == [(size, size) for size in SKIPS[resolution]]
