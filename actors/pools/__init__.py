"""Pools of workers that callers share under a balancing policy."""
