"""The report as one HTML page: its sections, elements, style and scripts."""
