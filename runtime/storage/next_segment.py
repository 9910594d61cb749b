"""`NextSegment`: prepares the file of a log's next segment, so that the batch that begins it waits for no creation.

All methods block: they are for the disk thread, which alone touches what was prepared.
"""

from __future__ import annotations

import contextlib

from coterie.runtime.hosts.disk_with_spares import DiskWithSpares, is_out_of_descriptors
from coterie.runtime.storage.segment_files import Segment, create_segment
from coterie.runtime.storage.space.disk_reserve import is_disk_full

__all__ = ["NextSegment"]


class NextSegment:
    """The segment after the last one of a log.

    Args:
        disk: where it is created.
        path: the data directory.
        salt: that of the store.
    """

    def __init__(self, disk: DiskWithSpares, path: str, salt: int) -> None:
        self._disk = disk
        self._path = path
        self._salt = salt
        self._prepared: Segment | None = None
        self._begun_number = 0

    def prepare(self, number: int, zeros_bytes: int) -> None:
        """Create segment `number` durably, unless a batch was quicker, which has begun it.

        Without space or a descriptor nothing happens: `take` tries again. OSError if the disk fails.
        """
        if self._prepared is None and number > self._begun_number:
            try:
                self._prepared = create_segment(self._disk, self._path, number, self._salt, zeros_bytes=zeros_bytes)
            except OSError as error:
                if not (is_disk_full(error) or is_out_of_descriptors(error)):
                    raise

    def take(self, number: int) -> Segment:
        """Return segment `number`, which has not begun: it is created now if it was not prepared.

        It remains the prepared one until `begun`: so the call may be repeated.
        """
        if self._prepared is None:
            self._prepared = create_segment(self._disk, self._path, number, self._salt)
        return self._prepared

    def begun(self) -> None:
        """Note that the segment that was taken has begun: the log owns it."""
        if self._prepared is not None:
            self._begun_number, self._prepared = self._prepared.number, None

    def discard(self) -> None:
        """Close and remove what was prepared and has not begun. Idempotent."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.file.close()
            with contextlib.suppress(OSError):  # the next open removes it
                self._disk.remove(prepared.path)
