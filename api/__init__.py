"""Floor 3: the wires, the guard, the server. Bytes on one side, the assistant on the other; knows no page."""
