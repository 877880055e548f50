"""Every failpoint: its name, the file that passes it, what has and has not happened there, what the system may refuse.

`tests/failpoints/test_table.py` compares this with the calls in the code and with node/README.md. Nothing of it is
loaded where nothing is armed.
"""

from __future__ import annotations

from typing import NamedTuple

DISK = ("ENOSPC", "EIO")


class Point(NamedTuple):
    file: str
    what: str
    errors: tuple[str, ...] = ()  # that the system may give there; a kill is possible anywhere


POINTS: dict[str, Point] = {
    # the block log, of validators and mirrors
    "segment.write": Point("chain/segment.py", "before a block's record is written", DISK),
    "segment.written": Point("chain/segment.py", "the record is written, not flushed"),
    "segment.flush": Point("chain/segment.py", "before the segment is flushed", DISK),
    "segment.flushed": Point("chain/segment.py", "the segment is flushed, nobody knows yet"),
    "segment.cut": Point("chain/segment.py", "before a torn end is cut", DISK),
    "segment.cut_flush": Point("chain/segment.py", "the torn end is cut, not flushed", DISK),
    "block_log.roll": Point("chain/block_log.py", "forced: the next block opens a new segment"),
    "block_log.new_segment": Point("chain/block_log.py", "before a new segment's file is made", DISK),
    "block_log.segment_made": Point("chain/block_log.py", "the new segment's file is made, its name not flushed"),
    "block_log.segment_flushed": Point("chain/block_log.py", "the new segment's name is flushed, it is empty"),
    "directory.flush": Point("chain/directory.py", "before names in a directory are flushed", DISK),
    "directory.flushed": Point("chain/directory.py", "names in a directory are flushed"),
    # databases: state of validators and mirrors, details of mirrors, gateway
    "state.open": Point("chain/database.py", "before the state's database is opened", ("EIO",)),
    "state.before_write": Point("chain/database.py", "before a batch of the state is written", DISK),
    "state.after_write": Point("chain/database.py", "a batch of the state is on the disk"),
    "details.open": Point("chain/database.py", "before the details' database is opened", ("EIO",)),
    "details.before_write": Point("chain/database.py", "before details or submissions are written", DISK),
    "details.before_unsynced_write": Point("chain/database.py", "before the seal index is written", DISK),
    "details.after_write": Point("chain/database.py", "details, submissions or seal index are written"),
    "gateway.open": Point("chain/database.py", "before the gateway's database is opened", ("EIO",)),
    "gateway.before_write": Point("chain/database.py", "before a batch of the gateway is written", DISK),
    "gateway.after_write": Point("chain/database.py", "a batch of the gateway is on the disk"),
    "database.made": Point("chain/database.py", "a new database is made, without its marker", DISK),
    "database.marked": Point("chain/database.py", "the marker is flushed, the names are not"),
    "ledger.state_dropped": Point("chain/ledger.py", "a state that did not open is removed, none made yet"),
    "ledger.state_made": Point("chain/ledger.py", "the state is made anew, at genesis"),
    "ledger.replayed": Point("chain/ledger.py", "a block of the log is applied again, not written"),
    # the journal of votes
    "journal.prune": Point("node/journal.py", "forced: the journal is pruned however small"),
    "journal.write": Point("node/journal.py", "before an entry is written", DISK),
    "journal.written": Point("node/journal.py", "an entry is written, not flushed"),
    "journal.flush": Point("node/journal.py", "before the journal is flushed", DISK),
    "journal.flushed": Point("node/journal.py", "the journal is flushed, nothing sent"),
    "journal.rewrite": Point("node/journal.py", "before the new file of a pruning is made", DISK),
    "journal.rewrite_flush": Point("node/journal.py", "the new file is written, not flushed", DISK),
    "journal.rename": Point("node/journal.py", "the new file is flushed, not in its place", DISK),
    "journal.renamed": Point("node/journal.py", "the new file is in its place, its name not flushed", DISK),
    "journal.rewritten": Point("node/journal.py", "the new file's name is flushed"),
    "journal.cut": Point("node/journal.py", "before a torn entry is cut", DISK),
    "journal.cut_flush": Point("node/journal.py", "the torn entry is cut, not flushed", DISK),
    # a validator's writer, in the order of safety
    "saver.taken": Point("node/saver.py", "blocks and votes are taken up, nothing is written"),
    "saver.blocks_appended": Point("node/saver.py", "blocks are appended, not flushed"),
    "saver.blocks_flushed": Point("node/saver.py", "blocks are flushed, no vote is written"),
    "saver.entries_appended": Point("node/saver.py", "votes are appended, not flushed"),
    "saver.entries_flushed": Point("node/saver.py", "votes are flushed, the journal not pruned"),
    "saver.pruned": Point("node/saver.py", "the journal is pruned if that was due"),
    "saver.state_written": Point("node/saver.py", "a batch of the state is on the disk"),
    "saver.saved": Point("node/saver.py", "blocks and votes are saved, followers do not know, nothing is sent"),
    "saver.sent_one": Point("node/saver.py", "the first of several messages has gone"),
    "saver.sent_all": Point("node/saver.py", "all messages have gone"),
    "effects.proposing": Point("node/validator_effects.py", "a primary is about to build a block"),
    "effects.checked": Point("node/validator_effects.py", "a proposal is executed, not voted for"),
    "effects.adopted": Point("node/validator_effects.py", "a final block is the head in memory, not written"),
    "intake.bundle_admitted": Point(
        "node/validator_intake.py", "a client's transactions are in the pool, not passed on"
    ),
    "intake.message": Point("node/validator_intake.py", "a peer's message is checked, not stepped"),
    # links, of all nodes
    "transport.dial": Point("node/transport.py", "before a peer is dialled", ("ECONNREFUSED", "EHOSTUNREACH")),
    "transport.accept": Point("node/transport.py", "before a connection is accepted", ("EMFILE",)),
    "transport.hello": Point("node/transport.py", "TLS is up, no hello said", ("ECONNRESET",)),
    "link.write": Point("node/link.py", "before frames are written to a peer", ("EPIPE", "ECONNRESET")),
    "link.written": Point("node/link.py", "frames are handed to the system", ("EPIPE",)),
    "link.read": Point("node/link.py", "a frame has begun to arrive", ("ECONNRESET",)),
    # mirrors
    "follow.taken": Point("node/follow.py", "a final block is worked out, not appended"),
    "follow.appended": Point("node/follow.py", "it is appended, not flushed"),
    "follow.flushed": Point("node/follow.py", "it is flushed, not the head"),
    "follow.adopted": Point("node/follow.py", "it is the head, the parts of the mirror do not know"),
    "follow.heard": Point("node/follow.py", "all parts know, followers do not"),
    "follow.state_written": Point("node/follow.py", "a batch of the state is on the disk"),
    "details_store.checked": Point("node/details_store.py", "details are checked, not written"),
    "details_store.written": Point("node/details_store.py", "details are on the disk, nobody knows"),
    "mirror.details_kept": Point("node/mirror_node.py", "the gateway is about to be told that they are kept"),
    "seal_index.saved": Point("node/seal_index.py", "a seal is in the index"),
    "sealer.signed": Point("node/sealer.py", "a seal is signed, not sent"),
    "sealer.sent": Point("node/sealer.py", "a seal has gone to the validators"),
    "submissions.keeping": Point("node/submissions.py", "a submitted transaction is checked, not written"),
    "submissions.kept": Point("node/submissions.py", "a submitted transaction is on the disk, not sent"),
    # gateways
    "issuing.numbered": Point("node/issuing.py", "a bill has its number in memory"),
    "issuing.half_corrected": Point("node/issuing.py", "a correction's red bill is in memory, its new bill not yet"),
    "issuing.kept": Point("node/issuing.py", "bill, details and operation are in memory, not written"),
    "gateway.saved": Point("node/gateway.py", "a bill is on the disk, not answered"),
    "gateway_store.batch_taken": Point("node/gateway_store.py", "a batch is closed, not written"),
    "gateway_store.batch_written": Point("node/gateway_store.py", "a batch is on the disk, who waits does not know"),
    "outbox.added": Point("node/outbox.py", "an operation is in the outbox, in memory"),
    "outbox.resolved": Point("node/outbox.py", "an operation is out of the outbox, in memory"),
    "lease_book.taken": Point("node/lease_book.py", "a lease's next number is taken, in memory"),
    "lease_book.asked": Point("node/lease_book.py", "a new lease is asked for, in memory"),
    "lease_book.recorded": Point("node/lease_book.py", "a new lease is ours, in memory"),
    "sender.signed": Point("node/sender.py", "operations are signed, not sent"),
    "sender.sent": Point("node/sender.py", "a transaction has gone to a validator"),
    "sender.again": Point("node/sender.py", "a transaction is about to be sent again, to all"),
    "details_post.added": Point("node/details_post.py", "details are sealed at rest, in memory"),
    "details_post.asking": Point("node/details_post.py", "details are about to go to the archive"),
    "details_post.kept": Point("node/details_post.py", "the archive keeps them, here they still count as due"),
    "gateway_follow.checked": Point("node/gateway_follow.py", "our part of a block is checked, not taken over"),
    "gateway_follow.put": Point("node/gateway_follow.py", "header and position are put, nothing is settled"),
    "gateway_follow.settled": Point("node/gateway_follow.py", "all of it is put, not written"),
    "settling.part_put": Point("node/settling.py", "a part is put, its operations are not settled"),
    "settling.bill_recorded": Point("node/settling.py", "a bill is recorded, its operation still in the outbox"),
    "settling.sealed": Point("node/settling.py", "a seal is put, in memory"),
    # making a network
    "keystore.write": Point("node/keystore.py", "a key's file is made, empty", DISK),
    "keystore.flush": Point("node/keystore.py", "a key's file is written, not flushed", DISK),
    "keystore.flushed": Point("node/keystore.py", "a key's file is flushed, its name is not"),
    "provision.rename": Point("node/provision.py", "all is made beside the wanted place", DISK),
    "provision.renamed": Point("node/provision.py", "the network is in its place"),
}

WRITES = frozenset({"segment.write", "journal.write"})  # half of the bytes can be written there
FORCED = frozenset({"block_log.roll", "journal.prune"})
