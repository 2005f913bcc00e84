"""What a platform keeps: its settings, its clock, its database and files."""
