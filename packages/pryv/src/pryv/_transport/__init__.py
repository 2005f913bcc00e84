"""How requests get to the platform and answers back: sessions, timeouts, retries, encoding, errors."""
