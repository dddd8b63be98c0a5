"""Floor 2: a question, its passages, one prompt, one run. The only room that knows both generation and knowledge."""
