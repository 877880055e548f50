"""What details are read for: a code that whoever supervises or audits has to name, and that the patient is shown.

The codes follow HL7's purposes of use where these have one (payment, audit, fraud), in our own spelling.
"""

from __future__ import annotations

from node.service import Reader, ServiceRefused

PURPOSES = (
    "treatment-payment",
    "claim-review",
    "reimbursement",
    "supervision",
    "audit",
    "fraud-investigation",
    "complaint",
    "archiving",
    "own-affairs",
    "verification",
)

NAMING = frozenset({"auditor", "finance_clerk"})  # roles that read whatever they like, and so have to say what for

# what the others read for, unless they name something else
BY_ROLE = {
    "cashier": "treatment-payment",
    "hospital_admin": "treatment-payment",
    "insurer_clerk": "claim-review",
    "employer_clerk": "reimbursement",
    "patient": "own-affairs",
}


def purpose_of(reader: Reader | None, agreed: str = "") -> str:
    """What somebody reads for; None showed a bill's code. `agreed` is what a grant was given for. Raises ServiceRefused
    `purpose_missing`."""
    if reader is None:
        return "verification"
    if agreed or reader.purpose:
        return agreed or reader.purpose
    if reader.role in NAMING:
        raise ServiceRefused("purpose_missing", f"send the header Purpose: {', '.join(PURPOSES)}")
    return BY_ROLE.get(reader.role, "")
