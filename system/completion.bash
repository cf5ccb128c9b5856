# bash completion for peal.fcgi, pealctl and peal-bench            -*- shell-script -*-
#
# What can be written is read from the program's own --help, so that it is always what
# this very program takes.

# Print the long options that lead a line of --help on standard input; with VALUE as the
# argument, those alone that want a value.
_peal_options()
{
    if [ "${1:-}" = VALUE ]; then
        sed -n 's/^[[:blank:]]*\(-[[:alnum:]],\{0,1\} \{1,\}\)\{0,1\}\(--[a-z][a-z-]*\)[ =]\[\{0,1\}[A-Z].*/\2/p'
    else
        sed -n 's/^[[:blank:]]*\(-[[:alnum:]],\{0,1\} \{1,\}\)\{0,1\}\(--[a-z][a-z-]*\).*/\2/p'
    fi
}

# Print the verbs of pealctl --help: what stands at two blanks and is no option.
_peal_verbs()
{
    sed -n 's/^  \([a-z][a-z-]*\)\( .*\)\{0,1\}$/\1/p'
}

# Set COMPREPLY to the words that begin with what has been typed.
_peal_words()
{
    local IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$*" -- "$cur"))
}

_peal_files()
{
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$cur"))
}

_peal_value()
{
    case $1 in
    --config | --arena | --publish-key-file | --listen) _peal_files ;;
    --log) _peal_words error warning notice info debug ;;
    --roles) _peal_words subscribe publish status ;;
    --type) _peal_words raw json array ndjson ;;
    *) COMPREPLY=() ;;
    esac
}

_peal()
{
    local cur=${COMP_WORDS[COMP_CWORD]} before='' help word verb='' i
    [ "$COMP_CWORD" -lt 2 ] || before=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    help=$("${COMP_WORDS[0]/#~/$HOME}" --help 2>/dev/null </dev/null) || return 0

    # "=" is a word of its own to readline.
    if [ "$cur" = = ]; then
        cur=
    elif [ "$before" = = ]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [[ $before == --* && " "$(_peal_options VALUE <<<"$help" | tr '\n' ' ') == *" $before "* ]]; then
        _peal_value "$before"
        return 0
    fi
    if [[ $cur == -* ]]; then
        _peal_words $(_peal_options <<<"$help")
        return 0
    fi
    [[ ${COMP_WORDS[0]##*/} == pealctl ]] || return 0

    # The first word that is neither an option nor its value is the verb.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        =) ((i++)) ;;
        -*) [[ " "$(_peal_options VALUE <<<"$help" | tr '\n' ' ') == *" $word "* &&
            ${COMP_WORDS[i + 1]:-} != = ]] && ((i++)) ;;
        *) verb=$word && break ;;
        esac
    done
    [ -n "$verb" ] || _peal_words $(_peal_verbs <<<"$help")
}

complete -F _peal peal.fcgi pealctl peal-bench
