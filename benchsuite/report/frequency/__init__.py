"""The part of a report about spatial frequencies: its content, its pictures and its section of the page."""
