"""A proven bill in the forms that others read: FHIR resources, the data elements of DA/T 95."""
