"""``benchsuite.completion_script``: what a shell needs to complete names and options when Tab is pressed.

Each script calls ``benchsuite complete -- WORD ...``, which prints candidates for the last word. Where there are none,
the shell completes files.
"""

from __future__ import annotations

from benchsuite.errors import unknown_name

BASH = """\
# Completion of benchsuite in bash. Load it with: eval "$(benchsuite completion bash)"
_benchsuite() {
    local line="${COMP_LINE:0:COMP_POINT}" current kept word
    local -a words
    read -ra words <<<"$line"
    if [[ -z $line || $line == *[[:space:]] ]]; then words+=(""); fi
    current="${words[-1]}"
    kept=""
    if [[ $COMP_WORDBREAKS == *:* && $current == *:* ]]; then kept="${current%"${current##*:}"}"; fi
    if [[ $COMP_WORDBREAKS == *=* && $kept$current == *=* ]]; then kept="${current%"${current##*[:=]}"}"; fi
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("${word#"$kept"}")
        case $word in *[:=/]) compopt -o nospace 2>/dev/null ;; esac
    done < <(command "${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
}
complete -o default -F _benchsuite benchsuite
"""

ZSH = """\
#compdef benchsuite
# Completion of benchsuite in zsh. Load it after compinit, with: eval "$(benchsuite completion zsh)"
_benchsuite() {
    local -a found open closed
    found=("${(@f)$(command ${words[1]} complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    open=(${(M)found:#*[:=/]})
    closed=(${found:#*[:=/]})
    if (( ${#open} + ${#closed} == 0 )); then
        compset -P '*[:=]'
        _files
        return
    fi
    (( ${#open} )) && compadd -S '' -- $open
    (( ${#closed} )) && compadd -- $closed
}
if [[ $funcstack[1] == _benchsuite ]]; then _benchsuite "$@"; else compdef _benchsuite benchsuite; fi
"""

FISH = """\
# Completion of benchsuite in fish. Load it with: benchsuite completion fish | source
function __benchsuite_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (command $words[1] complete -- $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c benchsuite -f -k -a '(__benchsuite_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def completion_script(shell: str) -> str:
    """The completion of a shell, bash, zsh or fish, as ``benchsuite completion`` does. Raises ``UnknownName``."""
    if shell not in SCRIPTS:
        raise unknown_name("shell", shell, SCRIPTS)
    return SCRIPTS[shell]
