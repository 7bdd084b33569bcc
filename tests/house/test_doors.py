"""One door per package: to upgrade a library, open one folder or one file."""

import functools
import re
import tomllib

from source_tree import ROOT, Import, imports, outside, python_files

DOORS: dict[str, str | tuple[str, ...]] = {
    "PIL": "dvdgan/video/",
    "accelerate": "dvdgan/training/",
    "annotated_types": "dvdgan/config/",
    "av": "dvdgan/video/",
    "boto3": "dvdgan/storage/",
    "botocore": "dvdgan/storage/",
    "cycler": "dvdgan/reporting/",
    "dvc": (
        *("flows/graph.py", "dvdgan/review/pipeline.py"),
        *("dvdgan/storage/previous_output.py", "dvdgan/doctor/dvc_project.py"),
    ),
    "dvc_data": ("dvdgan/review/pipeline.py", "dvdgan/storage/previous_output.py"),
    "evidently": "dvdgan/monitoring/",
    "fastapi": "dvdgan/serving/",
    "filelock": "dvdgan/guard/run_lock.py",
    "google": "dvdgan/data/tfrecord.py",
    "google_crc32c": "dvdgan/storage/masked_crc32c.py",
    "jinja2": "dvdgan/reporting/",
    "markupsafe": "dvdgan/reporting/",
    "matplotlib": "dvdgan/reporting/",
    "networkx": ("flows/graph.py", "dvdgan/review/pipeline.py"),
    "pandas": "dvdgan/monitoring/",
    "pebble": "dvdgan/data/",
    "prefect": "flows/",
    "prefect_dask": "flows/preprocess.py",
    "psutil": ("dvdgan/doctor/", "dvdgan/guard/"),
    "pyarrow": "dvdgan/data/",
    "pydantic": "dvdgan/config/",
    "pydantic_core": "dvdgan/config/",
    "ruamel": "dvdgan/yaml_file.py",
    "s3transfer": "dvdgan/storage/s3.py",
    "simplejpeg": "dvdgan/video/",
    "tqdm": "dvdgan/progress.py",
    "typer": "dvdgan/cli/",
    "uvicorn": "dvdgan/serving/",
    "wandb": "dvdgan/training/trackers.py",
    "webdataset": "dvdgan/data/",
}
# The language of the networks: numbers, tensors, and the file they are kept in.
EVERYWHERE = {"numpy", "safetensors", "torch"}


@functools.cache
def used() -> list[Import]:
    return [each for file in python_files("dvdgan", "flows") for each in outside(imports(file))]


def test_every_package_comes_in_by_its_door() -> None:
    doors = [
        door for each in DOORS.values() for door in ([each] if isinstance(each, str) else each)
    ]
    assert [door for door in doors if not (ROOT / door).exists()] == []
    known = [each for each in used() if each.package in DOORS]
    assert {each.package for each in known} == DOORS.keys(), "an unused door: take it off the list"
    beside = [str(each) for each in known if not str(each.file).startswith(DOORS[each.package])]
    assert beside == []


def test_every_package_has_a_door() -> None:
    assert {each.package for each in used()} <= DOORS.keys() | EVERYWHERE


def test_every_declared_dependency_is_pinned_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {one_spelling(re.split(r"[\[<>=!~ ]", line)[0]) for line in declared}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^([\w.-]+)==", lock, flags=re.MULTILINE)
    assert names <= {one_spelling(name) for name in pinned}


def one_spelling(name: str) -> str:
    """ruamel.yaml, ruamel-yaml and ruamel_yaml are one package."""
    return re.sub(r"[-_.]+", "-", name).lower()
