"""The pipeline at a revision as DVC reads it: stages, their params, and what dvc.lock records."""

from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dvdgan.errors import UserError, redacted

PARAMS = "params.yaml"


@dataclass(frozen=True)
class StageRecord:
    """One stage of dvc.yaml, and its entry in dvc.lock."""

    name: str
    command: str
    params: Mapping[str, Mapping[str, Any]]
    """File -> key that the stage depends on -> its value in that file."""
    upstream: list[str] = field(default_factory=list)
    """Stages whose outputs it reads."""
    inputs: Mapping[str, str | None] = field(default_factory=dict)
    """File or folder that it reads -> its hash in dvc.lock, if there is one."""
    outputs: Mapping[str, str | None] = field(default_factory=dict)
    """The same for what it writes."""
    locked_params: Mapping[str, Mapping[str, Any]] | None = None
    """As params, but as dvc.lock has them; None: the stage is not in dvc.lock."""
    output_bytes: int = 0
    """Size of its outputs, as dvc.lock has it."""
    is_restorable: bool = False
    """Whether DVC's run cache has its outputs for these params and the inputs in dvc.lock."""


@dataclass(frozen=True)
class PipelineRevision:
    """params.yaml and the stages at one revision."""

    params: Mapping[str, Any]
    stages: list[StageRecord]
    """Each after those it depends on."""

    @property
    def is_locked(self) -> bool:
        """Whether dvc.lock has any stage."""
        return any(stage.locked_params is not None for stage in self.stages)

    @property
    def produced(self) -> dict[str, str]:
        """Output -> the stage that writes it."""
        return {path: stage.name for stage in self.stages for path in stage.outputs}

    def output_hash(self, path: str) -> str | None:
        """Of an output in dvc.lock; None if it is not there."""
        return next((each.outputs[path] for each in self.stages if path in each.outputs), None)


def read_pipelines(folder: Path, base: str) -> tuple[PipelineRevision, PipelineRevision]:
    """The pipeline at the commit ``base``, and that of the working tree.

    Nothing is hashed: what a stage read and wrote is as dvc.lock records it. Raises UserError
    if DVC cannot read a revision.
    """
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    found = {}
    try:
        with chdir(folder), Repo() as repo:
            for revision in repo.brancher(revs=[base]):
                found[revision == "workspace"] = _read(repo)
    except NotDvcRepoError as error:
        raise UserError(
            "this folder is not part of a DVC project",
            where=str(folder.absolute()),
            todo="run from the folder that holds dvc.yaml",
        ) from error
    except DvcException as error:
        raise UserError(
            f"DVC cannot read {base if True in found else 'the working tree'}: {error}",
            where=str(folder.absolute()),
        ) from error
    return found[False], found[True]


def read_artefact(folder: Path, revision: str | None, path: str) -> bytes | str:
    """A file at a revision, from git, DVC's cache or its remote; or in a sentence why not.

    ``revision``: None for the working tree, whose file comes first.
    """
    with TemporaryDirectory() as aside:
        target = Path(aside) / "file"
        reason = copy_artefact(folder, revision, path, target)
        return reason or target.read_bytes()


def copy_artefact(folder: Path, revision: str | None, path: str, target: Path) -> str | None:
    """Copy what `read_artefact` would read to the file ``target``; the reason where it cannot."""
    from dvc.api import DVCFileSystem
    from dvc_data.index import DataIndexDirError

    try:
        with chdir(folder):
            DVCFileSystem(".", rev=revision).get_file(path, str(target))
    except (FileNotFoundError, DataIndexDirError):
        return f"{path} is neither in DVC's cache nor in a remote"
    except Exception as error:  # whatever the client of a remote raises without credentials
        return redacted(f"{type(error).__name__}: {error}")
    return None


def _read(repo: Any) -> PipelineRevision:
    import networkx
    from dvc.utils.serialize import load_path

    path = repo.fs.join(repo.root_dir, PARAMS)
    params = load_path(path, repo.fs) if repo.fs.exists(path) else {}
    graph = repo.index.graph  # edges lead to what a stage needs
    order = reversed(list(networkx.topological_sort(graph)))
    return PipelineRevision(params, [_record(repo, stage, graph) for stage in order])


def _record(repo: Any, stage: Any, graph: Any) -> StageRecord:
    files = [each for each in stage.deps if hasattr(each, "read_params")]
    inputs = [each for each in stage.deps if each not in files]
    locked = {_name(repo, each): each.hash_info.value for each in files}
    params = {_name(repo, each): each.read_params() for each in files}
    # A stage needs neither params nor outputs.
    is_locked = any(each.hash_info.value for each in (*stage.deps, *stage.outs))
    return StageRecord(
        stage.name,
        stage.cmd,
        params,
        sorted(needed.name for needed in graph.successors(stage)),
        {_name(repo, each): each.hash_info.value for each in inputs},
        {_name(repo, each): each.hash_info.value for each in stage.outs},
        locked if is_locked else None,
        sum(each.meta.size or 0 for each in stage.outs),
        params != locked and is_locked and _is_restorable(repo, stage, files),
    )


def _is_restorable(repo: Any, stage: Any, files: list[Any]) -> bool:
    from dvc.stage.cache import RunCacheNotFoundError
    from dvc_data.hashfile.hash_info import HashInfo

    if not Path(repo.stage_cache.cache_dir).is_dir():
        return False
    recorded = [each.hash_info for each in (*files, *stage.outs)]
    try:
        for each in files:
            each.hash_info = each.get_hash()
        for each in stage.outs:
            each.hash_info = HashInfo()  # else it is those in dvc.lock that are restored
        repo.stage_cache.restore(stage, dry=True)
    except (RunCacheNotFoundError, FileNotFoundError):  # the inputs are not in this folder
        return False
    finally:
        for each, found in zip((*files, *stage.outs), recorded, strict=True):
            each.hash_info = found
    return True


def _name(repo: Any, dependency: Any) -> str:
    """A path as people write it: relative to the repository, or a URL."""
    path = str(dependency.fs_path)
    if dependency.protocol not in ("local", ""):
        return str(dependency.def_path)
    return str(repo.fs.relpath(path, repo.root_dir)) if repo.fs.isin(path, repo.root_dir) else path
