"""Images: decoding, prefetching, resizing, prepared files."""
