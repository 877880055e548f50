"""Who may use which path: the one table. What of it he may see, the node decides record by record.

A path that is missing here cannot be served: `app.build_app` looks each one up.
"""

from __future__ import annotations

from dataclasses import dataclass

from api.errors import ApiRefused, TokenRefused
from node.service import Reader


@dataclass(frozen=True, slots=True)
class Policy:
    """`anyone`: roles that may ask whatever their organisation; `own`: roles that must be of the node's own one.

    `token`: `none` – not looked at; `optional` – looked at where sent, and ignored for other roles; `required`.
    """

    token: str = "required"
    anyone: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()

    def admit(self, reader: Reader | None, organisation: str) -> Reader | None:
        """Who the path is served to, at a node of `organisation`. Raises TokenRefused or ApiRefused."""
        if self.token == "none":
            return None
        if reader is None:
            if self.token == "required":
                raise TokenRefused("token_missing", "send Authorization: Bearer TOKEN")
            return None
        if reader.role in self.anyone:
            return reader
        if reader.role in self.own and reader.organisation == organisation:
            return reader
        if self.token == "optional":
            return None
        if reader.role in self.own:
            raise ApiRefused("organisation_forbidden", f"this node belongs to {organisation}")
        raise ApiRefused("role_forbidden", f"the role {reader.role} may not do this")


def _roles(*names: str) -> frozenset[str]:
    return frozenset(names)


PUBLIC = Policy(token="none")
ISSUING = Policy(own=_roles("cashier", "hospital_admin"))
# patients read their own, clerks of insurers and employers what their organisation was granted: bill by bill, the node decides
READING = Policy(
    anyone=_roles("cashier", "hospital_admin", "finance_clerk", "auditor", "patient", "insurer_clerk", "employer_clerk")
)
SUPERVISING = Policy(anyone=_roles("auditor", "hospital_admin"), own=_roles("finance_clerk"))
OFFICE = Policy(own=_roles("finance_clerk"))
AGREEING = Policy(own=_roles("cashier", "hospital_admin", "finance_clerk"))
CATALOGUES = Policy(
    anyone=_roles(
        "cashier", "hospital_admin", "finance_clerk", "auditor", "insurer_clerk", "employer_clerk", "operator"
    )
)
AUDITING = Policy(anyone=_roles("auditor"), own=_roles("finance_clerk"))

MANAGING = Policy(own=_roles("hospital_admin"))  # what a hospital offers, and when
SHARING = Policy(anyone=_roles("auditor"), own=_roles("cashier", "hospital_admin"))
LINES = Policy(anyone=_roles("auditor", "operator", "hospital_admin"))
LENDING = Policy(own=_roles("operator"))

PATIENT = Policy(anyone=_roles("patient"))
CASHIER_OR_PATIENT = Policy(anyone=_roles("patient"), own=_roles("cashier", "hospital_admin"))

# institutions that show who they are; a hospital's people do so at the window
INSTITUTIONS = Policy(
    anyone=_roles("insurer_clerk", "employer_clerk", "finance_clerk", "auditor", "hospital_admin", "operator")
)

# whoever may be given an operation's proof, and, but for patients, told of it as an event
PROVING = Policy(anyone=READING.anyone | _roles("operator"))
HEARING = Policy(
    anyone=_roles(
        "cashier", "hospital_admin", "finance_clerk", "auditor", "insurer_clerk", "employer_clerk", "operator"
    )
)

