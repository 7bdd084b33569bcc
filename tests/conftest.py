"""Fixtures that more than one folder of tests uses."""

import tarfile
from pathlib import Path

import pytest

from dvdgan.data.synthetic import write_synthetic

SHARED_DATA = Path(__file__).resolve().parents[1] / "../shared/data"


@pytest.fixture(scope="session")
def synthetic_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four classes with three 64 x 64 videos of 32 frames each."""
    root = tmp_path_factory.mktemp("synthetic") / "videos"
    write_synthetic(root, videos_per_class=3)
    return root


@pytest.fixture(scope="session")
def hostile_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The awkward and damaged files of hostile.tar, unpacked into one folder."""
    archive = SHARED_DATA / "hostile.tar"
    if not archive.is_file():
        pytest.skip(f"{archive} is not here")
    folder = tmp_path_factory.mktemp("hostile")
    with tarfile.open(archive) as tar:
        # Links that dangle or loop are part of the test, hence no filter.
        tar.extractall(folder, filter="fully_trusted")
    return folder / "hostile"


@pytest.hookimpl(tryfirst=True)  # xdist's own hook reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one worker, and all tests of the pipeline: they share work trees."""
    for item in items:
        name = "pipeline" if item.path.parent.name == "pipeline" else item.path.as_posix()
        item.add_marker(pytest.mark.xdist_group(name))
