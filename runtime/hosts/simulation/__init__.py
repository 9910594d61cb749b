"""What makes the virtual world adversarial: lives that crash, clocks that drift, a seeded order, bad weather, a fence.

`SimulatedWorld` is the whole of it: everything that happens in it follows from one seed.
"""

__all__: list[str] = []
