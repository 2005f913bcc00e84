"""How requests get to the platform and responses back: sessions, timeouts, retries, encoding, errors."""
