"""Which file this is, of all that its file system has ever held: so that a copy can be told from the original.

An inode number alone comes back once its file is deleted; the generation number beside it is drawn anew each time
(ext4, xfs, btrfs). Where there is none (tmpfs, overlays) the inode number has to do. A snapshot below the file system
keeps both: nothing in a file can show that. Source: ioctl_iflags and FS_IOC_GETVERSION in linux/fs.h.
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import NamedTuple

_LONG_BYTES = struct.calcsize("l")
FS_IOC_GETVERSION = 0x80000000 | _LONG_BYTES << 16 | ord("v") << 8 | 1  # _IOR('v', 1, long)
GENERATION_UNKNOWN = 2**64 - 1


class FileIdentity(NamedTuple):
    inode: int
    generation: int  # GENERATION_UNKNOWN where the file system gives none

    def is_same(self, other: FileIdentity) -> bool:
        """Whether both tell of one file; a generation that one of them does not know is left out."""
        if GENERATION_UNKNOWN in (self.generation, other.generation):
            return self.inode == other.inode
        return self == other


def identity_of(handle: int) -> FileIdentity:
    """Of an open file."""
    buffer = bytearray(8)
    try:
        fcntl.ioctl(handle, FS_IOC_GETVERSION, buffer)
        (generation,) = struct.unpack_from("=I", buffer)  # the kernel writes an int, whatever the request's name says
    except OSError:
        generation = GENERATION_UNKNOWN
    return FileIdentity(os.fstat(handle).st_ino, generation)
