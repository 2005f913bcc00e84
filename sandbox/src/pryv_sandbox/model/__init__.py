"""What the words of the API mean: streams, permissions, queries, types of events, errors. Nothing is stored here."""
