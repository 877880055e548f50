"""Which link leads to which validator: an organisation with a seat may run other nodes too, such as a mirror.

The first link of an organisation serves until consensus comes over another one: that is the validator's, and no other
node of its organisation pushes it aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chain.validators import ValidatorSet
from consensus.model import Blocks, Bodies, PeerMessage
from consensus.wire import encode_message
from node.link import Link
from node.messages import CONSENSUS


class Seats:
    """Links to the other validators by seat. Each change tells the seat that is to be greeted, or None."""

    def __init__(self, members: ValidatorSet, organisation: str) -> None:
        self.members = members
        self.mine = members.seat_of(organisation)  # None without a seat
        self._links: dict[int, Link] = {}  # at most one per member

    def __len__(self) -> int:
        return len(self._links)

    def __iter__(self) -> Iterator[int]:
        return iter(self._links)

    def others(self) -> list[int]:
        """All seats but mine."""
        return [seat for seat in range(self.members.n) if seat != self.mine]

    def linked(self) -> list[str]:
        """Organisations of the other validators that are linked, sorted."""
        return sorted(self.members.members[seat].organisation for seat in self._links)

    def get(self, seat: int) -> Link | None:
        return self._links.get(seat)

    def links(self) -> list[Link]:
        return list(self._links.values())

    def send(self, seat: int, message: PeerMessage) -> None:
        """A message of consensus, if a link is up; blocks and bodies go behind votes."""
        link = self._links.get(seat)
        if link is not None:
            link.send(CONSENSUS, encode_message(message), urgent=not isinstance(message, Blocks | Bodies))

    def link_up(self, link: Link) -> int | None:
        seat = self.members.seat_of(link.peer.organisation)
        if seat is None or seat == self.mine:
            return None
        holder = self._links.get(seat)
        if holder is not None and not holder.is_closed and holder.node != link.node:
            return None
        self._links[seat] = link
        return seat

    def link_down(self, link: Link, others: Iterable[Link]) -> int | None:
        """`others` are all links of this node; one of the same organisation takes the place."""
        seat = self.members.seat_of(link.peer.organisation)
        if seat is None or self._links.get(seat) is not link:
            return None
        del self._links[seat]
        for other in list(others):
            if other.organisation == link.organisation and not other.is_closed:
                return self.link_up(other)
        return None

    def speaks(self, seat: int, link: Link) -> int | None:
        """Consensus came over this link: so the validator is at its other end."""
        if self._links.get(seat) is link or link.is_closed:
            return None
        self._links[seat] = link
        return seat
