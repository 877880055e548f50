"""The insurance fund's share of a case, settled by the bureau while the patient waits: `fund_pay_sumamt` of a settlement.

The fund pays a share of the whole fee, so `details` has `medfee_sumamt`, yuan, where the order's amount is that share alone.
Sources and limits: `medical_insurance.py`.
"""

from __future__ import annotations

from node.channels.medical_insurance import MedicalInsurance


class Fund(MedicalInsurance):
    name = "fund"
    uses_account, paid = "0", "fund_pay_sumamt"
