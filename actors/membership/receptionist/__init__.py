"""Receptionist: services by name: actors that provide one are found on whichever members they run (Akka's word).

`service_messages.py`: what providers, clients and subscribers exchange with receptionists
`service_board.py`: `ServiceBoard`, what a node wants registered, for as long as the node runs
`receptionist_actor.py`: `ReceptionistActor`, registers a node's actors, and answers clients
`service_finder.py`: asks linked nodes for the instances of a service; for clients
`receptionist.py`: `Receptionist`, a node's handle: registers, finds and follows services
"""
