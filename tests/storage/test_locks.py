"""Locks: one process at a time, free again when that process dies."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchsuite import StorageError
from benchsuite.storage.locks import held, locks


def test_a_lock_is_for_one_process_and_free_when_that_is_killed(tmp_path: Path) -> None:
    program = "import sys, time; from pathlib import Path; from benchsuite.storage.locks import held\n"
    program += "with held(Path(sys.argv[1]), 7, wait=True) as mine:\n    print(mine, flush=True); time.sleep(60)\n"
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "True\n"
    with held(tmp_path / "lock", 7, wait=False) as mine, held(tmp_path / "lock2", 7, wait=False) as another:
        assert not mine
        assert another
    with held(tmp_path / "lock", 8, wait=False) as mine:
        assert mine
    threading.Timer(0.2, other.kill).start()
    with held(tmp_path / "lock", 7, wait=True) as mine:
        assert mine
    other.communicate()


def test_of_two_chunks_in_hand_one_can_be_given_up(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from benchsuite.storage.locks import held\n"
    program += "for place in (1, 2):\n    with held(Path(sys.argv[1]), place, wait=False) as mine: print(mine)\n"

    def free() -> list[str]:
        """Whether another process can claim the first chunk, and the second."""
        return subprocess.check_output([sys.executable, "-c", program, str(tmp_path / "lock")], text=True).split()

    with locks(tmp_path / "lock") as file:
        assert file.take(1, wait=False)
        assert file.take(2, wait=False)
        assert free() == ["False", "False"]
        file.drop(1)
        assert free() == ["True", "False"]
    assert free() == ["True", "True"]


def test_a_lock_in_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Cannot write"), held(tmp_path / "file" / "lock", wait=False):
        pass
