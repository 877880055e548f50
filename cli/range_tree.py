"""Number ranges as a tree for people to look at."""

from __future__ import annotations

from typing import Any

from rich.tree import Tree

from chain.bill import KIND_NAMES


def build_range_tree(rows: list[dict[str, Any]]) -> list[Tree]:
    """One tree per code. A range stands below the smallest one that holds it; `rows` are those of /v1/number-ranges."""
    trees: dict[str, Tree] = {}
    open_ranges: list[tuple[str, int, Tree]] = []  # (code, last number, branch), outermost first
    for row in sorted(rows, key=lambda row: (row["code"], row["first"], -row["count"])):
        code, first, last = row["code"], row["first"], row["first"] + row["count"] - 1
        while open_ranges and (open_ranges[-1][0] != code or open_ranges[-1][1] < last):
            open_ranges.pop()
        if code not in trees:
            kind = KIND_NAMES.get(int(code[4:6]), code[4:6])
            trees[code] = Tree(f"{code}  {kind}, 20{code[6:]}", highlight=False)
        above = open_ranges[-1][2] if open_ranges else trees[code]
        free = last + 1 - row["next"]
        branch = above.add(f"{row['holder']}/{code}/{first}  {first:010d}-{last:010d}  {free} free")
        open_ranges.append((code, last, branch))
    return list(trees.values())
