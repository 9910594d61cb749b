"""Load reports: the workers of a pool are metered, their node is sampled, and callers get reports and probe answers.

`load_book.py`: `LoadBook`, keeps the latest load report of each target
`load_messages.py`: gives load reports their wire names, and defines the probe
`load_subscribers.py`: remembers which nodes get load reports with their replies
`loop_time.py`: `LoopTime`, counts the time that the event loop spends for one pool
`node_sampler.py`: `NodeSampler`, samples the resources of this node
`target_meter.py`: `TargetMeter`, meters the requests of one worker, and makes its load report
`worker_loads.py`: `WorkerLoads`, meters the workers of one pool, and answers probes of them
"""
