"""Floor 0: how a setting gets its value. Knows no other room."""
