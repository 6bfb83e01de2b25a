"""The MCP face: each task a tool, over streamable HTTP (`endpoint`) and stdio (`commands/mcp.py`)."""
