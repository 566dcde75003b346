"""Count constructions that make a text hard to read, in docstrings and comments; part of ``make lint``.

``python -m tests.prose`` prints one use per so many words for each, and fails if any is more frequent than
twice its rate in trio, a project known for its plain documentation.
"""

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Construction(NamedTuple):
    """A pattern, and how many words one use of it may at least be spread over."""

    name: str
    pattern: str
    words_per_use: int


#: Twice the rates measured in trio: 864 words per "what", 737 per "where", 2,089 per "tell".
CONSTRUCTIONS = (
    Construction("what", r"\bwhat\b", 432),
    Construction("where", r"\bwhere\b", 368),
    Construction("tell, told", r"\b(?:tell|tells|told)\b", 1044),
    Construction("somebody, nobody", r"\b(?:somebody|nobody)\b", 4000),
)


def prose(source: str) -> str:
    """Return the docstrings and comments of a Python file."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, documented)]
    return "\n".join([*docstrings, *re.findall(r"(?:^|\s)#:? (.*)", source)])


def main() -> int:
    """Print the rates; return 1 if a construction is too frequent."""
    files = sorted((ROOT / "skewmon").rglob("*.py"))
    texts = {path: prose(path.read_text(encoding="utf-8")) for path in files}
    words = sum(len(text.split()) for text in texts.values())
    failed = False
    for name, pattern, words_per_use in CONSTRUCTIONS:
        uses = {path: len(re.findall(pattern, text, re.IGNORECASE)) for path, text in texts.items()}
        rate = words // max(1, sum(uses.values()))
        print(f"{name}: one use per {rate} words, at least {words_per_use} wanted")
        if rate < words_per_use:
            failed = True
            for path, count in sorted(uses.items(), key=lambda item: -item[1])[:10]:
                print(f"  {count:3} {path.relative_to(ROOT)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
