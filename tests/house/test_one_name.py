"""One name for one thing: a verb is a stage is a file is a section is a page."""

import ast

import pytest
from ruamel.yaml import YAML
from source_tree import ROOT, python_files

from dvdgan.cli import app
from dvdgan.config import Config

PIPELINE = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_stage_is_a_verb_a_file_a_section_and_a_page(stage: str) -> None:
    assert PIPELINE[stage]["cmd"] == f"exec dvdgan {stage}"
    assert stage in {command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    assert (ROOT / "dvdgan" / "stages" / f"{stage}.py").is_file()
    assert stage in Config.model_fields
    assert (ROOT / "docs" / "stages" / f"{stage}.md").is_file()
    *keys, code = PIPELINE[stage]["params"]
    assert stage in {key.partition(".")[0] for key in keys}
    assert code == {"dvdgan/numerics.json": [f"stages.{stage}"]}


def test_there_is_no_stage_file_or_page_without_a_stage() -> None:
    files = {path.stem for path in python_files("dvdgan/stages")} - {"__init__", "artefacts"}
    pages = {path.stem for path in (ROOT / "docs" / "stages").glob("*.md")}
    assert files == pages == set(PIPELINE)


def test_every_section_belongs_to_a_stage_or_is_shared() -> None:
    assert set(Config.model_fields) - set(PIPELINE) == {"clip", "model"}


def test_the_stages_are_listed_in_dvc_yaml_alone() -> None:
    for path in python_files("dvdgan", "flows"):
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
                items = node.keys if isinstance(node, ast.Dict) else node.elts
                named = {item.value for item in items if isinstance(item, ast.Constant)}
                assert len(named & PIPELINE.keys()) < 2, f"{path}:{node.lineno} lists stages"


def test_the_deployments_name_no_stage() -> None:
    deployments = YAML(typ="safe").load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    names = {each["name"] for each in deployments["deployments"]}
    assert not names & PIPELINE.keys()
