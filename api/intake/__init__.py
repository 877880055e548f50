"""Bills as others write them, on their way to `chain.bill.BillRequest`: what files and the vendor interface share."""
