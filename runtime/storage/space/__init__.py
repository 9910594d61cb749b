"""Disk space: what a log keeps in reserve, takes back from dropped records, and needs free to take more.

`disk_reserve.py`: keeps disk space allocated, so that a log on a full disk ends cleanly.
`free_space.py`: watches how much disk space is free, and says when that is too little.
`snapshot_space.py`: knows how much the snapshots take, and how much the next one may take.
`live_share.py`: says how much of a log is live, and how large its next segment should be.
`space_reclaim.py`: copies live records out of old segments and removes them.
"""
