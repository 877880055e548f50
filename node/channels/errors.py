"""Why a channel's message, answer or statement is not taken. Drawn as a tree; every class carries a stable `code`.

ChannelError
├── NoticeRefused              somebody posted to the notify path; nothing may follow from it
│   ├── NoticeMalformed        not of the channel's form: a key twice, another charset, an amount that is none
│   ├── NoticeForged           the signature, its key or the encryption does not hold
│   ├── NoticeStale            signed, but so long ago that it may be a recording
│   └── NoticeForeign          well signed, for another merchant or application
├── ChannelUnreachable         no answer, or 5xx: it may have been carried out, so ask with `query`
├── AnswerMalformed            an answer that cannot be read: the same
├── AnswerForged               an answer that the channel did not sign: the same
├── ChannelRefused             the channel said no; `reason` is its own code
├── StatementNotReady          the channel has none for that day, or not yet
├── StatementMalformed         line `line` does not have the channel's form, or the file ends too early
└── StatementDigestDiffers     not the bytes that the channel announced

Messages name fields, never their content: what was sent may be about a patient. That an order is not known to us is for
whoever keeps the orders to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ChannelError(Exception):
    """Anything that this package refuses."""

    code = "channel_error"


class NoticeRefused(ChannelError):
    code = "notice_refused"


class NoticeMalformed(NoticeRefused):
    code = "notice_malformed"


class NoticeForged(NoticeRefused):
    code = "notice_forged"


class NoticeStale(NoticeRefused):
    code = "notice_stale"


class NoticeForeign(NoticeRefused):
    code = "notice_foreign"


class ChannelUnreachable(ChannelError):
    code = "channel_unreachable"


class AnswerMalformed(ChannelError):
    code = "answer_malformed"


class AnswerForged(ChannelError):
    code = "answer_forged"


class ChannelRefused(ChannelError):
    """`reason` is the channel's own code, cut to 64 characters of [A-Za-z0-9._-]."""

    code = "channel_refused"

    def __init__(self, channel: str, reason: str) -> None:
        kept = "".join(character for character in reason if character.isascii() and character.isprintable())
        self.channel, self.reason = channel, "".join(c for c in kept if c.isalnum() or c in "._-")[:64]
        super().__init__(f"{channel} refused: {self.reason}")


class StatementNotReady(ChannelError):
    code = "statement_not_ready"


class StatementMalformed(ChannelError):
    """`line` counts from 1; 0 where no line can be named."""

    code = "statement_malformed"

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(f"line {line}: {detail}")
        self.line, self.detail = line, detail


class StatementDigestDiffers(ChannelError):
    code = "statement_digest_differs"


class WrongForm(ChannelError):
    """Raised inside this package alone: what was read, whatever it was, lacks its form."""

    code = "wrong_form"


class WrongSignature(ChannelError):
    """Raised inside this package alone: the other side did not sign this."""

    code = "wrong_signature"


@contextmanager
def reading_notice() -> Iterator[None]:
    """What is wrong in here is wrong with a notice."""
    try:
        yield
    except WrongForm as error:
        raise NoticeMalformed(str(error)) from None
    except WrongSignature as error:
        raise NoticeForged(str(error)) from None


@contextmanager
def reading_answer() -> Iterator[None]:
    """What is wrong in here is wrong with an answer."""
    try:
        yield
    except WrongForm as error:
        raise AnswerMalformed(str(error)) from None
    except WrongSignature as error:
        raise AnswerForged(str(error)) from None
