"""A YAML file read strictly: every refusal names its line and what to do about it, and all of them come at once.

PyYAML's composer keeps the place of each node, which its loader throws away. Of YAML we take mappings, lists, text,
whole numbers and true/false; anchors, tags and several documents have no meaning in our files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

FILE_BYTES_MAX = 1_048_576  # of a configuration file; ours have a few kilobytes
PROBLEMS_MAX = 50  # shown of one file
WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9_]*)")  # YAML 1.1 would also read 010 as eight and 1:30 as ninety
NAME = r"[a-z0-9][a-z0-9_.-]{0,31}"  # chain.codec.Name
NAME_HINT = "lower-case letters, digits, '.', '_' and '-', at most 32, starting with a letter or digit"


class Problem(msgspec.Struct, frozen=True):
    """One thing to mend. `line` counts from 1."""

    line: int
    text: str


class ConfigRefused(Exception):
    """A configuration file that cannot be used. `problems` lists all that was found, by line."""

    code = "config_refused"

    def __init__(self, path: str, problems: list[Problem]) -> None:
        super().__init__("\n".join(f"{path}:{problem.line}: {problem.text}" for problem in problems))
        self.path, self.problems = path, problems


class Problems:
    """Gathers what is wrong with one file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._found: list[Problem] = []

    def add(self, line: int, text: str) -> None:
        self._found.append(Problem(line, text))

    def __bool__(self) -> bool:
        return bool(self._found)

    def settle(self) -> None:
        """Raises ConfigRefused if anything was found."""
        if self._found:
            ordered = sorted(set(self._found), key=lambda problem: problem.line)
            raise ConfigRefused(self._path, ordered[:PROBLEMS_MAX])


