"""Why a command fails: one class, and the translation of what the packages below raise into it."""

from __future__ import annotations

from typing import Any

from cli.exit_codes import ExitCode, exit_code_of


class CommandFailed(Exception):
    """Ends a command. `problem` is the object that `--json` shows, in the form of the REST layer's (RFC 9457)."""

    def __init__(self, code: str, detail: str, exit_code: ExitCode | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail
        self.exit_code = exit_code_of(code) if exit_code is None else exit_code
        self.problem: dict[str, Any] = {
            "type": f"/problems/{code}",
            "title": code.replace("_", " "),
            "code": code,
            "detail": detail,
            **more,
        }

    @classmethod
    def of_problem(cls, problem: dict[str, Any], exit_code: ExitCode) -> CommandFailed:
        """From a node's own problem body, shown as it came."""
        code = str(problem.get("code", "internal_error"))
        places = [f"{error.get('pointer') or '/'}: {error.get('detail')}" for error in problem.get("errors") or []]
        detail = "; ".join(dict.fromkeys(text for text in (str(problem.get("detail") or ""), *places) if text))
        failure = cls(code, detail or str(problem.get("title", "")), exit_code)
        failure.problem = problem
        return failure


def explain(error: Exception) -> CommandFailed | None:
    """The failure that an exception means to a user, or None if it is a fault in this program.

    The packages below raise classes with a stable `code` (chain.errors, node.errors, node.config_file, the refusals of
    services and formats); that code, and not the class, decides.
    """
    if isinstance(error, CommandFailed):
        return error
    problems = getattr(error, "problems", None)
    code = getattr(error, "code", None)
    if isinstance(code, str) and isinstance(problems, list):  # a configuration file: every place
        places = [{"line": problem.line, "detail": problem.text} for problem in problems]
        return CommandFailed(code, str(error), errors=places)
    if isinstance(code, str):
        return CommandFailed(code, str(error))
    if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
        return CommandFailed("file_unreadable", f"{error.filename}: {error.strerror}")
    if isinstance(error, OSError):
        return CommandFailed("failed", f"{error.filename or 'system'}: {error.strerror}")
    return None
