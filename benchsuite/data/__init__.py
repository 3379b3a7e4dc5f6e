"""Images: decoding, reading ahead, resizing, prepared files."""
