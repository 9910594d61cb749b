"""The fence: calls that would leave a simulated world, answered by it or refused."""
