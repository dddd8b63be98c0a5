"""Floor 4: the page, mounted on the api's application behind its guard."""
