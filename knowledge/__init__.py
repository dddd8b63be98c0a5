"""Floor 1: files in, passages out. The only room that knows LangChain and FAISS; knows no model, no wire and no page."""
