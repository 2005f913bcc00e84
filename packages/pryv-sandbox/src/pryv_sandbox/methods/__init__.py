"""The methods of the API, by resource, and the table of them all."""
