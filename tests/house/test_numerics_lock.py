"""dvdgan/numerics.json is true, and it is the code that dvc.yaml depends on."""

from ruamel.yaml import YAML
from source_tree import ROOT

from dvdgan.provenance.lock import COMMAND, LOCK, lock_of
from dvdgan.provenance.modules import BEGINNINGS, PACKAGE, WITHOUT_INFLUENCE, stages
from dvdgan.provenance.source import digest, normalised
from dvdgan.storage.local import read_json

PIPELINE = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def test_the_lock_is_that_of_the_code() -> None:
    assert read_json(PACKAGE / LOCK) == lock_of(), f"run `{COMMAND}` and commit dvdgan/{LOCK}"


def test_every_stage_of_dvc_has_its_line() -> None:
    assert stages() == sorted(PIPELINE)


def test_no_stage_depends_on_code_in_another_way() -> None:
    for name, stage in PIPELINE.items():
        assert [dep for dep in stage.get("deps", ()) if "dvdgan" in dep] == [], name


def test_what_is_declared_exists() -> None:
    for name in (*WITHOUT_INFLUENCE, *BEGINNINGS.values()):
        assert (PACKAGE / name).exists(), name


def test_what_a_run_keeps_of_a_module_is_the_same_to_it() -> None:
    for path in sorted(PACKAGE.glob("*/*.py")):
        source = path.read_text(encoding="utf-8")
        assert digest(normalised(source)) == digest(source), path
