"""Trains the built-in model: texts, questions, tokenizer, training, export. Nothing of the product imports it."""
