"""The terms against sums by hand, simulations in plain loops, and numeric minimisation."""

from math import exp, inf, sqrt

import pytest

from dvdgan.scaling import equations
from dvdgan.scaling.hardware import (
    CARDS,
    FLOAT32_SHARE,
    H100_STEPS,
    TERA,
    Cluster,
)


@pytest.mark.parametrize("gpus", [2, 3, 8])
def test_a_ring_sends_what_its_steps_send(gpus: int) -> None:
    """Reduce-scatter and all-gather: n - 1 steps each, in which a GPU sends one of n pieces."""
    size, bandwidth = 1200, 10
    seconds = 0.0
    for _phase in ("reduce-scatter", "all-gather"):
        for _step in range(gpus - 1):
            seconds += (size / gpus) / bandwidth
    assert equations.ring_all_reduce_seconds(size, gpus, bandwidth) == pytest.approx(seconds)


def test_a_gather_passes_every_other_gpu_s_part() -> None:
    assert equations.all_gather_seconds(100, 5, 50) == 8


def test_one_gpu_exchanges_nothing() -> None:
    assert equations.ring_all_reduce_seconds(1e9, 1, 1) == 0
    assert equations.tree_latency(1, 1) == equations.ring_latency(1, 1) == 0


def test_latencies_are_nccl_s() -> None:
    """src/graph/tuning.cc by hand, microseconds."""
    assert equations.tree_latency(8, 1) == pytest.approx((4.4 + 2 * 7 * 0.52) * 1e-6)
    two_nodes = 4.4 + 2 * (7 * 0.52 * 1.8 + 1 * 5.0)
    assert equations.tree_latency(16, 2) == pytest.approx(two_nodes * 1e-6)
    many = 3.6 + (511 - 63) * 0.47 * 1.8 + 63 * 2.7
    assert equations.ring_latency(512, 64) == pytest.approx(many * 1e-6)


def test_passes_over_the_weights_by_a_loop() -> None:
    """Two updates of D, three parts: each pass over a network's weights is counted as it comes."""
    generator, discriminator, moved = 7, 11, 0
    for _update in range(2):
        for _part in range(3):
            moved += 5 * generator  # spectral norm of G's forward without gradients
            moved += (5 + 4) * discriminator
        moved += (18 + 7) * discriminator  # Adam; gradients
    for _part in range(3):
        moved += (5 + 4) * generator + 5 * discriminator
    moved += (18 + 7 + 3) * generator
    assert equations.weight_bytes(generator, discriminator, 2, 3) == 4 * moved


def test_operations_by_a_loop() -> None:
    launched = 0
    for _update in range(2):
        launched += 100 + 3 * 10
    launched += 3 * 100 + 3 * 10
    assert equations.step_operations(100, 10, 2) == launched


def test_gradients_hide_behind_the_backward_pass_but_for_the_last_bucket() -> None:
    assert equations.exposed_seconds(10, 6, 0.5, 4) == 7
    assert equations.exposed_seconds(10, 100, 0.5, 4) == 2.5
    assert equations.buckets(25 * 2**20) == 1
    assert equations.buckets(25 * 2**20 + 1) == 2


def test_a_checkpoint_pauses_for_its_copy_and_for_the_one_before() -> None:
    assert equations.checkpoint_pause(100, copy_rate=50, write_rate=10, interval=20) == 2
    assert equations.checkpoint_pause(100, copy_rate=50, write_rate=10, interval=4) == 2 + 6


def wall_time(interval: float, pause: float, between: float) -> float:
    """Daly's complete model: expected time for each second of work, restarts aside."""
    return between * (exp((interval + pause) / between) - 1) / interval


@pytest.mark.parametrize(("pause", "between"), [(0.15, 1e5), (30, 1e4), (600, 5000), (1, 10)])
def test_daly_s_interval_minimises_the_expected_time(pause: float, between: float) -> None:
    low, high = 1e-3, 20 * sqrt(2 * pause * between)
    for _ in range(200):  # golden section
        left, right = (low + share * (high - low) for share in (0.382, 0.618))
        if wall_time(left, pause, between) < wall_time(right, pause, between):
            high = right
        else:
            low = left
    daly = equations.daly_interval(pause, between)
    assert daly == pytest.approx(low, rel=0.01)
    assert wall_time(daly, pause, between) < 1.0001 * wall_time(low, pause, between)
    young = equations.young_interval(pause, between)
    assert wall_time(young, pause, between) >= wall_time(low, pause, between)
    assert young == pytest.approx(daly, rel=0.3)


def test_a_pause_longer_than_two_failures_apart_is_bounded() -> None:
    assert equations.daly_interval(20, 10) == 10


def test_failures_take_the_share_that_a_simulation_takes() -> None:
    """One failure every 100 s of wall-clock time loses 4 s: 96 s of each 100 s are kept."""
    work, wall, lost = 960.0, 0.0, 4.0
    while work > 0:
        work -= 100 - lost
        wall += 100
    share = equations.failure_share(lost, 100)
    assert 960 / (1 - share) == pytest.approx(wall)
    assert equations.failure_share(inf, 100) == 1


def test_the_h100_s_numbers_are_those_of_the_measured_steps() -> None:
    """Of 16 and 32 clips of table1_12x64: the difference is of clips, the rest of the weights."""
    (few, fast), (many, slow) = H100_STEPS
    multiply_adds, moved = 4282.6e9, 126.9e9  # a clip of a step, and weight_bytes
    rate = (many - few) * multiply_adds / (slow - fast)
    assert CARDS["h100"].rates["bf16"] == pytest.approx(rate, rel=0.002)
    rest = fast - few * multiply_adds / rate
    assert CARDS["h100"].weight_bandwidth == pytest.approx(moved / rest, rel=0.005)
    assert CARDS["h100"].rates["fp32"] == pytest.approx(FLOAT32_SHARE * 67 / 2 * TERA)


def test_failures_are_those_of_llama_3() -> None:
    cluster = Cluster()
    assert cluster.between_failures(16384) / 3600 == pytest.approx(54 * 24 / 419)
    assert cluster.between_failures(8) / 3600 == pytest.approx(6335, abs=1)
    assert (cluster.nodes(8), cluster.nodes(9), cluster.nodes(512)) == (1, 2, 64)
