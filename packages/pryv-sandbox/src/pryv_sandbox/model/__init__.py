"""The concepts of the API: streams, permissions, queries, event types, errors. Nothing is stored here."""
