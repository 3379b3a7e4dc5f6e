"""Reports of finished runs: one HTML page, tables for papers, plots. Nothing is evaluated, torch is not needed."""
