"""Floor 1: text in, text out, streamed. Knows no documents, no wire and no page."""
