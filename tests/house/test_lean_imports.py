"""What is imported, and when: quick commands stay quick, and networks need torch alone."""

import subprocess
import sys

from source_tree import ROOT

# What a machine that only trains or samples may lack.
PIPELINE_ONLY = [
    "PIL",
    "av",
    "dvc",
    "evidently",
    "google_crc32c",
    "jinja2",
    "matplotlib",
    "pandas",
    "pebble",
    "prefect",
    "pyarrow",
    "pydantic",
    "ruamel",
    "simplejpeg",
    "typer",
    "webdataset",
]

LEAN_PACKAGES = ["dvdgan.models", "dvdgan.evaluation", "dvdgan.evaluation.networks"]
LEAN_MODULES = [
    *(
        f"dvdgan.training.{name}"
        for name in ("ema", "sampling_rng", "state", "train_step", "checkpoint", "runtime")
    ),
    "dvdgan.export.sampler",
]

IMPORT_ALL_BUT = """
import importlib, pkgutil, sys
blocked, packages, modules = (words.split(",") for words in sys.argv[1:])
for name in blocked:
    sys.modules[name] = None  # `import name` then raises ImportError
for package in packages:
    path = importlib.import_module(package).__path__
    modules += [f"{package}.{each.name}" for each in pkgutil.iter_modules(path)]
for module in modules:
    importlib.import_module(module)
print(len(modules))
"""

LOADED_BY = """
import contextlib, sys
with contextlib.suppress(SystemExit):
    exec(sys.argv[1])
print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(code: str) -> set[str]:
    return set(python("-c", LOADED_BY, code).rpartition("loaded:")[2].split())


def test_networks_metrics_and_sampler_need_neither_pipeline_nor_config() -> None:
    lists = (PIPELINE_ONLY, LEAN_PACKAGES, LEAN_MODULES)
    count = int(python("-c", IMPORT_ALL_BUT, *(",".join(names) for names in lists)))
    assert count > len(LEAN_MODULES) + len(LEAN_PACKAGES)


def test_help_loads_nothing_slow() -> None:
    loaded = loaded_by("import dvdgan.cli; dvdgan.cli.app(['--help'])")
    assert "typer" in loaded
    assert not loaded & {"numpy", "prefect", "pydantic", "torch"}


def test_flows_load_no_torch() -> None:
    loaded = loaded_by("import flows.pipeline, flows.train")
    assert "prefect" in loaded
    assert "torch" not in loaded


def test_the_guard_needs_the_standard_library_alone() -> None:
    modules = (path.stem for path in sorted((ROOT / "dvdgan" / "guard").glob("*.py")))
    named = ", ".join(f"dvdgan.guard.{name}" for name in modules if name != "__init__")
    assert not loaded_by(f"import {named}") & {"numpy", "prefect", "pydantic", "torch"}
