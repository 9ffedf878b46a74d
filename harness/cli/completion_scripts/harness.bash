# Completion of `harness` in bash, written by `harness completion`.
_harness_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" word breaks="" cut="" option="" candidate value
    COMPREPLY=()
    word="${line##*[[:space:]]}"
    # bash replaces only what follows the last of its word breaks: what stands before it is cut off.
    [[ "$COMP_WORDBREAKS" == *=* ]] && breaks+="="
    [[ "$COMP_WORDBREAKS" == *:* ]] && breaks+=":"
    if [[ -n "$breaks" && "$word" == *["$breaks"]* ]]; then cut="${word%"${word##*["$breaks"]}"}"; fi
    if [[ "$word" == --*=* ]]; then option="${word%%=*}="; fi
    while IFS= read -r candidate; do
        value="$option${candidate%%$'\t'*}"
        [[ -n "$value" ]] && COMPREPLY+=("${value#"$cut"}")
    done < <(
        _TYPER_COMPLETE_ARGS="$line" _TYPER_COMPLETE_FISH_ACTION=get-args _HARNESS_COMPLETE=complete_fish \
            "${COMP_WORDS[0]/#\~/$HOME}" 2>/dev/null
    )
    # A word that goes on gets no space behind it.
    if [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *[=.:/] ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o default -F _harness_completion harness
