"""Which link leads to which validator: an organisation with a seat may run other nodes too, such as a mirror.

The first link of an organisation serves until consensus comes over another one: that is the validator's, and no other
node of its organisation pushes it aside. Links are kept by organisation, since seats change with the set.
"""

from __future__ import annotations

from collections.abc import Iterable

from chain.validators import ValidatorSet
from consensus.model import Blocks, Bodies, PeerMessage
from consensus.wire import encode_message
from node.link import Link
from node.messages import CONSENSUS


class Seats:
    """Links to other nodes by organisation, and by seat where it has one. `members` is the set that votes now.

    Each change tells the seat that is to be greeted, or None.
    """

    def __init__(self, members: ValidatorSet, organisation: str) -> None:
        self.members, self._organisation = members, organisation
        self._links: dict[str, Link] = {}  # at most one per organisation that has an authority in genesis

    def __len__(self) -> int:
        """How many other validators are linked."""
        return len(self.linked())

    @property
    def mine(self) -> int | None:
        return self.members.seat_of(self._organisation)

    def others(self) -> list[int]:
        """All seats but mine."""
        return [seat for seat in range(self.members.n) if seat != self.mine]

    def organisations(self) -> list[str]:
        """Those of the other validators."""
        return [member.organisation for member in self.members.members if member.organisation != self._organisation]

    def linked(self) -> list[str]:
        """Organisations of the other validators that are linked, sorted."""
        return [name for name in self.organisations() if name in self._links]

    def name(self, seat: int) -> str:
        return self.members.members[seat].organisation

    def link(self, organisation: str) -> Link | None:
        return self._links.get(organisation)

    def links(self) -> list[Link]:
        """To the other validators."""
        return [self._links[name] for name in self.linked()]

    def send(self, organisation: str, message: PeerMessage) -> bool:
        """A message of consensus, if a link is up that takes it; blocks and bodies go behind votes."""
        link = self._links.get(organisation)
        return link is not None and link.send(
            CONSENSUS, encode_message(message), urgent=not isinstance(message, Blocks | Bodies)
        )

    def link_up(self, link: Link) -> int | None:
        name = link.organisation
        if name == self._organisation:
            return None
        holder = self._links.get(name)
        if holder is not None and not holder.is_closed and holder.node != link.node:
            return None
        self._links[name] = link
        return self.members.seat_of(name)

    def link_down(self, link: Link, others: Iterable[Link]) -> int | None:
        """`others` are all links of this node; one of the same organisation takes the place."""
        name = link.organisation
        if self._links.get(name) is not link:
            return None
        del self._links[name]
        for other in list(others):
            if other.organisation == name and not other.is_closed:
                return self.link_up(other)
        return None

    def speaks(self, link: Link) -> int | None:
        """Consensus came over this link: so the validator is at its other end."""
        if self._links.get(link.organisation) is link or link.is_closed:
            return None
        self._links[link.organisation] = link
        return self.members.seat_of(link.organisation)
