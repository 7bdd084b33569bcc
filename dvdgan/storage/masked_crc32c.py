"""The checksum of LevelDB's tables and of TFRecords."""


def masked_crc32c(content: bytes) -> int:
    """LevelDB's masked CRC-32C: rotated right by 15 bits, plus a constant."""
    import google_crc32c

    crc: int = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
