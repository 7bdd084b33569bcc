"""The reader of TensorFlow checkpoints: a written one comes back; damage is named."""

import numpy as np
import pytest
from published_weights import masked, variable_table, write_checkpoint, write_index

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.catalogue import RGB_IMAGENET, RGB_SCRATCH_KIN600
from dvdgan.evaluation.networks.tensorflow_checkpoint import (
    checkpoint_prefix,
    identity,
    read_index,
    read_tensors,
)
from dvdgan.storage.masked_crc32c import masked_crc32c


@pytest.fixture
def prefix(tmp_path):
    return tmp_path / "some" / "model.ckpt"


def some_tensors(count=120):
    generator = np.random.default_rng(0)
    return {
        f"part_{number % 7}/layer_{number}/w": generator.standard_normal(
            (1 + number % 3, 2, number % 5 + 1)
        ).astype(np.float32)
        for number in range(count)
    } | {"scalar": np.float32(3).reshape(())}


def test_tensors_come_back(prefix):
    tensors = some_tensors()
    write_checkpoint(prefix, tensors)
    index = read_index(prefix)
    assert index.keys() == tensors.keys()
    found = read_tensors(prefix, index.values())
    for name, array in tensors.items():
        assert np.array_equal(found[name], array) and found[name].shape == array.shape


def test_the_checksum_is_castagnoli_masked_as_leveldb_does():
    crc = 0xE3069283  # of these digits, RFC 3720
    rotated = (crc >> 15) | (crc << 17) & 0xFFFFFFFF
    assert masked_crc32c(b"123456789") == (rotated + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize("name", ["", "model.ckpt", "model.ckpt.index"])
def test_a_checkpoint_may_be_named_by_its_folder_or_a_file(prefix, name):
    write_checkpoint(prefix, some_tensors(3))
    prefix.with_name("._model.ckpt.index").write_bytes(b"a copy by macOS")
    assert checkpoint_prefix(prefix.parent / name) == prefix


@pytest.mark.parametrize(("classes", "known"), [(400, RGB_IMAGENET), (600, RGB_SCRATCH_KIN600)])
def test_the_official_tables_are_read_and_recognised(prefix, classes, known):
    table = variable_table(classes)
    prefix.parent.mkdir()
    write_index(
        prefix,
        {
            each["name"]: (each["shape"], each["offset"], each["nbytes"], each["masked_crc32c"])
            for each in table
        },
    )
    index = read_index(prefix)
    assert len(index) == len(table)
    for each in table:
        found = index[each["name"]]
        assert (list(found.shape), found.offset, found.size) == (
            each["shape"],
            each["offset"],
            each["nbytes"],
        )
    inference = [each for name, each in index.items() if not name.endswith("/Momentum")]
    assert identity(inference) == known
    assert identity(reversed(inference)) == known
    assert identity(inference[1:]) != known


def test_an_altered_or_short_data_file_is_named_tensor_by_tensor(prefix):
    write_checkpoint(prefix, {"a": np.ones(4, np.float32), "b": np.ones((2, 2), np.float32)})
    data = prefix.with_name("model.ckpt.data-00000-of-00001")
    content = bytearray(data.read_bytes())
    content[1] ^= 1
    data.write_bytes(content)
    with pytest.raises(UserError, match=r"1 tensors are cut off or altered: a\n"):
        read_tensors(prefix, read_index(prefix).values())
    data.write_bytes(data.read_bytes()[:20])
    with pytest.raises(UserError, match="2 tensors are cut off or altered: a, b"):
        read_tensors(prefix, read_index(prefix).values())
    data.unlink()
    with pytest.raises(UserError, match="data file"):
        read_tensors(prefix, read_index(prefix).values())


def test_every_damage_of_an_index_is_a_user_error(prefix):
    write_checkpoint(prefix, some_tensors(20))
    path = prefix.with_name("model.ckpt.index")
    whole = path.read_bytes()
    # The footer's padding and the empty metaindex block mean nothing.
    for place in range(0, len(whole) - 100, 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="not a complete index"):
            read_index(prefix)
    for length in (0, 10, 47, 48, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="not a complete index"):
            read_index(prefix)
    path.unlink()
    with pytest.raises(UserError, match="index file"):
        read_index(prefix)


def test_the_writer_of_these_tests_masks_as_the_reader():
    assert masked(b"123456789") == masked_crc32c(b"123456789")
