"""The emulator kit: what every provider's sandbox is made of, on real sockets."""
