"""What the two sides of a validator share: `validator_intake.py` takes what peers send, `validator_effects.py` carries
out what the core wants done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from chain.ledger import Ledger
from node.admission import Admission
from node.answers import Answers
from node.answers_due import AnswersDue
from node.disk_space import DiskSpace
from node.evidence_store import EvidenceStore
from node.feed import Feed
from node.incidents import Incidents
from node.mempool import CheckedSignatures, Mempool
from node.proposals import Proposals
from node.saver import Saver
from node.seats import Seats
from node.vote_memory import VoteMemory


class ValidatorParts:
    def __init__(
        self, organisation: str, ledger: Ledger, memory: VoteMemory, space: DiskSpace, verify_workers: int
    ) -> None:
        self.organisation, self.ledger, self.memory = organisation, ledger, memory
        self.space = space
        self.pool = Mempool()
        self.checked = CheckedSignatures()
        self.threads = ThreadPoolExecutor(verify_workers, "verify")
        self.writer = ThreadPoolExecutor(1, "writer")
        self.state_writer = ThreadPoolExecutor(1, "state-writer")
        self.admission = Admission(ledger.chain_id, ledger.parent, self.pool, self.checked, self.threads, space)
        self.proposals = Proposals(ledger.chain_id, ledger.parent, self.pool, self.checked, self.admission)
        self.feed = Feed(ledger.head.height)
        self.saver = Saver(ledger, memory.journal, self.writer, self.state_writer, self.feed.publish)
        self.evidence = EvidenceStore.open(ledger.log.directory.parent, ledger.genesis)
        self.answers = Answers(ledger, self.feed, self.evidence)
        self.answers_due = AnswersDue()
        self.seats = Seats(ledger.members, organisation)
        self.refusals = Incidents(event="message_refused")  # class of a refused message -> how many

    def close(self) -> None:
        self.threads.shutdown(wait=True, cancel_futures=True)
        self.writer.shutdown(wait=True)
        self.state_writer.shutdown(wait=True)
