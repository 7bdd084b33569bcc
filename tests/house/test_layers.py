"""Who may import whom: a tower in which nothing points up."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

from source_tree import ROOT, Import, imports, outside, python_files

# From the ground up; a part may import parts below it and itself.
TOWER = [
    {"errors", "progress", "protocols", "streams"},
    {"storage", "yaml_file", "yaml_problems"},
    {"machine", "provenance"},
    {"config", "guard", "models", "video"},
    {"data", "evaluation", "models.build", "monitoring", "reporting"},
    {"comparison", "export", "training"},
    {"doctor", "review", "serving", "stages"},
    {"scaling"},
    {"cli"},
    {"__main__"},
]
LEVEL = {part: level for level, parts in enumerate(TOWER) for part in parts}
PACKAGE = [file for file in python_files("dvdgan") if file != Path("dvdgan/__init__.py")]


def part(module: str) -> str:
    """dvdgan.models.build -> models.build; dvdgan.data.loader -> data."""
    name = module.removeprefix("dvdgan.")
    return name if name in LEVEL else name.partition(".")[0]


def part_of(file: Path) -> str:
    return part(".".join(file.with_suffix("").parts))


def own_imports(file: Path) -> list[Import]:
    return [each for each in imports(file) if each.module.startswith("dvdgan.")]


def test_the_tower_names_every_part() -> None:
    assert {part_of(file) for file in PACKAGE} == set(LEVEL)


def test_nothing_points_up_or_sideways() -> None:
    wrong = []
    for file in PACKAGE:
        here = part_of(file)
        for each in own_imports(file):
            there = part(each.module)
            # Sections of the config may be named as types by anyone beside or above it.
            as_type = each.for_types and there == "config"
            if there != here and LEVEL[there] >= LEVEL[here] + as_type:
                wrong.append(str(each))
    assert wrong == []


def test_the_networks_know_torch_and_themselves_alone() -> None:
    for file in python_files("dvdgan/models"):
        for each in own_imports(file):
            typed = file.name == "build.py" and each.for_types
            assert typed or part(each.module) in ("models", "models.build"), each
        for each in outside(imports(file)):
            assert each.package == "torch", each


def test_a_stage_imports_no_stage() -> None:
    for file in python_files("dvdgan/stages"):
        for each in own_imports(file):
            if each.module.startswith("dvdgan.stages"):
                assert each.module == "dvdgan.stages.artefacts", each


def test_only_the_stages_see_the_whole_config() -> None:
    for file in PACKAGE:
        if part_of(file) in ("config", "stages"):
            continue
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        names = [
            name.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dvdgan.config")
            for name in node.names
        ]
        assert "Config" not in names, file


def test_flows_see_prefect_dvc_and_five_parts_of_the_package() -> None:
    for file in python_files("flows"):
        for each in imports(file):
            if each.package == "dvdgan":
                assert part(each.module) in ("config", "errors", "guard", "machine", "storage"), (
                    each
                )
        for each in outside(imports(file)):
            reads_dvc = file.name == "graph.py"
            allowed = {"dvc", "networkx"} if reads_dvc else {"prefect", "prefect_dask"}
            assert each.package in allowed, each


def test_the_package_never_imports_the_flows() -> None:
    for file in PACKAGE:
        assert all(each.package != "flows" for each in imports(file)), file


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports inside functions count; those for type checkers alone do not."""
    graph = {
        ".".join(file.with_suffix("").parts): {
            each.module for each in imports(file) if not each.for_types
        }
        for file in python_files("dvdgan", "flows")
    }
    graph = {module: imported & graph.keys() - {module} for module, imported in graph.items()}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, which names the cycle
