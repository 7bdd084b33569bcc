"""The names are the field's: words of our own that were replaced do not come back."""

import ast
import io
import re
import tokenize
from collections import defaultdict
from pathlib import Path

from source_tree import ROOT, python_files

# Old word -> the term that replaced it. As a part of a name: `told`, `_told_by`, `ToldBy`.
REPLACED = {
    "ask": "request",
    "asked": "spec, request",
    "asking": "approval",
    "asks": "request",
    "beat": "heartbeat",
    "beats": "heartbeat",
    "course": "schedule override",
    "descent": "optimizer step",
    "hear": "read, last seen",
    "heard": "last seen",
    "heed": "check, cancel",
    "keeper": "checkpoint manager",
    "leader": "coordinator",
    "lifeline": "parent death signal",
    "mirror": "remote backup",
    "mirroring": "remote backup",
    "promoted": "best",
    "said": "state",
    "say": "print, update",
    "says": "state",
    "settled": "no power iteration",
    "tell": "report",
    "telling": "report",
    "tells": "report",
    "ticket": "launch id",
    "tickets": "launch id",
    "tied": "parent death signal",
    "told": "metrics, report",
}
# In sentences these have plain uses; the others are not written there either.
FINE_IN_SENTENCES = {"ask", "asked", "asking", "asks", "beat", "course", "said", "say", "says"}
OF_PYTHON = {"tell"}  # of a file
CODE = ("dvdgan", "flows", "benchmarks", "infra", "presets")
# Phrases that documents and messages do without -> what is plain.
UNPLAIN = {
    r"stands? (in|below|beside|still)\b": "is in, is set in, is below",
    r"owned up": "is stated",
    r"names how": "selects how",
    r"said in words": "explained",
    r"gives its place": "is at",
    r"leads? from": "goes from",
    r"\bof fewer (clips|videos|steps)": "fewer clips ...",
    r"\bmend(ed|s)?\b": "fix",
    r"nobody (injected|lowers|knows)": "not injected, unknown",
    r"\bowes\b": "is due to",
    r"\bowed to\b": "is due to",
    r"\bgo(es)? on (where|from|with|without|when)\b": "resumes, continues",
    r"\bbeside (the|a|an|it|its|them|real|generated|\d)\b": "next to, with, during",
    r"(that|which|it|file|one|they) (is|are) no (?!longer|more\b)": "is not a ...",
    r"\b(where|if|when) (it|one|a line|a file) is none\b": "if it is not a ...",
    r"\b(none|empty|Raises \w+) where\b": "if",
    r"there where|where it is so": "if",
    r"\bhardly (meant|any)\b": "probably a mistake, few",
    r"\b(have|has|had|take|taken) in hand\b": "is running",
    r"\bto be had\b": "available",
    r"\b(written|made|begun|train) anew(?! on new data)": "again",
    r"\bname (another|a|its) (path|folder|file|store|place|video|longer)\b": "choose, give",
    r"\b(lies?|lay) (in a|at|below|beside|where)\b": "is in, is at",
}
ANY_UNPLAIN = re.compile("|".join(UNPLAIN), re.IGNORECASE)
PLAIN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]


def words_of(name: str) -> set[str]:
    """`_told_by` and `ToldBy` -> {told, by}."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def names_and_sentences(file: Path) -> tuple[dict[str, int], list[tuple[int, str]]]:
    """Names with a line each is in, and (line, text) of comments and strings."""
    names: dict[str, int] = {}
    sentences = []
    source = (ROOT / file).read_text(encoding="utf-8")
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        member, before = before == ".", token.string
        if token.type == tokenize.NAME and not (member and token.string in OF_PYTHON):
            names.setdefault(token.string, token.start[0])
        elif token.type in (tokenize.COMMENT, tokenize.STRING):
            sentences.append((token.start[0], token.string))
    return names, sentences


def test_replaced_words_are_in_no_name_and_no_sentence() -> None:
    found = []
    for file in python_files(*CODE):
        names, sentences = names_and_sentences(file)
        for name, line in names.items():
            found += [
                f"{file}:{line}: {name} has {word!r}, which is now: {REPLACED[word]}"
                for word in words_of(name) & REPLACED.keys()
            ]
        for line, text in sentences:
            found += [
                f"{file}:{line}: {word!r} is now: {REPLACED[word]}"
                for word in set(re.findall(r"[a-z]+", text)) & (REPLACED.keys() - FINE_IN_SENTENCES)
            ]
        found += [f"{file}: {word!r}" for word in words_of(file.stem) & REPLACED.keys()]
    assert not found, "\n".join(found)


def test_replaced_words_are_in_no_document() -> None:
    words = REPLACED.keys() - FINE_IN_SENTENCES - {"leader", "mirror", "mirroring", "tied"}
    found = [
        f"{document.relative_to(ROOT)}: {word!r} is now: {REPLACED[word]}"
        for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        if document.name != "CHANGELOG.md"
        for word in set(re.findall(r"[a-z]+", document.read_text(encoding="utf-8"))) & words
    ]
    assert not found, "\n".join(found)


def test_documents_are_in_plain_english() -> None:
    found = [
        f"{document.relative_to(ROOT)}:{number}: {match[0]!r}, plainly: {plain}"
        for document in PLAIN
        for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1)
        for phrase, plain in UNPLAIN.items()
        for match in re.finditer(phrase, line, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)


def test_messages_and_docstrings_are_in_plain_english() -> None:
    found = [
        f"{file}:{line}: {match[0]!r}, plainly: {plain}"
        for file in python_files("dvdgan", "flows")
        for line, text in names_and_sentences(file)[1]
        if ANY_UNPLAIN.search(" ".join(text.split()))
        for phrase, plain in UNPLAIN.items()
        for match in re.finditer(phrase, " ".join(text.split()), re.IGNORECASE)
    ]
    assert not found, "\n".join(found)


def test_no_two_classes_share_a_name() -> None:
    """Aliases of types count: one concept, one name."""
    places = defaultdict(list)
    for file in python_files("dvdgan", "flows"):
        for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
            for name in defined(node):
                places[name].append(str(file))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def defined(node: ast.stmt) -> list[str]:
    """The public class or type alias that a statement defines."""
    if isinstance(node, ast.ClassDef):
        names = [node.name]
    elif isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
    else:
        names = []
    names = [name for name in names if not name.endswith("T")]  # variables of types
    return [name for name in names if re.fullmatch(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*", name)]
