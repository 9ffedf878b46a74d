#compdef harness
# Completion of `harness` in zsh, written by `harness completion`.
_harness_completion() {
    local candidate value text option=""
    local -a finished finished_texts open open_texts
    if [[ "$PREFIX" == --*=* ]]; then option="${PREFIX%%=*}="; fi
    for candidate in "${(@f)$(
        _TYPER_COMPLETE_ARGS="${(j: :)words[1,CURRENT-1]} $PREFIX" _TYPER_COMPLETE_FISH_ACTION=get-args \
            _HARNESS_COMPLETE=complete_fish ${~words[1]} 2>/dev/null
    )}"; do
        value="$option${candidate%%$'\t'*}"
        [[ -n "$candidate" ]] || continue
        text="$value"
        [[ "$candidate" == *$'\t'* ]] && text="$value  -- ${candidate#*$'\t'}"
        # A word that goes on gets no space behind it.
        if [[ "$value" == *[=.:/] ]]; then open+=("$value"); open_texts+=("$text")
        else finished+=("$value"); finished_texts+=("$text"); fi
    done
    if (( ${#finished} + ${#open} )); then
        compadd -l -d finished_texts -a finished
        compadd -l -S '' -d open_texts -a open
    else
        _files
    fi
}
if (( ! $+functions[compdef] )); then autoload -Uz compinit && compinit; fi
compdef _harness_completion harness
