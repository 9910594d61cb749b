"""coterie: actors for asyncio that agree with each other."""
