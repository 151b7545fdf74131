# SPDX-License-Identifier: BSD-3-Clause
"""How are two processes tied together?  A pair of devices for each link, the box's and the generator's.

The box is there first: its end waits for the other.
"""

RING = 14  # power of two: both ends share two CPUs, and small rings overflow while one waits

VIRTQUEUE = 8192  # likewise; a receiver keeps a buffer for each entry


def _memif(number, role, socket, ring=RING):
    return (f"net_memif{number},role={role},id=0,socket={socket},socket-abstract=no"
            f",rsize={ring}")


def _memif_box(number, socket):
    return f"net_memif{number}", _memif(number, "server", socket)


def _memif_generator(number, socket):
    return f"net_memif{number}", _memif(number, "client", socket)


def _vhost(number, socket):
    return f"eth_vhost{number}", f"eth_vhost{number},iface={socket},queues=1"


def _virtio_user(number, socket):
    return (f"net_virtio_user{number}",
            f"net_virtio_user{number},path={socket},queues=1,queue_size={VIRTQUEUE},speed=100000")


# The box's end and the generator's: name of the port and device.
KINDS = {
    "memif": (_memif_box, _memif_generator),
    "virtio-user": (_vhost, _virtio_user),  # the box is the host; a guest that serves blocks
}


def inner_wire(folder):
    """Between two appliances in one process."""
    socket = folder / "between"
    return _memif(8, "server", socket, 10), _memif(9, "client", socket, 10)


INNER_PORTS = ("net_memif8", "net_memif9")
