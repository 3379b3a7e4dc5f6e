"""What lies in a folder that could not be opened as a data set, in words. Pure functions; nothing is read here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchsuite.doctor import WNID, Finding, ignored, number
from benchsuite.examine import Survey

OTHER = "names"
ARCHIVES = {".tar", ".zip", ".gz", ".tgz"}


def surveyed(found: Survey, broken: Sequence[str], reason: str) -> list[Finding]:
    """What lies in a folder that could not be opened, and why it could not."""
    findings = [Finding("opening", "failed", reason, "Mend this first, and check again")]
    names = found.folders
    kinds = Counter(_naming(name) for name in names)
    words = "".join(f", {n:,} named by {kind}" for kind, n in kinds.most_common() if kind != OTHER)
    there = f" of {found.where}" if found.where else ""
    text = f"{number(len(found.images), 'image')} in {number(len(names), 'folder')}{there}{words}"
    if not names and found.where:
        text = f"{number(len(found.images), 'image')} in {found.where}, in no class folders"
    findings.append(Finding("folders", "ok" if found.images else "failed", text, _elsewhere(found)))
    usual, times = kinds.most_common(1)[0] if kinds else (OTHER, 0)
    odd = tuple(name for name in names if _naming(name) != usual)
    if odd and usual != OTHER and times > len(odd):
        text = f"{number(len(odd), 'folder')} not named by {usual}, as the others are"
        findings.append(Finding("folders", "failed", text, "Rename them or move them away", odd))
    empty = tuple(name for name, n in names.items() if not n)
    if empty:
        advice = "Fill them from the archive, or remove what is no class"
        findings.append(Finding("folders", "failed", f"{number(len(empty), 'folder')} without an image", advice, empty))
    if found.nested and usual != OTHER:
        text = f"{number(len(found.nested), 'folder')} inside the class folders"
        advice = "Move their images into the class folders, and the folders away"
        findings.append(Finding("folders", "failed", text, advice, tuple(found.nested)))
    elif found.nested:
        text = f"{number(len(found.nested), 'folder')} inside these, which may be data sets of their own"
        findings.append(Finding("folders", "failed", text, "Give one of them as PATH", tuple(names)))
    if broken:
        text = f"{number(len(broken), 'file')} named as an image that is empty, none or not readable"
        advice = "Replace these files, or see to it that you may read them"
        findings.append(Finding("images", "failed", text, advice, tuple(broken)))
    return findings + ignored(found.others)


def _elsewhere(found: Survey) -> str:
    """What to do where the images lie deeper than they were looked for, or in an archive."""
    if not found.images and ARCHIVES & set(found.others):
        return "Unpack the archive first"
    deeper = found.where not in ("", "val", "train") and len(found.folders) > 1
    return f"The class folders lie in {found.where}: add that to PATH" if deeper else ""


def _naming(folder: str) -> str:
    return "WordNet ids" if WNID.fullmatch(folder) else "numbers" if folder.isdigit() else OTHER
