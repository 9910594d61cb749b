"""Singletons as actors: keeps one actor of a name running in a cluster, on one node at a time.

`singleton_actor.py`: `SingletonActor`, a node's part in a singleton: claims it, runs its actor, passes messages on
`singleton_client.py`: `SingletonClient`, sends messages to a singleton, wherever it runs
`singleton_messages.py`: what the nodes tell each other about a singleton
`lease_guard.py`: `LeaseGuard`, ends the actor of a singleton at the latest when its node's lease ends
`held_messages.py`: `HeldMessages`, passes messages on to the holder, and keeps them while there is none
"""
