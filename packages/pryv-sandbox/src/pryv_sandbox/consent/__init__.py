"""Access requests of apps, and the page on which a person answers them."""