# (method, path) -> policy
POLICIES: dict[tuple[str, str], Policy] = {
    ("POST", "/v1/bills"): ISSUING,
    ("POST", "/v1/bills:batch"): ISSUING,
    ("GET", "/v1/bills/{bill_id}"): READING,
    ("GET", "/v1/bills"): READING,
    ("POST", "/v1/bills/{bill_id}/reversal"): ISSUING,
    ("POST", "/v1/bills/{bill_id}/correction"): ISSUING,
    ("POST", "/v1/bills/{bill_id}/void"): ISSUING,
    ("POST", "/v1/bills/{bill_id}/deliveries"): ISSUING,
    ("POST", "/v1/bills/{bill_id}/arrears"): ISSUING,
    ("POST", "/v1/bills/{bill_id}/make-up-payment"): ISSUING,
    ("POST", "/v1/bills/{bill_id}/payer"): ISSUING,
    ("POST", "/v1/bills/{bill_id}/paper-copies"): ISSUING,
    ("POST", "/v1/bills/{bill_id}/paper-copies:end"): ISSUING,
    ("POST", "/v1/paper-forms:void"): ISSUING,
    ("GET", "/v1/bills/{bill_id}/history"): READING,
    # a holder without a token shows the bill's check code
    ("GET", "/v1/bills/{bill_id}/proof"): Policy(token="optional", anyone=READING.anyone),
    ("GET", "/v1/bills/{bill_id}/fhir"): Policy(token="optional", anyone=READING.anyone),
    ("GET", "/v1/bills/{bill_id}/face"): Policy(token="optional", anyone=READING.anyone),
    ("GET", "/v1/bills/{bill_id}/payer/proof"): Policy(token="optional", anyone=READING.anyone),
    # a patient sees what is their own, and no more
    ("POST", "/v1/fee-notices"): ISSUING,
    ("GET", "/v1/fee-notices/{name}"): CASHIER_OR_PATIENT,
    ("GET", "/v1/me/fee-notices"): PATIENT,
    ("POST", "/v1/fee-notices/{name}/withdrawal"): ISSUING,
    ("POST", "/v1/fee-notices/{name}/refund"): ISSUING,
    ("POST", "/v1/payment-orders"): CASHIER_OR_PATIENT,
    ("GET", "/v1/payment-orders/{name}"): CASHIER_OR_PATIENT,
    ("POST", "/v1/payment-orders/{name}/payments"): ISSUING,
    ("POST", "/v1/payment-orders/{name}/invitations"): CASHIER_OR_PATIENT,
    # the channel's own signature says whose word it is
    ("POST", "/v1/channel-notices/{channel}"): PUBLIC,
    ("GET", "/v1/channels/{channel}/lines"): Policy(own=_roles("hospital_admin", "operator")),
    ("GET", "/v1/channels/{channel}/statement"): Policy(own=_roles("hospital_admin", "operator")),
    ("POST", "/v1/payment-orders/{name}/closure"): CASHIER_OR_PATIENT,
    ("POST", "/v1/bills/{bill_id}/refund"): ISSUING,
    ("GET", "/v1/bills/{bill_id}/refund"): ISSUING,
    ("POST", "/v1/deposits"): ISSUING,
    ("GET", "/v1/deposits/{name}"): CASHIER_OR_PATIENT,
    ("GET", "/v1/me/deposits"): PATIENT,
    ("POST", "/v1/deposits/{name}/invitations"): CASHIER_OR_PATIENT,
    ("POST", "/v1/deposits/{name}/payments"): ISSUING,
    ("POST", "/v1/deposits/{name}/use"): ISSUING,
    ("POST", "/v1/deposits/{name}/settlement"): ISSUING,
    ("POST", "/v1/schedules"): MANAGING,
    ("GET", "/v1/schedules"): CASHIER_OR_PATIENT,
    ("GET", "/v1/schedules/{name}"): CASHIER_OR_PATIENT,
    ("POST", "/v1/schedules/{name}/stop"): MANAGING,
    ("POST", "/v1/schedules/{name}/substitution"): MANAGING,
    ("POST", "/v1/appointments"): CASHIER_OR_PATIENT,
    ("GET", "/v1/appointments/{name}"): CASHIER_OR_PATIENT,
    ("GET", "/v1/me/appointments"): PATIENT,
    ("POST", "/v1/appointments/{name}/fee"): CASHIER_OR_PATIENT,
    ("POST", "/v1/appointments/{name}/confirmation"): CASHIER_OR_PATIENT,
    ("POST", "/v1/appointments/{name}/cancellation"): CASHIER_OR_PATIENT,
    ("POST", "/v1/appointments/{name}/check-in"): CASHIER_OR_PATIENT,
    ("POST", "/v1/appointments/{name}/miss"): ISSUING,
    ("POST", "/v1/visits"): ISSUING,
    ("GET", "/v1/visits/{name}"): CASHIER_OR_PATIENT,
    ("GET", "/v1/me/visits"): PATIENT,
    ("GET", "/v1/visits/{name}/timeline"): CASHIER_OR_PATIENT,
    ("POST", "/v1/visits/{name}/stamps"): ISSUING,
    ("POST", "/v1/visits/{name}/charges"): ISSUING,
    ("POST", "/v1/visits/{name}/close"): ISSUING,
    # who shares, by which rules, and what leaves by the bank; the counter divides what was paid, and takes back for a refund
    ("POST", "/v1/payees"): MANAGING,
    ("GET", "/v1/payees"): SHARING,
    ("GET", "/v1/payees/{name}"): SHARING,
    ("GET", "/v1/payees/{name}/history"): SHARING,
    ("POST", "/v1/payees/{name}/suspension"): MANAGING,
    ("POST", "/v1/payees/{name}/resumption"): MANAGING,
    ("POST", "/v1/payees/{name}/payouts"): MANAGING,
    ("POST", "/v1/payees/{name}/debt-payments"): MANAGING,
    ("POST", "/v1/split-rules"): MANAGING,
    ("GET", "/v1/split-rules/{rules}/{version}"): SHARING,
    ("POST", "/v1/supervised-account"): MANAGING,
    ("GET", "/v1/supervised-account"): SHARING,
    ("POST", "/v1/splits"): ISSUING,
    ("GET", "/v1/splits/{name}"): SHARING,
    ("GET", "/v1/splits/{name}/history"): SHARING,
    ("GET", "/v1/splits/{name}/proof"): ISSUING,
    ("POST", "/v1/splits/{name}/returns"): ISSUING,
    ("GET", "/v1/payment-orders/{name}/division"): SHARING,
    ("POST", "/v1/payment-orders/{name}/finish"): MANAGING,
    ("POST", "/v1/payment-orders/{name}/returns"): MANAGING,
    ("POST", "/v1/credit-agreements"): ISSUING,
    ("GET", "/v1/credit-agreements/{name}"): CASHIER_OR_PATIENT,
    ("POST", "/v1/credit-agreements/{name}/end"): ISSUING,
    ("POST", "/v1/credit-agreements/{name}/repayments"): ISSUING,
    ("POST", "/v1/credit-agreements/{name}/paybacks"): ISSUING,
    ("POST", "/v1/credit-agreements/{name}/statements"): ISSUING,
    ("POST", "/v1/credit-agreements/{name}/instalments"): ISSUING,
    ("GET", "/v1/me/credit-accounts"): PATIENT,
    ("POST", "/v1/credit-holds"): ISSUING,
    ("GET", "/v1/credit-holds/{name}"): CASHIER_OR_PATIENT,
    ("POST", "/v1/credit-holds/{name}/charges"): ISSUING,
    ("POST", "/v1/credit-holds/{name}/release"): ISSUING,
    # whoever answers for the hospital's emergencies, and is not the one who declared it: the ledger's rule
    ("POST", "/v1/credit-holds/{name}/review"): Policy(own=_roles("hospital_admin")),
    ("GET", "/v1/number-leases"): Policy(own=_roles("cashier", "hospital_admin", "operator")),
    # a hospital's administrator sees its own hospital's only: routes/numbers.py, routes/audit.py
    ("GET", "/v1/number-ranges"): SUPERVISING,
    ("POST", "/v1/number-ranges"): OFFICE,
    ("GET", "/v1/organisations"): Policy(
        anyone=_roles("cashier", "hospital_admin", "finance_clerk", "auditor", "operator")
    ),
    ("POST", "/v1/organisations"): OFFICE,
    ("POST", "/v1/organisations/{name}/suspension"): OFFICE,
    ("POST", "/v1/organisations/{name}/resumption"): OFFICE,
    ("POST", "/v1/organisations/{name}/closure"): OFFICE,
    # an office charges and faces, a hospital its items: the ledger's rules tell them apart
    ("POST", "/v1/catalogues"): Policy(own=_roles("hospital_admin", "finance_clerk")),
    ("GET", "/v1/catalogues"): CATALOGUES,
    ("GET", "/v1/catalogues/{catalogue}/{version}"): CATALOGUES,
    # what of it somebody may see and agree to: whatever they might have asked for themselves
    ("GET", "/v1/approvals"): AGREEING,
    ("POST", "/v1/approvals/{approval}"): AGREEING,
    ("POST", "/v1/approvals/{approval}/withdrawal"): AGREEING,
    ("POST", "/v1/clearances"): OFFICE,
    ("GET", "/v1/clearances"): SUPERVISING,
    ("GET", "/v1/seals"): SUPERVISING,
    ("POST", "/v1/seals"): OFFICE,
    ("GET", "/v1/audit/bills"): AUDITING,
    # a bureau's clerks see its own settlements: routes/settlements.py
    ("GET", "/v1/audit/settlements"): Policy(anyone=_roles("auditor", "insurer_clerk"), own=_roles("finance_clerk")),
    ("GET", "/v1/audit/trails/{bill_id}"): AUDITING,
    ("GET", "/v1/audit/supervised"): AUDITING,
    ("GET", "/v1/audit/day-totals"): AUDITING,
    # a hospital closes its day with its own
    ("GET", "/v1/audit/day-books"): SUPERVISING,
    ("GET", "/v1/audit/number-gaps"): AUDITING,
    ("GET", "/v1/audit/waiting"): AUDITING,
    ("GET", "/v1/audit/signed-by"): AUDITING,
    ("GET", "/v1/bills/{bill_id}/version"): READING,
    ("GET", "/v1/me/bills"): PATIENT,
    ("POST", "/v1/me/bills"): PATIENT,
    ("POST", "/v1/bills/{bill_id}/disputes"): PATIENT,
    ("POST", "/v1/bills/{bill_id}/disputes:settle"): OFFICE,
    ("GET", "/v1/disputes"): AUDITING,
    ("POST", "/v1/me/grants"): PATIENT,
    ("GET", "/v1/me/grants"): PATIENT,
    ("POST", "/v1/me/grants/{grant}/revocation"): PATIENT,
    ("GET", "/v1/me/accesses"): PATIENT,
    ("GET", "/v1/me/proxies"): PATIENT,
    ("POST", "/v1/me/proxies"): PATIENT,
    ("POST", "/v1/me/proxies/{proxy}/end"): PATIENT,
    # whose principal cannot sign on: a clerk of the office sees a document of it
    ("POST", "/v1/proxies"): OFFICE,
    ("POST", "/v1/proxies/{proxy}/end"): OFFICE,
    ("GET", "/v1/audit/accesses"): AUDITING,
    ("GET", "/v1/audit/accesses/anchor"): AUDITING,
    ("POST", "/v1/audit/accesses:anchor"): AUDITING,
    # the insurer's own, whoever of it asks
    ("GET", "/v1/claims/{claim}/evidence"): Policy(anyone=_roles("insurer_clerk", "operator", "auditor")),
    ("GET", "/v1/claims"): Policy(anyone=_roles("insurer_clerk", "operator", "auditor")),
    ("GET", "/v1/claims/{claim}"): Policy(anyone=_roles("insurer_clerk", "operator", "auditor")),
    ("POST", "/v1/claims:foresee"): Policy(anyone=_roles("insurer_clerk")),
    # at an insurer's own service
    ("GET", "/v1/claim-terms"): PUBLIC,
    ("POST", "/v1/claims:check"): PATIENT,
    ("POST", "/v1/claims:batch"): PATIENT,
    # credit at a mirror: terms are known to whoever lends, borrows or watches; of lines the node decides
    ("GET", "/v1/credit-products/{lender}/{product}"): CATALOGUES,
    ("GET", "/v1/credit-lines"): LINES,
    ("GET", "/v1/credit-lines/{line}"): LINES,
    # at a lender's own service
    ("POST", "/v1/credit-accounts"): PATIENT,
    ("GET", "/v1/credit-accounts/{line}"): Policy(anyone=_roles("patient"), own=_roles("operator")),
    ("POST", "/v1/credit-accounts/{line}/revocation"): Policy(anyone=_roles("patient"), own=_roles("operator")),
    ("POST", "/v1/credit-accounts/{line}/repayments"): LENDING,
    ("POST", "/v1/credit-accounts/{line}/paybacks"): LENDING,
    ("POST", "/v1/credit-accounts/{line}/instalments"): LENDING,
    ("POST", "/v1/credit-accounts/{line}/statements"): LENDING,
    ("POST", "/v1/credit-statements"): LENDING,
    # the transaction's own signature says for whom it speaks, here too
    ("POST", "/v1/bills/{bill_id}/accounting"): Policy(
        anyone=_roles("insurer_clerk", "employer_clerk", "hospital_admin", "finance_clerk", "operator")
    ),
    # an institution that shows who it is, is told to the holder as such; anybody else is the public
    ("POST", "/v1/verifications"): Policy(
        token="optional",
        anyone=_roles("insurer_clerk", "employer_clerk", "finance_clerk", "auditor", "cashier", "hospital_admin"),
    ),
    ("GET", "/v1/bills/{bill_id}/lookups"): Policy(anyone=_roles("cashier", "hospital_admin", "patient")),
    ("POST", "/v1/verifications:batch"): INSTITUTIONS,
    ("POST", "/v1/proofs:check"): PUBLIC,
    ("GET", "/v1/blocks"): PUBLIC,
    # header, certificate and counts are public; bodies go to auditors and to an issuer for its own part
    ("GET", "/v1/blocks/{height}"): Policy(token="optional", anyone=_roles("auditor", "cashier", "hospital_admin")),
    ("GET", "/v1/network"): PUBLIC,
    ("GET", "/v1/genesis"): PUBLIC,
    # public keys, which no secret depends on: the token keeps strangers from having the whole list made again and again
    ("GET", "/v1/keys"): Policy(anyone=_roles("hospital_admin", "finance_clerk", "auditor", "operator")),
    ("GET", "/v1/keys/{key}/proof"): Policy(anyone=_roles("hospital_admin", "finance_clerk", "auditor", "operator")),
    ("GET", "/v1/operations/{digest}"): Policy(
        anyone=_roles("cashier", "hospital_admin", "finance_clerk", "auditor", "operator")
    ),
    ("GET", "/v1/operations/{digest}/proof"): PROVING,
    # whom each event is told to, the node decides: as it does for the operation's proof
    ("GET", "/v1/events"): HEARING,
    # the transaction's own signature says for whom it speaks; the token keeps strangers out
    ("POST", "/v1/transactions"): Policy(anyone=_roles("hospital_admin", "finance_clerk", "operator")),
    ("GET", "/problems/{code}"): PUBLIC,
}
