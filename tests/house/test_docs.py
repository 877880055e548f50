"""Pages that are made from tables say what the tables say, and every code of a rule is explained."""

from __future__ import annotations

import ast
from pathlib import Path

import chain.rules
from api.problems import PROBLEMS
from chain.rules.moves import AXES, WAITS_FOR
from docs import problems

RULES = Path(chain.rules.__file__).parent


def test_the_page_of_problems_has_every_code() -> None:
    """`python -m docs.problems` changes nothing."""
    page = problems.PAGE.read_text("utf-8")
    assert page == problems.page()
    assert all(f"| `{code}` |" in page for code in PROBLEMS)
    assert {problem.status for problem in PROBLEMS.values()} <= set(problems.GROUPS)


def test_every_code_that_a_rule_gives_is_a_problem() -> None:
    """Read from the rules' own text: `Refused("code")`, what `refuse_repeated` is given, and the table of moves."""
    codes = {code for waits in WAITS_FOR.values() for _axis, _states, code in waits}
    for axis in AXES.values():
        for table in axis.moves.values():
            codes |= {after for after in table.values() if isinstance(after, str)}
    for file in RULES.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Refused", "refuse_repeated"):
                codes |= {
                    part.value
                    for argument in node.args
                    for part in ast.walk(argument)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
    assert len(codes) > 60
    assert codes <= set(PROBLEMS), sorted(codes - set(PROBLEMS))
