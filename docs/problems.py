"""`docs/problems.md`, every error code of the REST interface, from the table in `api/problems.py`: python -m docs.problems"""

from __future__ import annotations

from pathlib import Path

from api.problems import PROBLEMS

PAGE = Path(__file__).parent / "problems.md"
GROUPS = {
    400: "cannot be read",
    401: "who are you",
    403: "refused by right",
    404: "not there, or not for you",
    405: "no such method",
    408: "too slow",
    409: "refused by the ledger's state",
    413: "too large",
    415: "another media type",
    422: "refused by content",
    429: "too many attempts",
    431: "too large a head",
    500: "our fault",
    503: "nothing was kept: try again",
}


def page() -> str:
    parts = [
        "# Error codes",
        "",
        "Made by `python -m docs.problems` from `api/problems.py`; a test compares. An error's body is problem+json (RFC 9457) with a stable `code`;",
        "`GET /problems/CODE` of every node shows one. Codes of operations are outcomes on the ledger too: `chain/README.md` has them in their order of",
        "precedence.",
    ]
    for status, title in GROUPS.items():
        rows = sorted((code, problem) for code, problem in PROBLEMS.items() if problem.status == status)
        if rows:
            parts += ["", f"## {status}: {title}", "", "| Code | Means | 含义 |", "| --- | --- | --- |"]
            parts += [f"| `{code}` | {problem.en} | {problem.zh} |" for code, problem in rows]
    return "\n".join([*parts, ""])


def main() -> None:
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
