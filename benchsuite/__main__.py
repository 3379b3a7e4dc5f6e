"""``python -m benchsuite``."""

from benchsuite.cli import main

raise SystemExit(main())