class Section:
    """A mapping of the file. Each `read_*` takes one key and reports what is wrong with it; `finish` reports the rest.

    What cannot be read comes back as a harmless value of the right type, so that reading goes on to the next problem.
    """

    def __init__(self, node: Node | None, problems: Problems, where: str, line: int = 1) -> None:
        self.problems, self._where = problems, where
        self.line = node.start_mark.line + 1 if node is not None else line
        self._values: dict[str, Node] = {}
        self._lines: dict[str, int] = {}
        self._read: set[str] = set()
        self.is_readable = isinstance(node, MappingNode)
        if not isinstance(node, MappingNode):
            if node is not None:
                problems.add(self.line, f"{where}: write keys and values here, as in 'key: value'")
            return
        for key_node, value in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else ""
            line = key_node.start_mark.line + 1
            if key in self._values:
                problems.add(line, f"{where}: '{key}' stands twice; remove one")
            self._values[key], self._lines[key] = value, line

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def line_of(self, key: str) -> int:
        """The key's line, or the section's if it is absent."""
        return self._lines.get(key, self.line)

    def read_text(self, key: str, default: str | None = None, pattern: str | None = None, hint: str = "") -> str:
        """`pattern` must match the whole text; `hint` says it in words."""
        node = self._take(key, default is None, hint or "some text")
        if node is None:
            return default or ""
        return self._text(node, key, pattern, hint)

    def read_name(self, key: str, default: str | None = None) -> str:
        if default == "" and self._is_empty(key):
            self._read.add(key)
            return ""
        return self.read_text(key, default, NAME, NAME_HINT)

    def read_choice(self, key: str, choices: tuple[str, ...]) -> str:
        text = self.read_text(key, None, hint=f"one of {', '.join(choices)}")
        if text and text not in choices:
            self.problems.add(self.line_of(key), f"{key}: unknown {key} '{text}'; write one of {', '.join(choices)}")
        return text

    def read_integer(self, key: str, minimum: int, maximum: int, default: int | None = None) -> int:
        node = self._take(key, default is None, f"a whole number from {minimum} to {maximum}")
        if node is None:
            return minimum if default is None else default
        line = node.start_mark.line + 1
        text = node.value if isinstance(node, ScalarNode) and node.style is None else ""
        if not isinstance(text, str) or not WHOLE_NUMBER.fullmatch(text) or len(text) > 24:
            self.problems.add(line, f"{key}: write a whole number from {minimum} to {maximum}, without quotes")
            return minimum
        value = int(text.replace("_", ""))
        if not minimum <= value <= maximum:
            self.problems.add(
                line, f"{key}: {value} is out of bounds; write a whole number from {minimum} to {maximum}"
            )
            return minimum
        return value

    def read_boolean(self, key: str, default: bool | None = None) -> bool:
        node = self._take(key, default is None, "true or false")
        if node is None:
            return bool(default)
        if isinstance(node, ScalarNode) and node.style is None and node.value in ("true", "false"):
            return bool(node.value == "true")
        self.problems.add(node.start_mark.line + 1, f"{key}: write true or false")
        return False

    def read_texts(self, key: str, pattern: str, hint: str, is_required: bool = True) -> list[str]:
        return [self._text(node, key, pattern, hint) for node in self._list(key, is_required, f"a list: {hint}")]

    def read_section(self, key: str) -> Section:
        node = self._take(key, True, "keys and values, indented below it")
        return Section(node, self.problems, key, self.line_of(key))

    def read_sections(self, key: str, is_required: bool = True) -> Iterator[Section]:
        for node in self._list(key, is_required, "a list, each entry starting with '-'"):
            yield Section(node, self.problems, f"an entry of {key}")

    def finish(self) -> None:
        """Report keys that nobody read."""
        for key, line in self._lines.items():
            if key not in self._read:
                known = ", ".join(sorted(self._read))
                self.problems.add(line, f"{self._where}: unknown key '{key}'; known are {known}")

    def _take(self, key: str, is_required: bool, expected: str) -> Node | None:
        self._read.add(key)
        node = self._values.get(key)
        if node is None and is_required and self.is_readable:
            self.problems.add(self.line, f"{self._where}: '{key}' is missing; add it: {expected}")
        return node

    def _list(self, key: str, is_required: bool, expected: str) -> list[Node]:
        node = self._take(key, is_required, expected)
        if node is None:
            return []
        if not isinstance(node, SequenceNode):
            self.problems.add(node.start_mark.line + 1, f"{key}: write {expected}")
            return []
        return list(node.value)

    def _text(self, node: Node, key: str, pattern: str | None, hint: str) -> str:
        line = node.start_mark.line + 1
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str) or not node.tag.endswith(":str"):
            self.problems.add(
                line, f"{key}: write text{f': {hint}' if hint else ''}; put figures, true and false in quotes"
            )
            return ""
        if pattern is not None and not re.fullmatch(pattern, node.value):
            self.problems.add(line, f"{key}: '{node.value[:40]}' does not fit; write {hint}")
        return node.value

    def _is_empty(self, key: str) -> bool:
        node = self._values.get(key)
        return isinstance(node, ScalarNode) and node.value == ""


def read_config_file(path: Path) -> bytes:
    """The bytes of a configuration file. Raises ConfigRefused if it cannot be read or is too long to be one."""
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigRefused(
            str(path), [Problem(1, f"cannot be read: {error.strerror}; name an existing file")]
        ) from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigRefused(
            str(path), [Problem(1, f"longer than {FILE_BYTES_MAX} bytes; this is not a configuration file")]
        )
    return data


def compose_config(data: bytes, path: str, where: str) -> Section:
    """The file's outermost mapping. Raises ConfigRefused for what is not one YAML document, with the line."""
    try:
        for token in yaml.scan(data, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
                line = token.start_mark.line + 1
                raise ConfigRefused(
                    path, [Problem(line, "anchors, aliases and tags mean nothing here; write the value out")]
                )
        root = yaml.compose(data, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise ConfigRefused(
            path, [Problem(line, f"not YAML: {error.problem or error.context}; mend this line")]
        ) from None
    except (yaml.YAMLError, UnicodeError, RecursionError, ValueError) as error:
        raise ConfigRefused(path, [Problem(1, f"not YAML: {type(error).__name__}; write UTF-8 text")]) from None
    if root is None:
        raise ConfigRefused(path, [Problem(1, f"empty; write {where} here")])
    return Section(root, Problems(path), where)
