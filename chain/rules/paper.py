"""Paper copies (换开): on demand, on numbered forms, one alive at a time.

Source: Zhejiang medical e-bill measure of 2019: after printing only one usable copy exists; a damaged one is taken back first.
Codes in their order of precedence:
  print      already_recorded, form_used, wrong_key, bill_unknown, not_issuer, bill_not_normal, bill_in_arrears, paper_copy_exists
  take back  already_recorded, form_ended, wrong_key, bill_unknown, not_issuer, no_paper_copy, form_unknown
  blanks     forms_malformed (too many, or none), already_recorded, form_used, wrong_key, issuer_not_entitled, forms_malformed
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import PAPERS_MAX, PrintPaper, TakeBackPaper, VoidBlanks
from chain.records import IN_ARREARS, NORMAL, UNIT, FormBody, PaperBody, ReasonBody
from chain.rules.context import HOSPITAL, Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.lives import circulation_of, own_bill, paper_of
from chain.rules.moves import moved


def print_paper(view: View, operation: PrintPaper, context: Context) -> Changes:
    """A copy on a form that was never used."""
    form = keyspace.form(context.organisation, operation.paper)
    refuse_repeated(view, form, context, "form_used")
    body = own_bill(view, operation.bill, context)
    if body.validity != NORMAL:
        raise Refused("bill_not_normal")
    if circulation_of(view, operation.bill) == IN_ARREARS:
        raise Refused("bill_in_arrears")
    state = moved("paper", "print", paper_of(view, operation.bill))
    earlier = view.get(keyspace.paper(operation.bill), PaperBody)
    return {
        form: FormBody(operation.bill, ""),
        keyspace.paper(operation.bill): PaperBody(state, operation.paper, (earlier.copies if earlier else 0) + 1),
    }


def take_back_paper(view: View, operation: TakeBackPaper, context: Context) -> Changes:
    """The copy that is alive, by its form's number."""
    own = keyspace.form_end(context.organisation, operation.paper)
    refuse_repeated(view, own, context, "form_ended")
    own_bill(view, operation.bill, context)
    state = moved("paper", "take_back", paper_of(view, operation.bill))
    copy = view.get(keyspace.paper(operation.bill), PaperBody)
    if copy is None or copy.paper != operation.paper:
        raise Refused("form_unknown")
    return {
        own: ReasonBody(operation.reason),
        keyspace.paper(operation.bill): PaperBody(state, copy.paper, copy.copies),
    }


def void_blanks(view: View, operation: VoidBlanks, context: Context) -> Changes:
    """All of them, or none."""
    if not 1 <= len(operation.papers) <= PAPERS_MAX:
        raise Refused("forms_malformed")
    forms = [keyspace.form(context.organisation, paper) for paper in operation.papers]
    for form in forms:
        refuse_repeated(view, form, context, "form_used")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    if organisation(view, context.organisation).kind != HOSPITAL:
        raise Refused("issuer_not_entitled")
    if operation.papers != sorted(set(operation.papers)):
        raise Refused("forms_malformed")
    return {form: FormBody("", operation.reason) for form in forms}
