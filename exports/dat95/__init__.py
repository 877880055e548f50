"""A proven bill in the data elements of DA/T 95-2022, table B.10 医疗费票据."""
