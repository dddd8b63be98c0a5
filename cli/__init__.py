"""The terminal: `chat-llm-webui COMMAND`, one file a command."""
