"""The insured's personal account, from which the bureau pays at once: `acct_pay` of a settlement with `acct_used_flag` 1.

Sources and limits: `medical_insurance.py`. An account with too little pays less, which is refused before anything is settled.
"""

from __future__ import annotations

from node.channels.medical_insurance import MedicalInsurance


class Account(MedicalInsurance):
    name = "account"
    uses_account, paid = "1", "acct_pay"
